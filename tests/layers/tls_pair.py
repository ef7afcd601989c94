"""Two TLS ends back to back in memory, over a bottom layer that does what a test tells it to."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import trustme

from sockstack.core.capabilities import Capabilities, CleanEnd, HalfClose, Integrity, Unit
from sockstack.core.errors import SockstackError
from sockstack.core.layer import MANY, Layer, Top, wire
from sockstack.core.spec import Build, Kind, LayerSpec, Role
from sockstack.layers.tls import Tls

RECORD = Capabilities(
    Unit.STREAM,
    half_close=HalfClose.NATIVE,
    clean_end=CleanEnd.PEER_CLAIMS,
    integrity=Integrity.CHECKSUM,
    features=frozenset({"fd_pass", "peer_cred", "sp_type_octet", "detach"}),
)
NAME = "example.org"
VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


class Env:
    """A world without time and chance."""

    def now(self) -> float:
        raise NotImplementedError

    def wall(self) -> float:
        raise NotImplementedError

    def randbits(self, bits: int) -> int:
        raise NotImplementedError


@dataclass(frozen=True)
class Memory(LayerSpec):
    """The transport below."""

    host: str | None = NAME

    name: ClassVar[str] = "memory"
    kind: ClassVar[Kind] = Kind.TRANSPORT

    def derive(self, below: Capabilities) -> Capabilities:
        return RECORD


class Bottom(Layer):
    """A stream that keeps what is sent, and hands up what it is given while there is credit."""

    session = True

    def __init__(self) -> None:
        self.out = b""
        self.sends = 0
        self.held: list[bytes] = []
        self.credit = 0
        self.wants: list[int] = []
        self.output_ended = False
        self.aborted = False

    def open(self) -> None:
        self.above.opened(RECORD)

    def send(self, units: Any) -> None:
        assert not self.aborted
        self.sends += 1
        self.out += b"".join(units)

    def want(self, n: int) -> None:
        self.credit = n
        self.wants.append(n)

    def end(self) -> None:
        self.output_ended = True

    def abort(self) -> None:
        self.aborted = True

    def take(self) -> bytes:
        out, self.out = self.out, b""
        return out

    def give(self, *pieces: bytes) -> None:
        """Bytes from the other end, a read each; what there is no credit for waits."""
        self.held += pieces
        while self.held and self.credit and not self.aborted:
            self.above.receive([self.held.pop(0)])


class Recorder(Top):
    """The receiver: what came up, in order."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.records: list[Capabilities] = []
        self.chunks: list[bytes] = []
        self.error: SockstackError | None = None
        self.on_opened: Callable[[], None] = lambda: None
        self.on_receive: Callable[[], None] = lambda: None
        self.on_ended: Callable[[], None] = lambda: None

    @property
    def data(self) -> bytes:
        return b"".join(self.chunks)

    def opened(self, record: Capabilities) -> None:
        self.events.append("opened")
        self.records.append(record)
        self.on_opened()

    def receive(self, units: list[bytes]) -> None:
        assert units
        assert all(units)
        self.events.append("receive")
        self.chunks += units
        self.on_receive()

    def writable(self, flag: bool) -> None:
        self.events.append(f"writable {flag}")

    def ended(self) -> None:
        self.events.append("ended")
        self.on_ended()

    def broken(self, error: SockstackError) -> None:
        assert self.error is None
        self.events.append("broken")
        self.error = error


class End:
    """One end: recorder, TLS, bottom. Credit is unlimited unless told otherwise."""

    def __init__(
        self, spec: Tls, role: Role, *, host: str | None = NAME, credit: int = MANY
    ) -> None:
        self.top = Recorder()
        self.bottom = Bottom()
        memory = Memory(host)
        self.layer = spec.build(Build(role, RECORD, (spec, memory), 0, Env()))
        self.layer.name, self.layer.path = "tls", "tls<memory"
        wire(self.top, [self.layer, self.bottom])
        if credit:
            self.top.below.want(credit)

    @property
    def ready(self) -> bool:
        return "opened" in self.top.events

    def open(self) -> None:
        self.top.below.open()

    def send(self, *data: bytes) -> None:
        self.top.below.send(list(data))

    def want(self, n: int) -> None:
        self.top.below.want(n)

    def end(self) -> None:
        self.top.below.end()


