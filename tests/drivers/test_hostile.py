"""Attackers at the other end of a real connection: each costs its own connection, and nobody else anything."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import random
import resource
import socket
import ssl
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from sockstack import Rep, Req, Sp, Tcp, Tls

from .both import DRIVERS, Driver, in_thread, until
from .conftest import PATIENCE, Place, place

ROOT = Path(__file__).parents[2]

HELLO = bytes.fromhex("0053500000300000")
"""What a REQ says first."""

ANSWER = bytes.fromhex("0053500000310000")
"""What a REP says first."""

ID = bytes.fromhex("80000001")
HOP = bytes.fromhex("00000007")

LIMIT = 1 << 20
"""Bytes of the largest message that the sockets under attack take."""

PEAK = 4 << 20
"""Bytes by which memory may grow while one attacker is at work; ``LIMIT`` is a quarter of it."""

CROWD = 1000
PEAK_EACH = 40 << 10
"""Bytes by which memory may grow for each of a crowd of connections, all of asyncio's debug mode included."""


@pytest.fixture(autouse=True)
def calm(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing that an attacker does is our fault, so nothing is logged as an error."""
    yield
    wrong = [
        record.getMessage()
        for record in caplog.get_records("call")
        if record.levelno >= logging.ERROR or record.name == "sockstack.hub"
    ]
    assert not wrong


@pytest.fixture(params=["tcp", "unix"])
def wire(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A place on each transport where messages are framed in its own way."""
    return place(request.param, tmp_path)


@pytest.fixture
def tcp(tmp_path: Path) -> Place:
    """A place on TCP."""
    return place("tcp", tmp_path)


@dataclasses.dataclass
class Fort:
    """A REP socket that answers whoever asks, and what attackers need to know of it."""

    driver: Driver
    rep: Any
    listener: Any
    dialled: Any
    octet: bytes

    def attack(self, *said: bytes) -> socket.socket:
        """A plain connection over which something was said."""
        sock = self.socket()
        sock.connect(self.address)
        for data in said:
            send(sock, data)
        return sock

    def socket(self) -> socket.socket:
        """A plain socket that is not connected yet."""
        sock = socket.socket(socket.AF_UNIX if self.octet else socket.AF_INET)
        sock.settimeout(PATIENCE)
        return sock

    @property
    def address(self) -> Any:
        """Where attackers connect."""
        if self.octet:
            return self.listener.address
        host, _, port = self.listener.address.rpartition(":")
        return host, int(port)

    def message(self, body: bytes, size: int | None = None) -> bytes:
        """A message on the wire, which may lie about its size."""
        return self.octet + (len(body) if size is None else size).to_bytes(8, "big") + body

    @contextlib.contextmanager
    def options(self, **changed: Any) -> Iterator[None]:
        """Other endpoint options for those who come meanwhile."""
        core = self.listener._core
        usual = core.options
        core.options = dataclasses.replace(usual, **changed)
        yield
        core.options = usual

    async def peer(self) -> Any:
        """A good peer, connected."""
        peer = self.driver.socket(Req(), timeout=PATIENCE)
        await peer.reach(self.dialled, PATIENCE)
        return peer


async def asks(peer: Any, question: bytes) -> None:
    """Ask, and be answered."""
    await peer.send(question)
    assert await peer.recv() == b"re: " + question


async def answer(rep: Any) -> None:
    """Answer until told to stop."""
    while (question := await rep.recv(timeout=None)) != b"stop":
        await rep.send(b"re: " + question, timeout=PATIENCE)
    await rep.send(b"re: stop", timeout=PATIENCE)


@contextlib.asynccontextmanager
async def besieged(
    driver: Driver,
    where: Place,
    *,
    peak: int = PEAK,
    ttl: int = 8,
    tls: tuple[Any, Any] | None = None,
) -> AsyncIterator[Fort]:
    """A fort to attack: peers that came before and after are answered, and memory stays bounded."""
    bottom = where.listen.layers[-1]
    listening: Any = Sp(max_size=LIMIT)
    dialling: Any = Sp()
    if tls is not None:
        listening, dialling = listening | tls[0], dialling | tls[1]
    rep = driver.socket(Rep(ttl=ttl), handshake=600.0)
    listener = rep.listen(listening | bottom)
    dialled = dialling | (Tcp(listener.address) if where.name == "tcp" else bottom)
    fort = Fort(driver, rep, listener, dialled, b"\x01" if where.name == "unix" else b"")
    answering = asyncio.create_task(answer(rep))
    before = await fort.peer()
    await asks(before, b"before")
    tracemalloc.start()
    try:
        yield fort
        after = await fort.peer()
        await asks(after, b"after")
        await asks(before, b"before, again")
        grown = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert grown < peak, grown
    await asks(before, b"stop")
    await answering


def send(sock: socket.socket, data: bytes) -> None:
    """Send what the other end may not want to have."""
    with contextlib.suppress(ConnectionError):
        sock.sendall(data)


def rest(sock: socket.socket) -> bytes:
    """What comes until the connection is cut; a TimeoutError if it is not."""
    got = bytearray()
    with contextlib.suppress(ConnectionError):
        while data := sock.recv(65536):
            got += data
    return bytes(got)


async def cut(sock: socket.socket) -> bytes:
    """What comes until the attacker is cut off."""
    with sock:
        return await in_thread(rest, sock)


def is_cut(sock: socket.socket) -> bool:
    """Whether an attacker has been cut off already; what it was sent is lost."""
    sock.setblocking(False)
    try:
        while sock.recv(65536):
            pass
    except BlockingIOError:
        return False
    except ConnectionError:
        pass
    return True


async def exactly(sock: socket.socket, size: int) -> bytes:
    """Bytes from a connection that is not cut."""

    def read() -> bytes:
        got = b""
        while len(got) < size:
            data = sock.recv(size - len(got))
            assert data, got
            got += data
        return got

    return await in_thread(read)


# Who does not speak the protocol.


async def test_random_bytes_in_place_of_a_hello(driver: Driver, tcp: Place) -> None:
    chance = random.Random(1)
    async with besieged(driver, tcp) as fort:
        attackers = [fort.attack(chance.randbytes(chance.randint(8, 4096))) for _ in range(50)]
        for attacker in attackers:
            assert await cut(attacker) in (ANSWER, b"")


async def test_random_bytes_after_the_hello(driver: Driver, wire: Place) -> None:
    chance = random.Random(2)
    async with besieged(driver, wire) as fort:
        attackers = [
            fort.attack(HELLO + chance.randbytes(chance.randint(9, 4096))) for _ in range(50)
        ]
        for attacker in attackers:
            assert await cut(attacker) in (ANSWER, b"")
        await until(lambda: len(fort.rep.pipes) == 1)


@pytest.mark.parametrize(
    "hello",
    [
        "0153500000300000",
        "0053510000300000",
        "0053500100300000",
        "0053500000300001",
        "0053500000310000",
        "0053500000000000",
        "005350000030ffff",
        "ff00000000000000017f",
    ],
    ids=["magic", "magic end", "version", "reserved", "rep", "none", "all reserved", "zmtp"],
)
async def test_a_wrong_hello(driver: Driver, tcp: Place, hello: str) -> None:
    async with besieged(driver, tcp) as fort:
        assert await cut(fort.attack(bytes.fromhex(hello))) == ANSWER
        assert await cut(fort.attack(bytes.fromhex(hello) + fort.message(ID + b"!"))) in (
            ANSWER,
            b"",
        )
        assert len(fort.rep.pipes) == 1


async def test_a_peer_that_leaves_before_it_has_said_hello(driver: Driver, wire: Place) -> None:
    async with besieged(driver, wire) as fort:
        for said in (b"", HELLO[:1], HELLO[:7]):
            attacker = fort.attack(said)
            attacker.shutdown(socket.SHUT_WR)
            assert await cut(attacker) == ANSWER


# Who lies about lengths, or takes its time.


@pytest.mark.parametrize("size", [LIMIT + 1, 1 << 62, (1 << 64) - 1])
async def test_a_length_beyond_the_limit(driver: Driver, wire: Place, size: int) -> None:
    async with besieged(driver, wire) as fort:
        assert await cut(fort.attack(HELLO, fort.message(ID, size))) == ANSWER
        await until(lambda: len(fort.rep.pipes) == 1)


async def test_what_came_before_a_bad_length_is_answered(driver: Driver, wire: Place) -> None:
    async with besieged(driver, wire) as fort:
        attacker = fort.attack(HELLO, fort.message(ID + b"good"))
        reply = fort.message(ID + b"re: good")
        assert await exactly(attacker, len(ANSWER + reply)) == ANSWER + reply
        send(attacker, fort.message(b"", 1 << 62))
        assert await cut(attacker) == b""


async def test_a_large_length_costs_what_arrives_not_what_is_claimed(
    driver: Driver, wire: Place
) -> None:
    async with besieged(driver, wire) as fort:
        attackers = [fort.attack(HELLO, fort.message(ID + b"...", LIMIT)) for _ in range(50)]
        await until(lambda: len(fort.rep.pipes) == 51)
        await asks(await fort.peer(), b"meanwhile")
        assert not any(map(is_cut, attackers))
        for attacker in attackers:
            attacker.close()
        await until(lambda: len(fort.rep.pipes) == 2)


async def test_an_unknown_type_octet(driver: Driver, tmp_path: Path) -> None:
    async with besieged(driver, place("unix", tmp_path)) as fort:
        for octet in (b"\x00", b"\x02", b"\xff"):
            assert await cut(fort.attack(HELLO, octet + fort.message(ID + b"?")[1:])) == ANSWER


async def test_a_byte_at_a_time(driver: Driver, wire: Place) -> None:
    async with besieged(driver, wire) as fort:
        with fort.attack() as slow:
            if wire.name == "tcp":
                slow.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in HELLO + fort.message(ID + b"slowly"):
                slow.sendall(bytes([byte]))
                await asyncio.sleep(0)
            reply = ANSWER + fort.message(ID + b"re: slowly")
            assert await exactly(slow, len(reply)) == reply


@pytest.mark.parametrize("abrupt", [False, True], ids=["close", "reset"])
@pytest.mark.parametrize("size", [0, 100, 100_000])
async def test_a_peer_that_dies_in_mid_message(
    driver: Driver, wire: Place, abrupt: bool, size: int
) -> None:
    async with besieged(driver, wire) as fort:
        said = fort.message(ID + bytes(size), LIMIT)[: 5 + size]
        attacker = await in_thread(fort.attack, HELLO, said)
        await until(lambda: len(fort.rep.pipes) == 2)
        if abrupt:
            attacker.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        attacker.close()
        await until(lambda: len(fort.rep.pipes) == 1)


async def test_a_reset_behind_more_than_one_read(driver: Driver, tcp: Place) -> None:
    async with besieged(driver, tcp) as fort:
        attacker = fort.attack(HELLO)
        await until(lambda: len(fort.rep.pipes) == 2)
        send(attacker, fort.message(ID + bytes(100_000), LIMIT))  # at once, and no loop runs
        attacker.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        attacker.close()
        await until(lambda: len(fort.rep.pipes) == 1)


async def test_a_peer_that_dies_before_its_answer(driver: Driver, wire: Place) -> None:
    async with besieged(driver, wire) as fort:
        for number in range(50):
            attacker = fort.attack(HELLO, fort.message(ID + b"%d" % number) * 3)
            attacker.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            attacker.close()
        await until(lambda: len(fort.rep.pipes) <= 1)


# Who does not speak REQ.


@pytest.mark.parametrize("body", [b"", ID[:3], b"abcd", HOP, HOP + ID[:2], HOP * 3], ids=repr)
async def test_a_request_without_an_id(driver: Driver, wire: Place, body: bytes) -> None:
    async with besieged(driver, wire) as fort:
        assert await cut(fort.attack(HELLO, fort.message(body))) == ANSWER
        await until(lambda: len(fort.rep.pipes) == 1)


@pytest.mark.parametrize("hops", [3, 200])
async def test_a_request_with_too_many_words(driver: Driver, wire: Place, hops: int) -> None:
    async with besieged(driver, wire, ttl=3) as fort:
        lost = fort.message(HOP * hops + ID + b"from afar")
        near = fort.message(HOP * 2 + ID + b"from near")
        with fort.attack(HELLO, lost, near) as attacker:
            reply = ANSWER + fort.message(HOP * 2 + ID + b"re: from near")
            assert await exactly(attacker, len(reply)) == reply
            assert fort.rep.stats()["looped"] == 1
            assert len(fort.rep.pipes) == 2


# Who comes in numbers and says nothing.


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """Both ends of a crowd are in this process."""
    needed = 2 * CROWD + 500
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"needs {needed} descriptors, {hard} are allowed")
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def crowd(fort: Fort, count: int, said: bytes = b"") -> list[socket.socket]:
    """Many connections, made in a thread while the loop accepts them."""
    return await in_thread(lambda: [fort.attack(said) for _ in range(count)])


