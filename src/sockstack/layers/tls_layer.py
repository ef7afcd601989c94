"""The state machine of :class:`~sockstack.layers.tls.Tls`, over OpenSSL's in-memory interface.

Raw bytes wait in the layer's own queue and reach OpenSSL only when they will be read to the end: while it holds data
that nobody has read, it can neither end its own direction nor say what came after the peer's end.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..core.capabilities import Auth, Capabilities
from ..core.errors import LocalProtocolError, PeerAborted, SockstackError, StackError
from ..core.framing import JOIN_BELOW
from ..core.layer import MANY, Layer
from ..core.life import Event, State, after
from ..core.marks import (
    TLS_ALPN,
    TLS_CHANNEL_BINDING,
    TLS_CIPHER,
    TLS_PEER_CERTIFICATE,
    TLS_PEER_NAMES,
    TLS_SERVER_NAME,
    TLS_VERSION,
    Key,
)
from .tls_faults import fault_of
from .tls_hello import server_name

if TYPE_CHECKING:
    from .tls import Tls

__all__ = ["TlsLayer"]

T = TypeVar("T")

RECORD = 16384
"""Bytes of plaintext that a record holds at most."""

FLIGHT = 4096
"""Bytes of a client's first flight that are kept until the session is open: the name that it asks for is there."""

SIGNATURE = 8
"""Bytes that show whether a server speaks TLS."""

CUT = (
    "the peer ended the connection without close_notify: the data may be cut short (truncation), by the peer or by "
    "anybody on the way"
)
CUT_EARLY = (
    "the peer closed the connection in the middle of the TLS handshake; does it speak TLS on this port, and does it "
    "accept what this end offers?"
)