Cutter = Callable[[bytes], list[bytes]]


def whole(data: bytes) -> list[bytes]:
    return [data]


def singly(data: bytes) -> list[bytes]:
    return [data[index : index + 1] for index in range(len(data))]


class CutAt:
    """Cuts what passes once, after the given count of bytes."""

    def __init__(self, at: int) -> None:
        self.at = at

    def __call__(self, data: bytes) -> list[bytes]:
        at, self.at = self.at, self.at - len(data)
        return [data[:at], data[at:]] if 0 < at < len(data) else [data]


def pump(one: End, two: End, cut: Cutter = whole, back: Cutter = whole) -> int:
    """Carry bytes until both are quiet; how many went from ``one`` to ``two``."""
    carried = 0
    one.bottom.give()
    two.bottom.give()
    while True:
        out, answer = one.bottom.take(), two.bottom.take()
        if not out and not answer:
            return carried
        if out:
            carried += len(out)
            two.bottom.give(*cut(out))
        if answer:
            one.bottom.give(*back(answer))


@dataclass(frozen=True)
class Files:
    """Certificates in files, for an authority that nobody else knows."""

    ca: str
    cert: str
    key: str
    chain: str


def make_files(
    directory: Path, *names: str, authority: trustme.CA | None = None, **more: Any
) -> Files:
    """A certificate for ``names``, issued by a fresh authority or by the one given."""
    authority = authority or trustme.CA()
    leaf = authority.issue_cert(*names, **more)
    paths = [str(directory / name) for name in ("ca.pem", "cert.pem", "key.pem", "chain.pem")]
    directory.mkdir(exist_ok=True)
    authority.cert_pem.write_to_path(paths[0])
    leaf.cert_chain_pems[0].write_to_path(paths[1])
    leaf.private_key_pem.write_to_path(paths[2])
    leaf.private_key_and_cert_chain_pem.write_to_path(paths[3])
    return Files(*paths)


def context_for(
    files: Files, *, server: bool, version: ssl.TLSVersion | None = None
) -> ssl.SSLContext:
    """A context of the standard library's, of one TLS version."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    if server:
        context.load_cert_chain(files.chain)
    else:
        context.load_verify_locations(files.ca)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


def specs_of(files: Files, version: str) -> tuple[Tls, Tls]:
    """Client and server that speak one version."""
    context = context_for(files, server=False, version=VERSIONS[version])
    return Tls(context=context), Tls(cert=files.cert, key=files.key)


def ends(specs: tuple[Tls, Tls], *, credit: int = MANY) -> tuple[End, End]:
    client, server = specs
    return (
        End(client, Role.DIALER, credit=credit),
        End(server, Role.LISTENER, credit=credit),
    )


def joined(specs: tuple[Tls, Tls], *, credit: int = MANY) -> tuple[End, End]:
    """Two ends after the handshake."""
    client, server = ends(specs, credit=credit)
    client.open()
    server.open()
    pump(client, server)
    assert client.ready
    assert server.ready
    return client, server


def with_early_data(specs: tuple[Tls, Tls], on_opened: Callable[[End], None]) -> End:
    """The end that is done last, by a read that holds the other's first data too.

    With TLS 1.2 that is the client, with TLS 1.3 the server.
    """
    client, server = ends(specs)
    last: list[End] = []

    def opened(end: End, other: End) -> None:
        if other.ready:
            last.append(end)
            on_opened(end)
        else:
            end.send(b"early")

    client.top.on_opened = lambda: opened(client, server)
    server.top.on_opened = lambda: opened(server, client)
    client.open()
    server.open()
    pump(client, server)
    return last[0]


PAST = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC)
FUTURE = datetime.datetime(2999, 1, 1, tzinfo=datetime.UTC)