@pytest.mark.parametrize("said", [b"", HELLO[:5], HELLO], ids=["nothing", "half a hello", "hello"])
async def test_a_crowd_that_says_nothing(
    driver: Driver, wire: Place, many_descriptors: None, said: bytes
) -> None:
    async with besieged(driver, wire, peak=PEAK + CROWD * PEAK_EACH) as fort:
        silent = await crowd(fort, CROWD, said)
        await asks(await fort.peer(), b"in the crowd")
        if said == HELLO:
            await until(lambda: len(fort.rep.pipes) == CROWD + 2)
        assert not any(map(is_cut, silent))
        for sock in silent:
            sock.close()
        await until(lambda: len(fort.rep.pipes) == 2)


async def test_the_oldest_of_a_crowd_gives_way(driver: Driver, wire: Place) -> None:
    async with besieged(driver, wire) as fort:
        with fort.options(openings=8):
            silent = await crowd(fort, 20)
            for sock in silent[:12]:
                assert await cut(sock) == ANSWER
            assert not any(map(is_cut, silent[12:]))
            await asks(await fort.peer(), b"in the crowd")
            await until(lambda: is_cut(silent[12]))
            assert not any(map(is_cut, silent[13:]))
        for sock in silent:
            sock.close()


async def test_silence_has_a_deadline(driver: Driver, wire: Place) -> None:
    async with besieged(driver, wire) as fort:
        with fort.options(handshake=0.05):
            for said in (b"", HELLO[:7]):
                assert await cut(fort.attack(said)) == ANSWER


