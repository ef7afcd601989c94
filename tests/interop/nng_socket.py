"""Sockets of the package ``nng``, which holds NNG 2."""

from __future__ import annotations

import threading
from typing import Any

import nng

from .sp_peer import PATIENCE, Foreign

__all__ = ["open_socket"]

SOCKETS: dict[str, tuple[Any, dict[str, Any]]] = {
    "pair0": (nng.PairSocket, {"v0": True}),
    "pair1": (nng.PairSocket, {}),
    "pub": (nng.PubSocket, {}),
    "sub": (nng.SubSocket, {}),
    "push": (nng.PushSocket, {}),
    "pull": (nng.PullSocket, {}),
    "req": (nng.ReqSocket, {}),
    "rep": (nng.RepSocket, {}),
    "surveyor": (nng.SurveyorSocket, {}),
    "respondent": (nng.RespondentSocket, {}),
    "bus": (nng.BusSocket, {}),
}


class NngSocket:
    """One of them. Messages of up to 1 GiB are received, its default."""

    def __init__(self, pattern: str) -> None:
        kind, options = SOCKETS[pattern]
        self._socket = kind(**options)
        self._socket.recv_timeout = self._socket.send_timeout = PATIENCE
        if pattern == "sub":
            self._socket.subscribe(b"")
        if pattern == "surveyor":
            self._socket.survey_time = PATIENCE
        self.met = threading.Event()
        self.lost = threading.Event()
        self._socket.on_new_pipe = self._follow

    def _follow(self, pipe: nng.Pipe) -> None:
        """Told of a new pipe; what becomes of it is told to the callback, unless it has come about by then."""

        def changed() -> None:
            if pipe.status == nng.PipeStatus.ACTIVE:
                self.met.set()
            elif pipe.status == nng.PipeStatus.REMOVED:
                self.lost.set()

        pipe.on_status_change = changed
        changed()

    def listen(self, url: str) -> str:
        listener = self._socket.add_listener(url)
        listener.start()
        return url.replace(":0", f":{listener.port}") if url.endswith(":0") else url

    def dial(self, url: str) -> None:
        self._socket.add_dialer(url, reconnect_min_ms=10).start()

    def send(self, body: bytes) -> None:
        self._socket.send(body)

    def recv(self) -> bytes:
        data: bytes = self._socket.recv().to_bytes()
        return data


def open_socket(pattern: str, certificates: str) -> Foreign:
    """A socket. This package is built without TLS, so the directory must be none."""
    assert not certificates
    return NngSocket(pattern)
