"""TCP: addresses, happy eyeballs, listening, and the options of the socket."""

from __future__ import annotations

import errno
import ipaddress
import socket
import string
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockstack.core.errors import EndpointError, StackError
from sockstack.core.marks import LOCAL_ADDRESS, PEER_ADDRESS, PEER_CREDENTIALS
from sockstack.transports.tcp import NEXT_ADDRESS, Tcp, join_address, split_address

from .fakes import Dialing, Listening, SelectHub, meet, open_link

HAS_IPV6 = socket.has_dualstack_ipv6()
needs_ipv6 = pytest.mark.skipif(not HAS_IPV6, reason="no IPv6 here")

names = st.text(string.ascii_letters + string.digits + ".-", min_size=1, max_size=40)
ports = st.integers(0, 65535)


class TestAddresses:
    @given(host=names | st.ip_addresses(v=4).map(str), port=ports)
    def test_a_name_and_a_port(self, host: str, port: int) -> None:
        assert split_address(f"{host}:{port}") == (host, port)
        assert join_address((host, port)) == f"{host}:{port}"

    @given(host=st.ip_addresses(v=6).map(str), port=ports)
    def test_ipv6_stands_in_brackets(self, host: str, port: int) -> None:
        text = join_address((host, port, 0, 0))
        assert text == f"[{host}]:{port}"
        assert split_address(text) == (host, port)
        with pytest.raises(ValueError, match=r"\[::1\]:5555"):
            split_address(f"{host}:{port}")

    def test_a_link_local_one_has_its_interface(self) -> None:
        assert join_address(("fe80::1", 9, 0, 4)) == "[fe80::1%4]:9"
        assert join_address(("fe80::1%eth0", 9, 0, 4)) == "[fe80::1%eth0]:9"

    @given(st.text(max_size=30))
    def test_any_text_is_parted_or_refused(self, text: str) -> None:
        try:
            host, port = split_address(text)
        except ValueError as error:
            told = str(error)
        else:
            told = repr(text)
            assert 0 <= port <= 65535
            assert host != "*"
        assert repr(text) in told

    @pytest.mark.parametrize(
        ("text", "parts"),
        [
            ("*:80", ("", 80)),
            (":80", ("", 80)),
            ("*", ("", 0)),
            ("", ("", 0)),
            ("host", ("host", 0)),
            ("host:", ("host", 0)),
            ("[::1]", ("::1", 0)),
            ("[fe80::1%eth0]:9", ("fe80::1%eth0", 9)),
            ("host:0080", ("host", 80)),
        ],
    )
    def test_what_may_be_left_out(self, text: str, parts: tuple[str, int]) -> None:
        assert split_address(text) == parts

    @pytest.mark.parametrize(
        ("text", "helps"),
        [
            ("host:http", "the port 'http' is not a number"),
            ("host:-1", "the port '-1' is not a number"),
            ("host: 80", "is not a number"),
            ("host:٣", "is not a number"),
            ("host:65536", "a port is at most 65535"),
            ("host:" + "9" * 5000, "a port is at most 65535"),
            ("::1:5555", "put an IPv6 address in brackets: [::1]:5555"),
            ("[::1:5555", "an IPv6 address is written [::1]:5555"),
            ("[::1]5555", "an IPv6 address is written [::1]:5555"),
            ("[::1]:x", "is not a number"),
            ("[]:5555", "an IPv6 address is written [::1]:5555"),
            ("a\0b:80", "NUL"),
        ],
    )
    def test_refused_when_composed(self, text: str, helps: str) -> None:
        with pytest.raises(StackError) as caught:
            Tcp(text)
        assert helps in str(caught.value)
        assert caught.value.layer == "tcp"
        assert caught.value.field == "address"

    @pytest.mark.parametrize("text", ["*:80", "host", "host:0", ":0"])
    def test_what_is_no_address_to_dial(self, hub: SelectHub, text: str) -> None:
        with pytest.raises(StackError, match="needs a host and a port"):
            Tcp(text).dial(hub, lambda link: None, lambda error: None)
        assert hub.watches == []

    @pytest.mark.parametrize(
        ("text", "family"),
        [
            ("[::1]:80", "ipv4"),
            ("[::ffff:127.0.0.1]:80", "ipv4"),
            ("127.0.0.1:80", "ipv6"),
            ("127.1:80", "ipv6"),
        ],
    )
    def test_an_address_of_the_other_family(self, text: str, family: Any) -> None:
        with pytest.raises(StackError, match=f"is no address of the family {family}") as caught:
            Tcp(text, family=family)
        assert (caught.value.layer, caught.value.field) == ("tcp", "address")
        assert repr(text) in str(caught.value)

    @pytest.mark.parametrize("text", ["127.0.0.1:80", "127.1:80", "h:80", "a.b", "*", "", "\udc80"])
    def test_an_address_of_its_family(self, text: str) -> None:
        assert Tcp(text, family="ipv4").host == Tcp(text).host

    @pytest.mark.parametrize("text", ["[::1]:80", "[::]", "h:80", "*", "", "\udc80"])
    def test_an_address_of_ipv6(self, text: str) -> None:
        assert Tcp(text, family="ipv6").host == Tcp(text).host

    @pytest.mark.parametrize("family", ["ipv5", "4", "", None])
    def test_no_family(self, family: Any) -> None:
        with pytest.raises(StackError, match="family is any, ipv4 or ipv6") as caught:
            Tcp("h:1", family=family)
        assert (caught.value.layer, caught.value.field) == ("tcp", "family")

    def test_host(self) -> None:
        assert Tcp("example.org:1").host == "example.org"
        assert Tcp("*:1").host == ""


