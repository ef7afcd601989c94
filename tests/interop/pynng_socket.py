"""Sockets of pynng, which holds NNG 1."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pynng

from .sp_peer import PATIENCE, Foreign

__all__ = ["open_socket"]

SOCKETS: dict[str, tuple[Any, dict[str, Any]]] = {
    "pair0": (pynng.Pair0, {}),
    "pair1": (pynng.Pair1, {}),
    "poly": (pynng.Pair1, {"polyamorous": True}),
    "pub": (pynng.Pub0, {}),
    "sub": (pynng.Sub0, {"topics": b""}),
    "sub-b": (pynng.Sub0, {"topics": b"b"}),
    "push": (pynng.Push0, {}),
    "pull": (pynng.Pull0, {}),
    "req": (pynng.Req0, {}),
    "rep": (pynng.Rep0, {}),
    "surveyor": (pynng.Surveyor0, {"survey_time": PATIENCE}),
    "surveyor-100ms": (pynng.Surveyor0, {"survey_time": 100}),
    "respondent": (pynng.Respondent0, {}),
    "bus": (pynng.Bus0, {}),
}


class PynngSocket:
    """One of them."""

    def __init__(self, pattern: str, certificates: str) -> None:
        kind, options = SOCKETS[pattern]
        self._socket = kind(
            recv_timeout=PATIENCE,
            send_timeout=PATIENCE,
            recv_max_size=0,
            reconnect_time_min=10,
            **options,
        )
        self._names = pattern == "poly"
        self._from: Any = None
        self._certificates = Path(certificates) if certificates else None
        self.met = threading.Event()
        self.lost = threading.Event()
        self._socket.add_post_pipe_connect_cb(lambda pipe: self.met.set())
        self._socket.add_post_pipe_remove_cb(lambda pipe: self.lost.set())

    def listen(self, url: str) -> str:
        if self._certificates is not None:
            self._socket.tls_config = pynng.TLSConfig(
                pynng.TLSConfig.MODE_SERVER, cert_key_file=str(self._certificates / "end.pem")
            )
        self._socket.listen(url)
        real: str = self._socket.listeners[0].url
        return real

    def dial(self, url: str) -> None:
        if self._certificates is not None:
            self._socket.tls_config = pynng.TLSConfig(
                pynng.TLSConfig.MODE_CLIENT,
                server_name="localhost",
                ca_files=str(self._certificates / "ca.pem"),
                auth_mode=pynng.TLSConfig.AUTH_MODE_REQUIRED,
            )
        self._socket.dial(url, block=True)

    def send(self, body: bytes) -> None:
        if self._names and self._from is not None:
            self._socket.send_msg(pynng.Message(body, self._from))
        else:
            self._socket.send(body)

    def recv(self) -> bytes:
        # Its recv() takes no empty messages.
        try:
            message = self._socket.recv_msg()
        except pynng.Timeout as error:
            raise TimeoutError(str(error)) from None
        self._from = message.pipe
        data: bytes = message.bytes
        return data


def open_socket(pattern: str, certificates: str) -> Foreign:
    """A socket; what TLS needs is in that directory, if any."""
    return PynngSocket(pattern, certificates)