# Who does not speak TLS.


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Who vouches for the server."""
    return trustme.CA()


@pytest.fixture
def secured(authority: trustme.CA, tmp_path: Path) -> tuple[Tls, Tls]:
    """Both ends of TLS: who listens, who dials."""
    chain = tmp_path / "server.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(chain))
    return Tls(cert=chain), Tls(ca=authority.cert_pem.bytes(), server_name="localhost")


def client_hello() -> bytes:
    """How a TLS client begins."""
    out = ssl.MemoryBIO()
    context = ssl.create_default_context()
    tls = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return out.read()


@pytest.mark.parametrize("part", [0.0, 0.5, 1.0], ids=["nothing", "half a hello", "a hello"])
async def test_a_stalled_handshake(
    driver: Driver, tcp: Place, secured: tuple[Tls, Tls], part: float
) -> None:
    hello = client_hello()
    said = hello[: int(len(hello) * part)]
    async with besieged(driver, tcp, tls=secured) as fort:
        stalled = await crowd(fort, 20, said)
        await asks(await fort.peer(), b"meanwhile")
        assert not any(map(is_cut, stalled))
        with fort.options(handshake=0.05):
            await cut(fort.attack(said))
        assert not any(map(is_cut, stalled))
        for sock in stalled:
            sock.close()


async def test_garbage_in_place_of_tls(
    driver: Driver, tcp: Place, secured: tuple[Tls, Tls]
) -> None:
    chance = random.Random(3)
    garbage = [chance.randbytes(chance.randint(16, 4096)) for _ in range(20)]
    hello = client_hello()
    broken = bytearray(hello)
    broken[9:40] = bytes(31)
    garbage += [HELLO, b"GET / HTTP/1.1\r\n\r\n", hello[:60] + hello, bytes(broken)]
    async with besieged(driver, tcp, tls=secured) as fort:
        for data in garbage:
            attacker = fort.attack(data)
            attacker.shutdown(socket.SHUT_WR)
            await cut(attacker)
        assert len(fort.rep.pipes) == 1


async def test_garbage_inside_of_tls(
    driver: Driver, tcp: Place, secured: tuple[Tls, Tls], authority: trustme.CA
) -> None:
    context = ssl.create_default_context()
    authority.configure_trust(context)

    def attack(fort: Fort, said: bytes) -> bytes:
        with context.wrap_socket(fort.attack(), server_hostname="localhost") as tls:
            tls.sendall(said)
            got = b""
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                while data := tls.recv(65536):
                    got += data
            return got

    def spoil(fort: Fort, said: bytes) -> None:
        tls = context.wrap_socket(fort.attack(), server_hostname="localhost")
        tls.sendall(HELLO)
        with socket.socket(fileno=tls.detach()) as plain:
            plain.settimeout(PATIENCE)
            send(plain, said)
            rest(plain)

    async with besieged(driver, tcp, tls=secured) as fort:
        assert await in_thread(attack, fort, HELLO[::-1]) == ANSWER
        assert await in_thread(attack, fort, HELLO + fort.message(ID, 1 << 62)) == ANSWER
        assert await in_thread(attack, fort, HELLO + fort.message(b"abcd")) == ANSWER
        await in_thread(spoil, fort, b"\x17\x03\x03\x00\x20" + bytes(32))
        await in_thread(spoil, fort, bytes(64))
        await until(lambda: len(fort.rep.pipes) == 1)


# Who takes all descriptors.


@pytest.mark.parametrize("name", DRIVERS)
def test_no_descriptors_left(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.drivers.starved", name],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE * 2,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "answered before, while and after\n"
    assert "cannot accept for now: Too many open files" in done.stderr
    assert "Traceback" not in done.stderr