class Net:
    """A made-up network: what names resolve to, and how each address answers.

    Attributes:
        resolved: addresses of a name, or the error.
        families: of the addresses that were asked for.
        answers: of an address: the code of ``connect``; without one the attempt hangs.
        sockets: all that were opened, in order.
    """

    def __init__(self) -> None:
        self.resolved: list[Any] | Exception = []
        self.families: list[int] = []
        self.answers: dict[str, int] = {}
        self.sockets: list[Plug] = []
        self.no_socket: set[int] = set()

    def hosts(self, *hosts: str) -> None:
        """What the name resolves to; a host with a colon is IPv6."""
        self.resolved = [
            (
                socket.AF_INET6 if ":" in host else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (host, 80),
            )
            for host in hosts
        ]

    def getaddrinfo(self, host: str, port: int, *, family: int, type: int, flags: int) -> list[Any]:
        self.families.append(family)
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "not numeric")
        assert (host, port, type) == ("name.example", 80, socket.SOCK_STREAM)
        if isinstance(self.resolved, Exception):
            raise self.resolved
        return self.resolved

    def socket(self, family: int, kind: int, protocol: int) -> Plug:
        if family in self.no_socket:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported")
        plug = Plug(self)
        self.sockets.append(plug)
        return plug

    @property
    def tried(self) -> list[str]:
        """The addresses that were tried, in order."""
        return [plug.address for plug in self.sockets]

    @property
    def open(self) -> list[str]:
        """Those whose sockets are open."""
        return [plug.address for plug in self.sockets if not plug.closed]


class Plug:
    """A socket of that network. It is ready, to be told so, from the start."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self.address = ""
        self.closed = False
        self.pair = socket.socketpair()
        self.options: list[Any] = []

    def setblocking(self, flag: bool) -> None:
        assert not flag

    def setsockopt(self, *option: int) -> None:
        self.options.append(option)

    def connect_ex(self, address: tuple[str, int]) -> int:
        self.address = address[0]
        return errno.EINPROGRESS

    def fileno(self) -> int:
        return self.pair[0].fileno()

    def getsockopt(self, level: int, option: int) -> int:
        return self.net.answers[self.address]

    def getpeername(self) -> tuple[str, int]:
        return self.address, 80

    recv = send = sendmsg = lambda self: None

    def close(self) -> None:
        self.closed = True


class QuietHub(SelectHub):
    """Tells a descriptor's readiness only when its address answers."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.net = net

    def answer(self, address: str, code: int = 0) -> None:
        """The attempt at that address comes to its end."""
        self.net.answers[address] = code
        [plug] = [plug for plug in self.net.sockets if plug.address == address]
        [watch] = [watch for watch in self.watches if watch.fd == plug.fileno()]
        self.turn(watch.on_writable)
        self.run()


class FakeSocketModule:
    """What the TCP transport sees as :mod:`socket`: that network, and all else as it is."""

    def __init__(self, net: Net) -> None:
        self.getaddrinfo = net.getaddrinfo
        self.socket = net.socket

    def __getattr__(self, name: str) -> Any:
        return getattr(socket, name)


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> Iterator[Net]:
    net = Net()
    monkeypatch.setattr("sockstack.transports.tcp.socket", FakeSocketModule(net))
    yield net
    for plug in net.sockets:
        for end in plug.pair:
            end.close()


