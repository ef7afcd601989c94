"""TCP (RFC 9293) over IPv4 and IPv6."""

from __future__ import annotations

import socket
from collections import deque
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Literal, TypeVar, cast

from ..core.capabilities import Capabilities, CleanEnd, HalfClose, Integrity, Scope, Unit
from ..core.errors import EndpointError, SockstackError, StackError
from ..core.hub import Cancellable, Hub
from ..core.interfaces import Os, Stream
from ..core.marks import LOCAL_ADDRESS, PEER_ADDRESS, Key
from ..core.spec import Spec
from ..core.transport import Accepted, Bound, Dialed, Failed, TransportSpec
from .link import StreamLink
from .sockets import Acceptor, Connecting, socket_error

__all__ = ["Tcp", "join_address", "split_address"]

T = TypeVar("T")

NEXT_ADDRESS = 0.25
"""Seconds before the next address is tried beside the last (RFC 8305, section 5)."""

LONGEST_SILENCE = 32767
"""Seconds; Linux takes no more (``MAX_TCP_KEEPIDLE``)."""

FAMILIES = {"any": socket.AF_UNSPEC, "ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}

RECORD = Capabilities(
    Unit.STREAM,
    half_close=HalfClose.NATIVE,
    clean_end=CleanEnd.PEER_CLAIMS,
    scope=Scope.NET,
    integrity=Integrity.CHECKSUM,
    features=frozenset({"detach"}),
)


def split_address(text: str) -> tuple[str, int]:
    """``host:port`` as its parts. ``*`` and nothing are the wildcard host; no port is port 0; IPv6 stands in brackets.

    Raises:
        ValueError: it is no such address.
    """
    host, separator, port = text, "", ""
    if text.startswith("["):
        host, closing, rest = text[1:].partition("]")
        if not host or not closing or (rest and not rest.startswith(":")):
            raise ValueError(f"{text!r}: an IPv6 address is written [::1]:5555")
        separator, port = rest[:1], rest[1:]
    elif text.count(":") == 1:
        host, separator, port = text.partition(":")
    elif ":" in text:
        raise ValueError(f"{text!r}: put an IPv6 address in brackets: [::1]:5555")
    if (separator and not port.isascii()) or (port and not port.isdigit()):
        raise ValueError(f"{text!r}: the port {port!r} is not a number")
    if len(port) > 5 or int(port or 0) > 65535:
        raise ValueError(f"{text!r}: a port is at most 65535")
    if "\0" in host:
        raise ValueError(f"{text!r}: the host holds a NUL")
    return ("" if host == "*" else host), int(port or 0)


def join_address(address: Any) -> str:
    """A socket's address as text that :func:`split_address` takes; a link-local one of IPv6 with its interface."""
    host, port, *more = address
    if more and more[-1] and "%" not in host:
        host += f"%{more[-1]}"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _literal_family(host: str) -> str | None:
    """The family of a host that is an address; None: it is a name."""
    if ":" in host:
        return "ipv6"
    try:
        socket.inet_aton(host)
    except (OSError, UnicodeError):
        return None
    return "ipv4"


@dataclass(frozen=True)
class Tcp(TransportSpec, Spec[Os, Stream]):
    """A TCP connection: a reliable, ordered byte stream with half-close, to anywhere.

    Args:
        address: ``host:port``. A host is a name, an IPv4 address, or an IPv6 address in brackets. To listen, ``*`` is
            all interfaces, both families, and port 0 (or none) a free port, which the listener then tells. A name with
            several addresses is dialled as RFC 8305 says ("happy eyeballs"): the next address is tried after 250 ms or
            at a failure, and the first to answer wins.
        family: with ``"ipv4"`` or ``"ipv6"``, a name stands for its addresses of that family, and ``*`` for all
            interfaces with that family alone.
        nodelay: send small segments at once (``TCP_NODELAY``).
        keepalive: seconds of silence after which the kernel probes the peer, at most 32767, or None. It counts in whole
            ones, from 1.
        backlog: connections that the kernel holds until they are accepted.
    """

    address: str
    _: KW_ONLY
    family: Literal["any", "ipv4", "ipv6"] = "any"
    nodelay: bool = True
    keepalive: float | None = None
    backlog: int = 1024

    name: ClassVar[str] = "tcp"

    def __post_init__(self) -> None:
        try:
            host, _ = split_address(self.address)
        except ValueError as error:
            raise StackError(str(error), layer="tcp", field="address") from None
        if self.family != "any" and _literal_family(host) not in (None, self.family):
            raise StackError(
                f"{self.address!r} is no address of the family {self.family}",
                layer="tcp",
                field="address",
                mend="Leave the family out, or give an address or a name that has it.",
            )
        if self.keepalive is not None and not 0 < self.keepalive <= LONGEST_SILENCE:
            raise StackError(
                f"tcp: keepalive is more than 0 and up to {LONGEST_SILENCE} seconds, not {self.keepalive!r}",
                layer="tcp",
                field="keepalive",
            )

    @property
    def host(self) -> str:
        """The host of the address; "" is the wildcard."""
        return split_address(self.address)[0]

    def derive(self, below: Capabilities) -> Capabilities:
        return RECORD

    def dial(self, hub: Hub, dialed: Dialed, failed: Failed) -> Cancellable:
        host, port = split_address(self.address)
        if not host or not port:
            raise StackError(
                f"tcp cannot dial {self.address!r}: it needs a host and a port",
                layer="tcp",
                field="address",
            )
        return _Dial(self, hub, host, port, dialed, failed)

    def listen(self, hub: Hub, accepted: Accepted, trouble: Failed, inherit: bool = False) -> Bound:
        return _Listen(self, hub, accepted, trouble, inherit)

    def link(self, hub: Hub, sock: socket.socket) -> TcpLink:
        """The bottom layer over a connected socket."""
        sock.setblocking(False)
        if self.nodelay:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.keepalive is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            idle = getattr(socket, "TCP_KEEPIDLE", None) or getattr(socket, "TCP_KEEPALIVE", None)
            if idle is not None:
                sock.setsockopt(socket.IPPROTO_TCP, idle, max(1, int(self.keepalive)))
        return TcpLink(hub, sock, RECORD)


class TcpLink(StreamLink[socket.socket]):
    """A TCP connection."""

    def __init__(self, hub: Hub, sock: socket.socket, record: Capabilities) -> None:
        super().__init__(hub, sock, record)
        try:
            self._peer = join_address(sock.getpeername())
        except OSError:  # reset before it was looked at; reading will tell
            self._peer = "?"

    def get(self, key: Key[T]) -> T | None:
        answer: Any = None
        if key is PEER_ADDRESS:
            answer = self._peer
        elif key is LOCAL_ADDRESS and self._sock is not None:
            answer = join_address(self._sock.getsockname())
        return cast("T | None", answer)


class _Dial:
    """Resolve, then try the addresses, a new one each 250 ms, until one answers."""

    def __init__(
        self, spec: Tcp, hub: Hub, host: str, port: int, dialed: Dialed, failed: Failed
    ) -> None:
        self._spec = spec
        self._hub = hub
        self._dialed = dialed
        self._failed = failed
        self._over = False
        self._addresses: deque[Any] = deque()
        self._running: list[Connecting] = []
        self._next: Cancellable | None = None
        self._error: SockstackError | None = None

        def resolve(flags: int) -> list[Any]:
            return socket.getaddrinfo(
                host, port, family=FAMILIES[spec.family], type=socket.SOCK_STREAM, flags=flags
            )

        try:
            found = resolve(socket.AI_NUMERICHOST | socket.AI_NUMERICSERV)
        except socket.gaierror:
            hub.in_thread(lambda: resolve(0), self._resolved)
        except UnicodeError as error:
            self._fail_later(f"{host!r} is no host name: {error}")
        else:
            self._resolved(found)

    def cancel(self) -> None:
        self._over = True
        if self._next is not None:
            self._next.cancel()
        for attempt in self._running:
            attempt.cancel()
        self._running.clear()

    def _fail_later(self, text: str) -> None:
        self._error = EndpointError(text, layer="tcp")
        self._hub.post(self._give_up)

    def _resolved(self, found: list[Any] | Exception) -> None:
        if self._over:
            return
        if isinstance(found, Exception) or not found:
            reason = getattr(found, "strerror", None) or found or "it has no address"
            family = self._spec.family
            wanted = "" if family == "any" else f" to an address of the family {family}"
            self._fail_later(f"cannot resolve {self._spec.host!r}{wanted}: {reason}")
            return
        first = [entry for entry in found if entry[0] == found[0][0]]
        second = [entry for entry in found if entry[0] != found[0][0]]
        for index in range(max(len(first), len(second))):
            self._addresses.extend(first[index : index + 1] + second[index : index + 1])
        self._try_next()

    def _try_next(self) -> None:
        if self._next is not None:
            self._next.cancel()
            self._next = None
        if self._over:
            return
        if not self._addresses:
            if not self._running:
                self._give_up()
            return
        family, kind, protocol, _, address = self._addresses.popleft()
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:
            self._error = socket_error(error, "cannot open a socket", "tcp")
            self._hub.post(self._try_next)
            return
        attempt: Connecting

        def refused(error: OSError) -> None:
            self._running.remove(attempt)
            what = f"cannot connect to {join_address(address)}"
            self._error = socket_error(error, what, "tcp")
            self._try_next()

        def connected(sock: socket.socket) -> None:
            try:
                link = self._spec.link(self._hub, sock)
            except OSError as error:  # dead already
                sock.close()
                refused(error)
                return
            self._running.remove(attempt)
            self.cancel()
            self._dialed(link)

        attempt = Connecting(self._hub, sock, address, connected, refused)
        self._running.append(attempt)
        if self._addresses:
            self._next = self._hub.call_at(self._hub.now() + NEXT_ADDRESS, self._try_next)

    def _give_up(self) -> None:
        if not self._over:
            self._over = True
            assert self._error is not None
            self._failed(self._error)


class _Listen:
    """A bound TCP port."""

    def __init__(
        self, spec: Tcp, hub: Hub, accepted: Accepted, trouble: Failed, inherit: bool
    ) -> None:
        host, port = split_address(spec.address)
        what = f"cannot listen on {spec.address}"
        try:
            if not host and spec.family == "any" and socket.has_dualstack_ipv6():
                sock = socket.create_server(
                    ("", port), family=socket.AF_INET6, backlog=spec.backlog, dualstack_ipv6=True
                )
            else:
                family, *_, address = socket.getaddrinfo(
                    host or ("::" if spec.family == "ipv6" else "0.0.0.0"),  # noqa: S104  # as it was asked
                    port,
                    family=FAMILIES[spec.family],
                    type=socket.SOCK_STREAM,
                    flags=socket.AI_PASSIVE,
                )[0]
                sock = socket.create_server(address, family=family, backlog=spec.backlog)
        except (OSError, UnicodeError) as error:
            if isinstance(error, OSError):
                raise socket_error(error, what, "tcp") from error
            raise EndpointError(f"{what}: {error}", layer="tcp") from error
        self.address = join_address(sock.getsockname())
        self._acceptor = Acceptor(
            hub, sock, lambda sock: self._take(sock, spec, hub, accepted), trouble, "tcp", inherit
        )

    @staticmethod
    def _take(sock: socket.socket, spec: Tcp, hub: Hub, accepted: Accepted) -> None:
        try:
            link = spec.link(hub, sock)
        except OSError:  # it was reset while it waited; not all systems set options then
            sock.close()
        else:
            accepted(link)

    def pause(self, flag: bool) -> None:
        self._acceptor.pause(flag)

    def close(self) -> None:
        self._acceptor.close()