class TlsLayer(Layer):
    """One session. Ciphertext below, plaintext above."""

    session = True

    def __init__(
        self, spec: Tls, context: ssl.SSLContext, *, server: bool = False, name: str | None = None
    ) -> None:
        self._spec = spec
        self._server = server
        self._inbound = ssl.MemoryBIO()
        self._outbound = ssl.MemoryBIO()
        try:
            # A name may be written with the dot of the root, which certificates and SNI do without.
            self._object = context.wrap_bio(
                self._inbound,
                self._outbound,
                server_side=server,
                server_hostname=name.removesuffix(".") if name else None,
            )
        except (ssl.SSLError, ValueError, TypeError) as error:
            subject = "this context" if isinstance(error, ssl.SSLError) else f"the name {name!r}"
            raise StackError(f"tls: {subject} cannot be used: {error}", layer="tls") from error
        self._read = self._object.read
        self._write = self._object.write
        self._state = State.NEW
        self._wanted = 0
        self._reading = False
        self._busy = False
        self._raw: list[bytes] = []
        self._plain: list[bytes] = []
        self._begun = b""
        self._name: str | None = None
        self._end_when_open = False
        self._closed = False
        self._fault: SockstackError | None = None
        self._lost: SockstackError | None = None
        self._below_ended = False
        self._record: Capabilities | None = None

    # From above.

    def send(self, units: Sequence[bytes]) -> None:
        if not self._state.may_send:
            if self._state is State.BROKEN:
                return
            when = "before the session is open" if self._record is None else "after end()"
            raise LocalProtocolError(f"nothing can be sent {when}", layer=self.name, path=self.path)
        try:
            if len(units) == 1:
                self._encrypt(units[0])
            else:
                run: list[bytes] = []
                for unit in units:
                    if len(unit) < JOIN_BELOW:
                        run.append(unit)
                        continue
                    self._encrypt(b"".join(run))
                    self._encrypt(unit)
                    run = []
                self._encrypt(b"".join(run))
        except ssl.SSLError as error:
            self._fault = self._fault or self._judge(error)
        self._flush()
        if self._fault is not None and not self._busy:
            self._settle()

    def want(self, n: int) -> None:
        self._wanted = n
        if self._busy or self._state in (State.NEW, State.OPENING, State.BROKEN):
            return
        self._pump()

    def end(self) -> None:
        """Send close_notify. The peer may go on, and the connection below stays as it is."""
        if self._state in (State.NEW, State.OPENING):
            self._end_when_open = True
            return
        if not self._state.may_send:
            return
        self._state = after(self._state, Event.END)
        if self._inbound.pending and not self._closed:
            self._decrypt()  # OpenSSL looks for the peer's close_notify now, and chokes on data
        if self._fault is None:
            try:
                self._object.unwrap()
            except ssl.SSLWantReadError:
                pass  # the peer's close_notify has not come yet
            except ssl.SSLError as error:
                self._fault = self._judge(error)
        self._flush()
        if not self._busy:
            self._settle()

    def abort(self) -> None:
        self._drop()
        self.below.abort()

    # From below.

    def opened(self, record: Capabilities) -> None:
        self._record = record
        self._state = State.OPENING
        self._pump()

    def receive(self, units: list[bytes]) -> None:
        if self._state is not State.BROKEN:
            self._raw += units
            if not self._busy:
                self._pump()

    def ended(self) -> None:
        self._below_ended = True
        if not self._busy:
            self._pump()

    def broken(self, error: SockstackError) -> None:
        self._lost = error
        if not self._busy:
            self._pump()

    # For whoever dismantles.

    def detachable(self) -> str | None:
        if self._state is State.ENDED:
            return None
        if self._record is None or self._state is State.OPENING:
            return "the TLS handshake is not done"
        if self._state is State.BROKEN:
            return "the TLS session is broken"
        missing = []
        if self._state.may_send:
            missing.append("this end has not ended it: end()")
        if not self.remote_ended:
            missing.append("the peer's close_notify has not been received")
        return " and ".join(missing)

    def leftover(self) -> list[bytes]:
        data = self._inbound.read() + b"".join(self._raw)
        self._raw.clear()
        return [data] if data else []

    def get(self, key: Key[T]) -> T | None:
        if self._record is None or self._state is State.OPENING:
            return None
        answer: Any = None
        if key is TLS_VERSION:
            answer = self._object.version()
        elif key is TLS_CIPHER:
            cipher = self._object.cipher()
            answer = cipher and cipher[0]
        elif key is TLS_ALPN:
            answer = self._object.selected_alpn_protocol()
        elif key is TLS_SERVER_NAME:
            answer = self._name
        elif key is TLS_PEER_CERTIFICATE:
            answer = self._object.getpeercert(binary_form=True)
        elif key is TLS_PEER_NAMES:
            answer = names_of(self._object.getpeercert())
        elif key is TLS_CHANNEL_BINDING:
            answer = self._object.get_channel_binding("tls-unique")
        return cast("T | None", answer)

    # Inside.

    def _pump(self) -> None:
        """Do what can be done with the bytes that are there and the credit that was given, then say how it ended."""
        self._busy = True
        while True:
            if self._state is State.OPENING:
                if not self._shake():
                    break
            elif self._wanted > 0 and self._state is not State.BROKEN:
                plain = self._plain
                if not plain:
                    self._feed()
                    self._decrypt()
                    if not plain:
                        break
                data = plain[0] if len(plain) == 1 else b"".join(plain)
                plain.clear()
                if self._wanted < MANY:
                    self._wanted = max(0, self._wanted - len(data))
                self.above.receive([data])
                if not (plain or self._raw):
                    break
            else:
                break
        self._busy = False
        self._settle()

    def _feed(self) -> None:
        if self._raw:
            raw = self._raw
            self._inbound.write(raw[0] if len(raw) == 1 else b"".join(raw))
            raw.clear()

    def _shake(self) -> bool:
        """Take the handshake as far as the bytes go; whether it is done now."""
        if len(self._begun) < (FLIGHT if self._server else SIGNATURE):
            self._begun += b"".join(self._raw)
        self._feed()
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        except ssl.SSLError as error:
            self._flush()
            self._fault = self._judge(error)
            return False
        self._flush()
        self._name = server_name(self._begun) if self._server else self._object.server_hostname
        self._begun = b""
        self._state = after(self._state, Event.OPENED)
        self.above.opened(self._refined())
        if self._end_when_open:
            self.end()
        return True

    def _refined(self) -> Capabilities:
        """The record of this very session: of a certificate that only some peers show, it is known now."""
        assert self._record is not None
        record = self._spec.derive(self._record)
        certified = self._object.getpeercert(binary_form=True) is not None
        if certified and self._object.context.verify_mode is not ssl.CERT_NONE:
            return record.but(peer_auth=max(record.peer_auth, Auth.CERTIFICATE))
        return record

    def _decrypt(self) -> None:
        """Read all records that are complete, up to the peer's end."""
        read, inbound, plain = self._read, self._inbound, self._plain
        try:
            while inbound.pending and not self._closed and self._fault is None:
                chunk = read(RECORD)
                if chunk:
                    plain.append(chunk)
                else:
                    self._closed = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self._closed = True
        except ssl.SSLError as error:
            self._fault = self._judge(error)
        self._flush()

    def _encrypt(self, data: bytes) -> None:
        size = len(data)
        if size:
            done = self._write(data)
            while done < size:
                done += self._write(memoryview(data)[done:])

    def _flush(self) -> None:
        if self._outbound.pending:
            self.below.send([self._outbound.read()])

    def _settle(self) -> None:
        """Let an ending or a fault through once all that came before it has gone up, and ask for what is wanted."""
        if self._state is State.BROKEN:
            return
        if self._plain:
            self._steer()
            return
        if self._fault is not None:
            fault = self._fault
            self._drop()
            self.fail(fault)
            return
        if self._closed and not self.remote_ended:
            self.remote_ended = True
            self._state = after(self._state, Event.ENDED)
            self._steer()
            self.above.ended()
            if self._lost is None or self._state is State.BROKEN:
                return  # by now the layer may have been taken off
        lost = self._lost
        if lost is None and self._below_ended and not self.remote_ended:
            lost = PeerAborted(CUT_EARLY if self._state is State.OPENING else CUT)
        undecoded = self._wanted <= 0 and bool(self._raw or self._inbound.pending)
        if lost is not None and (self.remote_ended or not undecoded):
            self._drop()
            self.fail(lost)
            return
        self._steer()

    def _steer(self) -> None:
        """Ask below for bytes exactly while they will be read."""
        reading = self._state is State.OPENING or (self._wanted > 0 and not self._closed)
        if reading != self._reading:
            self._reading = reading
            self.below.want(MANY if reading else 0)

    def _drop(self) -> None:
        self._state = State.BROKEN
        self._raw.clear()
        self._plain.clear()

    def _judge(self, error: ssl.SSLError) -> SockstackError:
        return fault_of(error, self._object, server=self._server, begun=self._begun)


def names_of(certificate: Any) -> tuple[str, ...] | None:
    """What a certificate calls its owner, as :data:`TLS_PEER_NAMES` has it.

    Args:
        certificate: as the ssl module decodes it: empty if it was not verified, None if there is none.
    """
    if not certificate:
        return None
    subject = [entry for group in certificate.get("subject", ()) for entry in group]
    common = [f"CN:{value}" for key, value in subject if key == "commonName"]
    return (*common, *(f"{kind}:{value}" for kind, value in certificate.get("subjectAltName", ())))