class TestHappyEyeballs:
    def dial(self, net: Net) -> tuple[QuietHub, Dialing]:
        hub = QuietHub(net)
        dialing = Dialing(hub, Tcp("name.example:80"))
        hub.run()
        assert hub.in_thread_calls == 1, "names are resolved elsewhere"
        return hub, dialing

    def test_the_next_one_after_a_quarter_of_a_second(self, net: Net) -> None:
        net.hosts("a", "b", "c")
        hub, dialing = self.dial(net)
        assert net.tried == ["a"]
        hub.advance(NEXT_ADDRESS * 0.99)
        assert net.tried == ["a"]
        hub.advance(NEXT_ADDRESS * 0.02)
        assert net.tried == ["a", "b"]
        hub.advance(NEXT_ADDRESS)
        assert net.tried == net.open == ["a", "b", "c"]
        assert hub.next_due is None
        assert NEXT_ADDRESS == 0.25
        dialing.attempt.cancel()

    def test_the_next_one_at_once_when_one_fails(self, net: Net) -> None:
        net.hosts("a", "b", "c")
        hub, dialing = self.dial(net)
        hub.answer("a", errno.ECONNREFUSED)
        assert net.tried == ["a", "b"]
        assert net.open == ["b"]
        hub.advance(NEXT_ADDRESS * 0.99)
        assert net.tried == ["a", "b"], "the pause begins anew"
        hub.advance(NEXT_ADDRESS * 0.02)
        assert net.tried == ["a", "b", "c"]
        dialing.attempt.cancel()

    @pytest.mark.parametrize(
        ("hosts", "order"),
        [
            (["::1", "::2", "::3", "a", "b"], ["::1", "a", "::2", "b", "::3"]),
            (["a", "b", "::1"], ["a", "::1", "b"]),
            (["a", "::1", "b", "::2"], ["a", "::1", "b", "::2"]),
            (["a", "b"], ["a", "b"]),
        ],
    )
    def test_families_take_turns(self, net: Net, hosts: list[str], order: list[str]) -> None:
        net.hosts(*hosts)
        hub, dialing = self.dial(net)
        hub.advance(10)
        assert net.tried == order
        dialing.attempt.cancel()

    @pytest.mark.parametrize("winner", ["a", "b", "c"])
    def test_the_first_to_answer_wins(self, net: Net, winner: str) -> None:
        net.hosts("a", "b", "c", "d")
        hub, dialing = self.dial(net)
        hub.advance(NEXT_ADDRESS * 2.5)
        assert net.open == ["a", "b", "c"]
        hub.answer(winner)
        assert net.open == [winner]
        link = dialing.link()
        assert link.get(PEER_ADDRESS) == f"{winner}:80"
        hub.advance(10)
        assert net.tried == ["a", "b", "c"], "nobody is tried any more"
        assert hub.watches == []
        link.abort()
        assert net.open == []
        assert len(dialing.links) == 1

    def test_all_fail(self, net: Net) -> None:
        net.hosts("a", "::1", "b")
        hub, dialing = self.dial(net)
        hub.advance(NEXT_ADDRESS * 1.5)
        hub.answer("a", errno.ENETUNREACH)
        assert net.open == ["::1", "b"]
        hub.answer("b", errno.ECONNREFUSED)
        assert dialing.errors == [], "one is still on its way"
        hub.answer("::1", errno.ETIMEDOUT)
        error = dialing.error()
        assert isinstance(error, EndpointError)
        assert error.errno == errno.ETIMEDOUT, "the last one's"
        assert str(error) == "cannot connect to [::1]:80: Connection timed out [tcp]"
        assert net.open == []
        assert hub.watches == []
        assert len(dialing.errors) == 1

    def test_a_family_that_this_host_has_not(self, net: Net) -> None:
        net.hosts("::1", "a")
        net.no_socket.add(socket.AF_INET6)
        hub, dialing = self.dial(net)
        assert net.tried == ["a"]
        hub.answer("a")
        dialing.link().abort()

    def test_no_family_at_all(self, net: Net) -> None:
        net.hosts("::1", "::2")
        net.no_socket.add(socket.AF_INET6)
        _, dialing = self.dial(net)
        error = dialing.error()
        assert "cannot open a socket: Address family not supported" in str(error)

    @pytest.mark.parametrize("waited", [0, 1, 2, 3])
    def test_cancel_closes_all(self, net: Net, waited: int) -> None:
        net.hosts("a", "b", "c")
        hub, dialing = self.dial(net)
        hub.advance(NEXT_ADDRESS * waited)
        dialing.attempt.cancel()
        dialing.attempt.cancel()
        assert net.open == []
        assert hub.watches == []
        hub.advance(10)
        hub.run()
        assert len(net.tried) == min(waited, 2) + 1
        assert dialing.links == dialing.errors == []

    def test_cancelled_while_the_name_is_resolved(self, net: Net) -> None:
        net.hosts("a")
        hub = QuietHub(net)
        dialing = Dialing(hub, Tcp("name.example:80"))
        dialing.attempt.cancel()
        hub.run()
        assert net.tried == []
        assert dialing.links == dialing.errors == []

    def test_cancelled_when_it_has_failed_already(self, net: Net) -> None:
        net.resolved = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        hub = QuietHub(net)
        dialing = Dialing(hub, Tcp("name.example:80"))
        hub.step()
        dialing.attempt.cancel()
        hub.run()
        assert dialing.errors == []

    @pytest.mark.parametrize(
        ("problem", "reason"),
        [
            (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "not known"),
            (OSError("no resolver"), "no resolver"),
            ([], "no address"),
        ],
    )
    def test_a_name_that_cannot_be_resolved(self, net: Net, problem: Any, reason: str) -> None:
        net.resolved = problem
        _, dialing = self.dial(net)
        error = dialing.error()
        assert isinstance(error, EndpointError)
        assert str(error).startswith("cannot resolve 'name.example': ")
        assert reason in str(error)

    @pytest.mark.parametrize(
        ("family", "asked"),
        [("any", socket.AF_UNSPEC), ("ipv4", socket.AF_INET), ("ipv6", socket.AF_INET6)],
    )
    def test_a_name_is_resolved_within_the_family(self, net: Net, family: Any, asked: int) -> None:
        net.hosts("a")
        hub = QuietHub(net)
        dialing = Dialing(hub, Tcp("name.example:80", family=family))
        hub.run()
        assert net.families == [asked, asked]
        dialing.attempt.cancel()

    def test_a_name_without_addresses_of_the_family(self, net: Net) -> None:
        net.resolved = socket.gaierror(socket.EAI_NODATA, "No address associated with hostname")
        hub = QuietHub(net)
        dialing = Dialing(hub, Tcp("name.example:80", family="ipv6"))
        hub.run()
        assert str(dialing.error()) == (
            "cannot resolve 'name.example' to an address of the family ipv6: "
            "No address associated with hostname [tcp]"
        )

    def test_what_is_no_name(self, hub: SelectHub) -> None:
        error = Dialing(hub, Tcp("a" * 64 + ".example:80")).error()
        assert isinstance(error, EndpointError)
        assert "is no host name" in str(error)


