"""Layers, links and muxes with one deliberate fault each, to see that the kits find it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from sockstack.core.capabilities import STREAM, Capabilities, Requirement
from sockstack.core.errors import EndpointError, RemoteProtocolError, SockstackError
from sockstack.core.hub import Cancellable, Hub
from sockstack.core.interfaces import Message, Stream
from sockstack.core.layer import MANY, Chunks, Layer
from sockstack.core.spec import Build, Kind, LayerSpec, Spec
from sockstack.core.transport import Accepted, Bound, Dialed, Failed, Link
from sockstack.layers.prefix import Prefix, PrefixLayer
from sockstack.mux.stream import MuxStream
from sockstack.testing.mux import SmallMux, SmallMuxLayer
from sockstack.transports.fd import Fd, SocketLink
from sockstack.transports.tcp import Tcp

LIMIT = 1 << 20


@dataclass(frozen=True)
class Framed(LayerSpec, Spec[Stream, Message]):
    """``Prefix(4)`` with a layer that may have a fault."""

    layer: type[PrefixLayer] = PrefixLayer

    name: ClassVar[str] = "framed"
    kind: ClassVar[Kind] = Kind.FRAMER

    @property
    def requires(self) -> tuple[Requirement, ...]:
        return (STREAM,)

    def derive(self, below: Capabilities) -> Capabilities:
        return Prefix(4).derive(below)

    def build(self, build: Build) -> Layer:
        return self.layer(4, LIMIT)


class SwapsTwo(PrefixLayer):
    def send(self, units: Sequence[Chunks]) -> None:
        super().send([*units[1:2], *units[:1], *units[2:]])


class DropsAByte(PrefixLayer):
    def send(self, units: Sequence[Any]) -> None:
        super().send([unit[:-1] if len(unit) > 65536 else unit for unit in units])


class ForgetsChunks(PrefixLayer):
    def send(self, units: Sequence[Chunks]) -> None:
        super().send([unit[0] if isinstance(unit, tuple) else unit for unit in units])


class SkipsEmpty(PrefixLayer):
    def send(self, units: Sequence[Chunks]) -> None:
        super().send([unit for unit in units if unit])


class EndsTwice(PrefixLayer):
    def ended(self) -> None:
        super().ended()
        self.above.ended()


class EndOvertakes(PrefixLayer):
    def ended(self) -> None:
        self.above.ended()


class SendsAfterEnd(PrefixLayer):
    def end(self) -> None:
        self.below.end()
        self.below.send([b"one more thing"])


class IgnoresCredit(PrefixLayer):
    def want(self, n: int) -> None:
        super().want(MANY)


class IgnoresNoCredit(PrefixLayer):
    def want(self, n: int) -> None:
        if n:
            super().want(n)


class AddsCredit(PrefixLayer):
    def want(self, n: int) -> None:
        super().want(self._wanted + n if n else 0)


class DeliversAfterBroken(PrefixLayer):
    def fail(self, error: SockstackError) -> None:
        super().fail(error)
        self.above.receive([b"late"])


class BreaksFirst(PrefixLayer):
    def broken(self, error: SockstackError) -> None:
        self.above.broken(error)


class SwallowsGarbage(PrefixLayer):
    def refuse(self, error: SockstackError) -> None:
        self._data = b""


class RaisesOnGarbage(PrefixLayer):
    def refuse(self, error: SockstackError) -> None:
        raise ValueError("garbage")


class KeepsTheLinkOnGarbage(PrefixLayer):
    def fail(self, error: SockstackError) -> None:
        self.above.broken(error)


class AliasesABuffer(PrefixLayer):
    def parse(self, data: bytes, pos: int, units: list[Any], room: int) -> int:
        start = len(units)
        pos = super().parse(data, pos, units, room)
        units[start:] = [memoryview(unit) for unit in units[start:]]
        return pos


class HandsUpAPiece(PrefixLayer):
    def ended(self) -> None:
        for piece in self.leftover():
            self.above.receive([piece])
        self.above.ended()


class LosesLeftover(PrefixLayer):
    def leftover(self) -> list[bytes]:
        super().leftover()
        return []


class WantsWholeReads(PrefixLayer):
    def receive(self, units: list[bytes]) -> None:
        super().receive(units)
        self.leftover()


class HidesWritable(PrefixLayer):
    def writable(self, flag: bool) -> None:
        """Nobody needs to know."""


class KeepsTheLinkOnAbort(PrefixLayer):
    def abort(self) -> None:
        """Nothing is let go of."""


class SaysEndForCut(PrefixLayer):
    def broken(self, error: SockstackError) -> None:
        self.above.ended()


class WastesRoom(PrefixLayer):
    def __init__(self, size: int, max_unit: int) -> None:
        super().__init__(8, max_unit)


class HidesMetadata(PrefixLayer):
    def get(self, key: Any) -> Any:
        return ""


@dataclass(frozen=True)
class Xor(LayerSpec, Spec[Stream, Stream]):
    """A filter of bytes, whose layer may have a fault."""

    layer: Callable[[], Layer]

    name: ClassVar[str] = "xor"
    kind: ClassVar[Kind] = Kind.FILTER

    @property
    def requires(self) -> tuple[Requirement, ...]:
        return (STREAM,)

    def derive(self, below: Capabilities) -> Capabilities:
        return below.but(features=below.features - {"fd_pass"})

    def build(self, build: Build) -> Layer:
        return self.layer()


class XorLayer(Layer):
    """Each byte changed by its place, modulo 7."""

    def __init__(self) -> None:
        self._sent = self._received = 0

    def send(self, units: Sequence[bytes]) -> None:
        out = []
        for unit in units:
            out.append(bytes(byte ^ (self._sent + at) % 7 for at, byte in enumerate(unit)))
            self._sent += len(unit)
        self.below.send(out)

    def receive(self, units: list[bytes]) -> None:
        data = b"".join(units)
        start, self._received = self._received, self._received + len(data)
        self.above.receive([bytes(byte ^ (start + at) % 7 for at, byte in enumerate(data))])


class ForgetsItsPlace(XorLayer):
    """It takes each read for the beginning of what was sent at once."""

    def receive(self, units: list[bytes]) -> None:
        super().receive(units)
        if len(units[0]) == 1:
            self._received = 0


class SendsEmpty(XorLayer):
    def receive(self, units: list[bytes]) -> None:
        super().receive(units)
        self.above.receive([b""])


class ClosesBothHalves(XorLayer):
    def ended(self) -> None:
        self.below.abort()
        self.above.ended()


class NeverOpens(XorLayer):
    def opened(self, record: Capabilities) -> None:
        self.below.want(1)


class TakesEmptyForEnd(XorLayer):
    def send(self, units: Sequence[bytes]) -> None:
        super().send(units)
        if not all(units):
            self.below.end()


@dataclass(frozen=True)
class FaultyFd(Fd):
    """``Fd`` over a socket, with a link that may have a fault."""

    kind_of_link: type[SocketLink] = SocketLink

    def link(self, hub: Hub) -> Link:
        assert isinstance(self.source, socket.socket)
        return self.kind_of_link(hub, socket.socket(fileno=self.source.detach()))


class SwapsWrites(SocketLink):
    def send(self, units: Sequence[bytes]) -> None:
        super().send(list(reversed(units)))


class LosesTheTail(SocketLink):
    def send(self, units: Sequence[bytes]) -> None:
        super().send([unit[:-1] if len(unit) > 65536 else unit for unit in units])


class ReadsWithoutCredit(SocketLink):
    def on_readable(self) -> None:
        self._wanted = MANY
        super().on_readable()


class KeepsOnReading(SocketLink):
    def want(self, n: int) -> None:
        if n:
            super().want(n)


class ReusesItsBuffer(SocketLink):
    def __init__(self, hub: Hub, sock: socket.socket) -> None:
        super().__init__(hub, sock)
        buffer = bytearray(65536)

        def recv(size: int) -> Any:
            return memoryview(buffer)[: sock.recv_into(buffer)]

        self._recv = recv


class LeaksADescriptor(SocketLink):
    leaked: ClassVar[list[int]] = []

    def abort(self) -> None:
        if self._sock is not None:
            self.leaked.append(os.dup(self._sock.fileno()))
        super().abort()


class StaysNeedy(SocketLink):
    def abort(self) -> None:
        super().abort()
        self.hub.need(self, True)


class NeverSaysFull(SocketLink):
    def _block(self) -> None:
        above, self.above = self.above, _Deaf()  # type: ignore[assignment]
        super()._block()
        self.above = above


class _Deaf:
    def writable(self, flag: bool) -> None:
        """It is not passed on."""


class NeverSaysRoom(SocketLink):
    def on_writable(self) -> None:
        self._flush()


class EndsTooSoon(SocketLink):
    def end(self) -> None:
        self._pending.clear()
        super().end()


class EndsAgain(SocketLink):
    def on_readable(self) -> None:
        super().on_readable()
        if self.remote_ended:
            self.above.ended()


class RaisesWhenCut(SocketLink):
    def _cut(self, error: BaseException) -> None:
        super()._cut(error)
        raise error


class StaysOnTheOldHub(SocketLink):
    def move(self, hub: Hub) -> None:
        self.hub = hub


@dataclass(frozen=True)
class DialsAtOnce(Fd):
    """It calls back before ``dial`` has returned."""

    def dial(self, hub: Hub, dialed: Dialed, failed: Failed) -> Cancellable:
        dialed(self.link(hub))
        return super().dial(hub, lambda link: None, lambda error: None)


@dataclass(frozen=True)
class DialsAnyway(Fd):
    """It cannot be called off."""

    def dial(self, hub: Hub, dialed: Dialed, failed: Failed) -> Cancellable:
        super().dial(hub, dialed, failed)
        return super().dial(hub, lambda link: None, lambda error: None)


@dataclass(frozen=True)
class ListensLoosely(Tcp):
    """``Tcp`` whose listener may have a fault."""

    wrap: Callable[[Bound, list[Link]], Bound] = lambda bound, links: bound

    def listen(self, hub: Hub, accepted: Accepted, trouble: Failed, inherit: bool = False) -> Bound:
        links: list[Link] = []

        def note(link: Link) -> None:
            links.append(link)
            accepted(link)

        return self.wrap(super().listen(hub, note, trouble, inherit), links)


class Loose:
    """A listener that does as it is told; subclasses do something else."""

    def __init__(self, bound: Bound, links: list[Link]) -> None:
        self.bound = bound
        self.links = links
        self.address = bound.address

    def pause(self, flag: bool) -> None:
        self.bound.pause(flag)

    def close(self) -> None:
        self.bound.close()


class TellsPortZero(Loose):
    def __init__(self, bound: Bound, links: list[Link]) -> None:
        super().__init__(bound, links)
        self.address = "127.0.0.1:0"


class ClosesLiveLinks(Loose):
    def close(self) -> None:
        super().close()
        for link in self.links:
            link.abort()


class IgnoresPause(Loose):
    def pause(self, flag: bool) -> None:
        """Everybody is welcome."""


class GoesOnListening(Loose):
    def close(self) -> None:
        self.bound.pause(True)


@dataclass(frozen=True)
class SharesTheAddress(Tcp):
    """It takes an address over on which somebody listens."""

    def listen(self, hub: Hub, accepted: Accepted, trouble: Failed, inherit: bool = False) -> Bound:
        try:
            return super().listen(hub, accepted, trouble, inherit)
        except EndpointError:
            bound = Tcp("127.0.0.1:0").listen(hub, accepted, trouble, inherit)
            bound.address = self.address
            return bound


@dataclass(frozen=True)
class FailsTwice(Tcp):
    def dial(self, hub: Hub, dialed: Dialed, failed: Failed) -> Cancellable:
        def twice(error: SockstackError) -> None:
            failed(error)
            failed(error)

        return super().dial(hub, dialed, twice)


@dataclass(frozen=True)
class FailsStrangely(Tcp):
    def dial(self, hub: Hub, dialed: Dialed, failed: Failed) -> Cancellable:
        return super().dial(hub, dialed, lambda error: failed(RemoteProtocolError("no")))


@dataclass(frozen=True)
class TakesAnyAddress(Tcp):
    def __post_init__(self) -> None:
        """What is wrong will be seen when it is dialled."""


@dataclass(frozen=True)
class Muxed(SmallMux):
    """``SmallMux`` with a layer that may have a fault."""

    layer: type[SmallMuxLayer] = SmallMuxLayer

    def build(self, build: Build) -> Layer:
        sound = super().build(build)
        assert isinstance(sound, SmallMuxLayer)
        return self.layer(self, bool(sound._ours))


class GivesNoRoomBack(SmallMuxLayer):
    def make_room(self, stream: MuxStream, size: int) -> None:
        """The peer has had enough."""


class ReadsBeyondTheWindow(SmallMuxLayer):
    def payload(self, number: int, size: int, last: bool = False) -> None:
        self.streams[number].room += size
        super().payload(number, size, last)


class HasEndlessCredit(SmallMuxLayer):
    def ready(self, stream: MuxStream) -> None:
        stream.credit = 1 << 30
        super().ready(stream)


class StopsForOne(SmallMuxLayer):
    """A stream that nobody reads stops the whole session."""

    def payload(self, number: int, size: int, last: bool = False) -> None:
        super().payload(number, size, last)
        stream = self.streams.get(number)
        if stream is not None and stream.room * 3 < self.window:
            self.below.want(0)


class ServesOneToTheEnd(SmallMuxLayer):
    def _write_batch(self) -> None:
        waiting = sorted(self._ring, key=lambda stream: stream.number)
        self._ring.clear()
        self._ring += waiting[:1]
        super()._write_batch()
        self._ring += waiting[1:]


class CutsNoStreams(SmallMuxLayer):
    def _cut_all(self, error: SockstackError) -> None:
        self.streams.clear()


class ForgetsNoStreams(SmallMuxLayer):
    def peer_ended(self, number: int) -> None:
        stream = self.find(number)
        if stream is not None:
            stream.peer_has_ended()

    def forget(self, stream: MuxStream) -> None:
        """It may be asked for again."""


class ResetsAfterAnEnd(SmallMuxLayer):
    def forget(self, stream: MuxStream) -> None:
        stream.end_sent = False
        super().forget(stream)


class EndsAllAtOnce(SmallMuxLayer):
    def end(self) -> None:
        self.ending = True
        self.below.end()


class CountsNoStreams(SmallMuxLayer):
    def incoming(self, number: int) -> None:
        self._limit = len(self.streams) + 1
        super().incoming(number)
