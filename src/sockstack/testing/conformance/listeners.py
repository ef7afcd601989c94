"""The kit for transports that listen: addresses, accepting, and peers of all sorts."""

from __future__ import annotations

from ...core.capabilities import Capabilities, Scope, Unit
from ...core.errors import EndpointError, SockstackError, StackError
from ...core.layer import MANY
from ...core.marks import LOCAL_ADDRESS, PEER_ADDRESS
from ...core.spec import Role
from ...core.transport import Bound, Link, TransportSpec
from ..recorder import Recorder
from .transports import TransportKit
from .victim import ALIVE, start_victim

__all__ = ["ListeningTransportKit"]


class ListeningTransportKit(TransportKit):
    """Tests for transports that listen and dial. Subclass it, and say how::

        class TestTcp(ListeningTransportKit):
            bad_addresses = ("127.0.0.1:99999",)

            def make_listener(self):
                return Tcp("127.0.0.1:0")

            def make_dialer(self, address):
                return Tcp(address)

            def nobody(self):
                return "127.0.0.1:1"

    Attributes:
        bad_addresses: what :meth:`make_dialer` must refuse, without looking whether anybody is there.
        pauses: whether a listener can leave those who come in a queue of the system's.
        at_once: how many dial at the same time where many do.
    """

    bad_addresses: tuple[str, ...] = ()
    pauses: bool = True
    at_once: int = 50

    def make_listener(self) -> TransportSpec:
        """A spec to listen with, at a fresh address each time."""
        raise NotImplementedError

    def make_dialer(self, address: str) -> TransportSpec:
        """A spec that dials what a listener tells as its address."""
        raise NotImplementedError

    def nobody(self) -> str:
        """An address that is well formed, and at which nobody listens."""
        raise NotImplementedError

    # For tests.

    def setup_method(self) -> None:
        super().setup_method()
        self.accepted: list[Link] = []
        self._bounds: list[Bound] = []
        self._home: Bound | None = None

    def teardown_method(self) -> None:
        for bound in self._bounds:
            bound.close()
        self.runner.settle()
        self._dismiss()
        super().teardown_method()

    def listen(self, spec: TransportSpec | None = None) -> Bound:
        """Listen; whoever comes is in ``accepted``."""

        def trouble(error: SockstackError) -> None:
            raise AssertionError(f"accepting met trouble: {error}")

        spec = self.make_listener() if spec is None else spec
        bound = spec.listen(self.runner.hub, self.accepted.append, trouble)
        self._bounds.append(bound)
        return bound

    @property
    def home(self) -> Bound:
        """A listener for tests that need one."""
        if self._home is None:
            self._home = self.listen()
        return self._home

    def to_dial(self) -> tuple[TransportSpec, ...]:
        return (self.make_dialer(self.home.address),)

    def links(self) -> tuple[tuple[TransportSpec, Link], tuple[TransportSpec, Link]]:
        (spec,) = self.to_dial()
        link = self.dial(spec)
        self.until(lambda: self.accepted, "accepted")
        return (spec, link), (spec, self.accepted.pop(0))

    def refusal(self, spec: TransportSpec) -> SockstackError:
        """Dial, and give the error that comes of it."""
        links: list[Link] = []
        errors: list[SockstackError] = []
        spec.dial(self.runner.hub, links.append, errors.append)
        self.until(lambda: links or errors, "dialled or failed")
        self.runner.settle()
        for link in links:
            link.abort()
        assert not links, "somebody answered where nobody is"
        assert len(errors) == 1, "it failed more than once"
        return errors[0]

    # Addresses.

    def test_bad_addresses(self) -> None:
        self.skip_unless(self.bad_addresses, "no bad addresses were given")
        for address in self.bad_addresses:
            try:
                self.make_dialer(address)
            except StackError:
                continue
            raise AssertionError(f"{address!r} was taken for an address")

    def test_address_is_real(self) -> None:
        """What a listener tells is an address of its own that can be dialled."""
        first, second = self.listen(), self.listen()
        assert first.address != second.address
        for bound in (first, second):
            link = self.dial(self.make_dialer(bound.address))
            self.until(lambda: self.accepted, "accepted")
            self.accepted.pop().abort()
            link.abort()

    def test_metadata(self) -> None:
        """Both ends know their address and the peer's, or say that they do not; one knows the listener's."""
        near, far = self.ends()
        answers = [
            top.chain.get(key) for top in (near, far) for key in (PEER_ADDRESS, LOCAL_ADDRESS)
        ]
        assert all(answer is None or isinstance(answer, str) for answer in answers)
        assert self.home.address in answers

    def test_second_bind_is_refused(self) -> None:
        """Nobody takes an address over on which somebody listens; who listens goes on."""
        dialer = self.make_dialer(self.home.address)
        try:
            self.listen(dialer)
        except EndpointError:
            pass
        else:
            raise AssertionError("a second listener has taken the address")
        self.runner.settle()
        self._dismiss()  # a transport may have looked by dialling whether anybody is there
        near, far = self.ends()
        near.send(b"as before")
        self.check(far, [b"as before"])

    def test_bind_again_after_close(self) -> None:
        """An address is free as soon as its listener is closed, even if connections were made there."""
        near, far = self.ends()
        far.abort()
        near.abort()
        address = self.home.address
        for _ in range(3):
            self.home.close()
            self._home = self.listen(self.make_dialer(address))
            assert self.home.address == address
            near, far = self.ends()
            near.send(b"again")
            self.check(far, [b"again"])

    def test_listening_and_closing_leaves_nothing(self) -> None:
        needy = len(self.runner.hub.needy)
        for _ in range(self.cycles):
            bound = self.listen()
            bound.close()
            bound.close()
            self._bounds.clear()
        assert len(self.runner.hub.needy) == needy
        # Descriptors are looked at when the test is over.

    # Connecting.

    def test_refused(self) -> None:
        """Nobody is there: one declared error, soon."""
        error = self.refusal(self.make_dialer(self.nobody()))
        assert isinstance(error, EndpointError), repr(error)

    def test_closed_listener_accepts_nobody(self) -> None:
        address = self.home.address
        self.home.close()
        error = self.refusal(self.make_dialer(address))
        assert isinstance(error, EndpointError), repr(error)
        assert not self.accepted

    def test_live_links_survive_the_listener(self) -> None:
        near, far = self.ends()
        self.home.close()
        near.send(b"still")
        self.check(far, [b"still"])
        far.send(b"here")
        self.check(near, [b"here"])

    def test_many_at_once(self) -> None:
        """All are accepted, and none hears what was said to another."""
        spec = self.make_dialer(self.home.address)
        links: list[Link] = []
        errors: list[SockstackError] = []
        for _ in range(self.at_once):
            spec.dial(self.runner.hub, links.append, errors.append)
        self.until(lambda: errors or len(links) == self.at_once, "all are connected")
        assert not errors, errors[0]
        self.until(lambda: len(self.accepted) == self.at_once, "all are accepted")
        clients = [self.runner.open(spec, link, Role.DIALER, MANY) for link in links]
        servers = [self.runner.open(spec, link, Role.LISTENER, MANY) for link in self.accepted]
        self.accepted.clear()
        for server in servers:
            _echo(server)
        self.until(lambda: all(top.is_open for top in (*clients, *servers)), "all are open")
        for number, client in enumerate(clients):
            client.send(b"%04d" % number)
        for number, client in enumerate(clients):
            self.check(client, [b"%04d" % number])

    def test_visitors_that_leave_at_once(self) -> None:
        """They cost nobody else anything."""
        spec = self.make_dialer(self.home.address)
        for _ in range(20):
            self.dial(spec).abort()
        client = self.runner.open(spec, self.dial(spec), Role.DIALER, MANY)
        servers: list[Recorder] = []

        def served() -> bool:
            while self.accepted:
                server = self.runner.open(spec, self.accepted.pop(0), Role.LISTENER, MANY)
                _echo(server)
                servers.append(server)
            return bool(client.units)

        self.until(lambda: served() or client.is_open, "the good one is connected")
        client.send(b"a good one")
        self.until(served, "the good one is served")
        left = [server for server in servers if b"a good one" not in server.units]
        self.until(lambda: all(server.has_ended or server.error for server in left), "they left")

    def test_paused_listener(self) -> None:
        """While it is paused nobody is accepted; those who came meanwhile are, afterwards."""
        self.skip_unless(self.pauses, "there is no queue to leave them in")
        self.home.pause(True)
        link = self.dial(self.make_dialer(self.home.address))
        self.runner.settle()
        assert not self.accepted
        self.home.pause(False)
        self.until(lambda: self.accepted, "accepted")
        link.abort()

    def test_peer_killed(self) -> None:
        """A process that dies without a word: its connection ends or breaks, soon, after what it had written."""
        spec = self.make_dialer(self.home.address)
        reach = spec.derive(Capabilities(Unit.STREAM)).scope
        self.skip_unless(reach > Scope.PROCESS, "the peer is in the same process")
        with start_victim(spec) as peer:
            try:
                self.until(lambda: self.accepted, "the other process has connected")
                top = self.runner.open(spec, self.accepted.pop(), Role.LISTENER, MANY)
                self.until(lambda: top.data == ALIVE, "the other process has written")
            finally:
                peer.kill()
        self.until(lambda: top.has_ended or top.error, "its death is noticed")

    def _dismiss(self) -> None:
        while self.accepted:
            self.accepted.pop().abort()


def _echo(top: Recorder) -> None:
    top.on_units = lambda units: top.send(*units)