class TestListening:
    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_port_0_is_a_free_one_that_is_told(self, hub: SelectHub, host: str) -> None:
        listening = Listening(hub, Tcp(f"{host}:0"))
        told, port = split_address(listening.bound.address)
        assert port > 0
        assert told in ("127.0.0.1", "::1")
        near = Dialing(hub, Tcp(listening.bound.address)).link()
        far = listening.link()
        near_top, far_top = open_link(near), open_link(far)
        near.send([b"ping"])
        far.send([b"pong"])
        hub.until(lambda: near_top.units and far_top.units)
        assert (near_top.units, far_top.units) == ([b"pong"], [b"ping"])
        for end in (near, far):
            end.abort()
        listening.close()
        assert hub.watches == []
        assert not hub.needy

    @pytest.mark.parametrize("text", ["*:0", "*", ":0", ""])
    def test_the_wildcard(self, hub: SelectHub, text: str) -> None:
        listening = Listening(hub, Tcp(text))
        _, port = split_address(listening.bound.address)
        hosts = ["127.0.0.1", "[::1]"] if HAS_IPV6 else ["127.0.0.1"]
        for host in hosts:
            link = Dialing(hub, Tcp(f"{host}:{port}")).link()
            listening.link().abort()
            link.abort()
        listening.close()

    @pytest.mark.parametrize("text", ["*:0", "*", ":0", ""])
    @pytest.mark.parametrize(
        ("family", "wildcard", "heard", "deaf"),
        [
            ("ipv4", "0.0.0.0", "127.0.0.1", "::1"),
            pytest.param("ipv6", "::", "::1", "127.0.0.1", marks=needs_ipv6),
        ],
    )
    def test_the_wildcard_of_a_family(
        self, hub: SelectHub, text: str, family: Any, wildcard: str, heard: str, deaf: str
    ) -> None:
        listening = Listening(hub, Tcp(text, family=family))
        host, port = split_address(listening.bound.address)
        assert host == wildcard
        Dialing(hub, Tcp(listening.bound.address, family=family)).link().abort()
        Dialing(hub, Tcp(join_address((heard, port)))).link().abort()
        if HAS_IPV6:
            error = Dialing(hub, Tcp(join_address((deaf, port)))).error()
            assert isinstance(error, EndpointError)
            assert error.errno == errno.ECONNREFUSED
        listening.close()

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_a_host_of_a_family(self, hub: SelectHub, host: str) -> None:
        near, far = meet(
            hub, Tcp(f"{host}:0", family="ipv4"), lambda address: Tcp(address, family="ipv4")
        )
        assert near.get(PEER_ADDRESS).startswith("127.0.0.1:")
        near.abort()
        far.abort()

    def test_the_wildcard_without_ipv6(
        self, hub: SelectHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("socket.has_dualstack_ipv6", lambda: False)
        listening = Listening(hub, Tcp("*:0"))
        assert listening.bound.address.startswith("0.0.0.0:")
        listening.close()

    @needs_ipv6
    def test_ipv6(self, hub: SelectHub) -> None:
        near, far = meet(hub, Tcp("[::1]:0"), Tcp)
        assert near.get(PEER_ADDRESS) == far.get(LOCAL_ADDRESS)
        assert near.get(PEER_ADDRESS).startswith("[::1]:")
        near.abort()
        far.abort()

    def test_a_port_that_is_taken(self, hub: SelectHub) -> None:
        listening = Listening(hub, Tcp("127.0.0.1:0"))
        address = listening.bound.address
        with pytest.raises(EndpointError) as caught:
            Listening(hub, Tcp(address))
        assert caught.value.errno == errno.EADDRINUSE
        assert f"cannot listen on {address}: " in str(caught.value)
        listening.close()

    def test_again_after_close_while_its_connections_live(self, hub: SelectHub) -> None:
        listening = Listening(hub, Tcp("127.0.0.1:0"))
        address = listening.bound.address
        near = Dialing(hub, Tcp(address)).link()
        far = listening.link()
        listening.close()
        listening.close()
        far.abort()  # the one who closes first keeps the port in TIME_WAIT
        again = Listening(hub, Tcp(address))
        assert again.bound.address == address
        again.close()
        near.abort()

    def test_nobody_listens(self, hub: SelectHub) -> None:
        listening = Listening(hub, Tcp("127.0.0.1:0"))
        address = listening.bound.address
        listening.close()
        error = Dialing(hub, Tcp(address)).error()
        assert isinstance(error, EndpointError)
        assert error.errno == errno.ECONNREFUSED
        assert str(error) == f"cannot connect to {address}: Connection refused [tcp]"
        assert hub.in_thread_calls == 0, "a numeric address needs no resolver"

    def test_an_address_that_is_not_of_this_host(self, hub: SelectHub) -> None:
        with pytest.raises(EndpointError) as caught:
            Listening(hub, Tcp("192.0.2.1:0"))
        assert caught.value.errno == errno.EADDRNOTAVAIL

    @pytest.mark.parametrize("host", ["a" * 64 + ".example", "no such name"])
    def test_a_name_that_cannot_be_resolved(self, hub: SelectHub, host: str) -> None:
        with pytest.raises(EndpointError, match="cannot listen on"):
            Listening(hub, Tcp(f"{host}:0"))

    def test_pause(self, hub: SelectHub) -> None:
        listening = Listening(hub, Tcp("127.0.0.1:0"))
        listening.bound.pause(True)
        near = Dialing(hub, Tcp(listening.bound.address)).link()
        hub.quiet()
        assert listening.links == [], "it waits in the system's queue"
        listening.bound.pause(False)
        listening.link().abort()
        near.abort()
        listening.close()


def link_local() -> str | None:
    """An address of one link of this machine, with its interface."""
    with suppress(OSError), open("/proc/net/if_inet6") as file:
        for line in file:
            digits, number, *_ = line.split()
            if digits.startswith("fe80"):
                return f"{ipaddress.IPv6Address(int(digits, 16))}%{int(number, 16)}"
    return None


@pytest.mark.skipif(link_local() is None, reason="no address of IPv6 that is local to a link")
def test_addresses_of_a_link(hub: SelectHub) -> None:
    listening = Listening(hub, Tcp(f"[{link_local()}]:0"))
    near = Dialing(hub, Tcp(listening.bound.address)).link()
    far = listening.link()
    assert near.get(PEER_ADDRESS) == far.get(LOCAL_ADDRESS) == listening.bound.address
    near.abort()
    far.abort()
    listening.close()


class TestOptions:
    @pytest.fixture
    def pair(self, hub: SelectHub) -> Iterator[Callable[..., tuple[Any, Any]]]:
        links: list[Any] = []

        def make(**options: Any) -> tuple[Any, Any]:
            links[:] = meet(
                hub,
                Tcp("127.0.0.1:0", **options),
                lambda address: Tcp(address, **options),
            )
            return links[0], links[1]

        yield make
        for link in links:
            link.abort()

    @pytest.mark.parametrize("flag", [True, False])
    def test_nodelay(self, pair: Callable[..., tuple[Any, Any]], flag: bool) -> None:
        for link in pair(nodelay=flag):
            option = link.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert bool(option) is flag

    def test_it_is_on_if_nothing_is_said(self, pair: Callable[..., tuple[Any, Any]]) -> None:
        for link in pair():
            assert link.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert not link.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert link.socket.gettimeout() == 0

    @pytest.mark.parametrize(("seconds", "idle"), [(30, 30), (0.2, 1), (7.9, 7)])
    def test_keepalive(
        self, pair: Callable[..., tuple[Any, Any]], seconds: float, idle: int
    ) -> None:
        name = getattr(socket, "TCP_KEEPIDLE", None) or socket.TCP_KEEPALIVE  # type: ignore[attr-defined]
        for link in pair(keepalive=seconds):
            assert link.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert link.socket.getsockopt(socket.IPPROTO_TCP, name) == idle

    @pytest.mark.parametrize("seconds", [0, -1, 32768, float("nan"), float("inf")])
    def test_a_keepalive_that_the_system_does_not_take(self, seconds: float) -> None:
        with pytest.raises(StackError, match="keepalive is") as caught:
            Tcp("127.0.0.1:1", keepalive=seconds)
        assert caught.value.layer == "tcp"
        assert caught.value.field == "keepalive"

    def test_the_longest_keepalive(self, pair: Callable[..., tuple[Any, Any]]) -> None:
        for link in pair(keepalive=32767):
            assert link.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)

    def test_a_socket_that_takes_no_options(
        self, hub: SelectHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """On some systems that is one that was reset meanwhile. It costs neither the listener nor the dial."""
        listening = Listening(hub, Tcp("127.0.0.1:0"))

        def dead(*anything: object) -> None:
            raise OSError(errno.EINVAL, "Invalid argument")

        with monkeypatch.context() as patch:
            patch.setattr(Tcp, "link", dead)
            error = Dialing(hub, Tcp(listening.bound.address)).error()
            hub.quiet()
        assert isinstance(error, EndpointError)
        assert error.errno == errno.EINVAL
        assert listening.links == []
        near = Dialing(hub, Tcp(listening.bound.address)).link()
        near.abort()
        listening.link().abort()
        listening.close()

    def test_metadata(self, pair: Callable[..., tuple[Any, Any]]) -> None:
        near, far = pair()
        assert near.get(PEER_ADDRESS) == far.get(LOCAL_ADDRESS)
        assert near.get(LOCAL_ADDRESS) == far.get(PEER_ADDRESS)
        assert near.get(PEER_CREDENTIALS) is None
        near.abort()
        assert near.get(PEER_ADDRESS) == far.get(LOCAL_ADDRESS), "kept, for the log"
        assert near.get(LOCAL_ADDRESS) is None

    def test_reset_before_it_was_looked_at(self, hub: SelectHub) -> None:
        sock = socket.socket()
        link = Tcp("127.0.0.1:1").link(hub, sock)
        assert link.get(PEER_ADDRESS) == "?"
        link.abort()
