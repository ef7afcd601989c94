"""Where one can listen and dial: free ports, all interfaces, both families, names, and what metadata tells of it."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from sockstack import Prefix, Pull, Push, Sp, Tcp, Unix
from sockstack.core.errors import EndpointError, StackError
from sockstack.core.marks import LOCAL_ADDRESS, PEER_ADDRESS, PEER_CREDENTIALS, PEER_PROTOCOL

from .both import Driver, until
from .conftest import PATIENCE, Place, pair


def has_ipv6() -> bool:
    """Whether there is an IPv6 loopback to listen on."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this system has no IPv6")


@pytest.mark.parametrize(
    ("where", "seen", "dials"),
    [
        ("127.0.0.1:0", "127.0.0.1:{}", ["127.0.0.1:{}", "localhost:{}"]),
        ("127.0.0.1", "127.0.0.1:{}", ["127.0.0.1:{}"]),
        ("localhost:0", None, ["localhost:{}"]),
        pytest.param("[::1]:0", "[::1]:{}", ["[::1]:{}"], marks=needs_ipv6),
        pytest.param("*:0", "[::]:{}", ["127.0.0.1:{}", "[::1]:{}"], marks=needs_ipv6),
        pytest.param(":0", "[::]:{}", ["127.0.0.1:{}", "localhost:{}"], marks=needs_ipv6),
        ("0.0.0.0:0", "0.0.0.0:{}", ["127.0.0.1:{}"]),
    ],
)
async def test_listening_on_a_free_port(
    driver: Driver, where: str, seen: str | None, dials: list[str]
) -> None:
    pull = driver.socket(Pull(), timeout=PATIENCE)
    address = pull.listen(Sp() | Tcp(where)).address
    port = int(address.rpartition(":")[2])
    assert port > 0
    if seen is not None:
        assert address == seen.format(port)
    for dial in dials:
        push = driver.keep(await driver.dial(Push() | Sp() | Tcp(dial.format(port))))
        await push.send(dial.encode())
        assert await pull.recv() == dial.encode()


async def test_by_url(driver: Driver, tmp_path: Path) -> None:
    pull = driver.socket(Pull(), listen="tcp://127.0.0.1:0", timeout=PATIENCE)
    pull.listen(f"ipc://{tmp_path}/by-url")
    address = pull._core.endpoints[0].address
    for url in (f"tcp://{address}", f"ipc://{tmp_path}/by-url"):
        push = driver.socket(Push(), dial=url, timeout=PATIENCE)
        await push.send(url.encode())
        assert await pull.recv() == url.encode()


@pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="Linux only")
async def test_abstract_names(driver: Driver, tmp_path: Path) -> None:
    name = str(tmp_path)
    pull = driver.socket(Pull(), timeout=PATIENCE)
    pull.listen(Sp() | Unix(name, abstract=True))
    push = driver.keep(await driver.dial(Push() | Sp() | Unix(name, abstract=True)))
    await push.send(b"no file")
    assert await pull.recv() == b"no file"
    assert not os.listdir(tmp_path)


async def test_an_address_in_use_is_refused(driver: Driver, anywhere: Place) -> None:
    first = driver.socket(Pull(), timeout=PATIENCE)
    where = anywhere.dial(first.listen(anywhere.listen))
    second = driver.socket(Pull())
    with pytest.raises(EndpointError, match="cannot listen on") as caught:
        second.listen(where)
    assert caught.value.errno == errno.EADDRINUSE
    with pytest.raises(EndpointError, match="cannot listen on"):
        driver.socket(Pull(), listen=where)
    push = driver.keep(await driver.dial(Push() | where))
    await push.send(b"the first is there as before")
    assert await first.recv()
    await driver.close(first)
    second.listen(where)


async def test_addresses_that_cannot_be_had(driver: Driver, tmp_path: Path) -> None:
    pull = driver.socket(Pull())
    with pytest.raises(EndpointError, match=r"cannot listen on 192.0.2.1:0: Cannot assign"):
        pull.listen(Sp() | Tcp("192.0.2.1:0"))
    with pytest.raises(EndpointError, match=r"cannot listen on .*/no/s: No such file"):
        pull.listen(Sp() | Unix(str(tmp_path / "no" / "s")))
    (tmp_path / "file").write_text("precious")
    with pytest.raises(EndpointError, match="a file that is no socket is in the way"):
        pull.listen(Sp() | Unix(str(tmp_path / "file")))
    assert (tmp_path / "file").read_text() == "precious"
    with pytest.raises(StackError):
        pull.listen("tcp://[::1:5")
    with pytest.raises(StackError, match="no transport at its bottom"):
        pull.listen(Sp())


async def test_what_a_pipe_tells(driver: Driver, anywhere: Place) -> None:
    push, pull = await pair(driver, anywhere, Push(), Pull())
    (near,), (far,) = push.pipes, pull.pipes
    assert near.peer == far.local
    assert near.path == far.path == "sp<" + anywhere.name
    assert near.id != far.id
    chain = next(iter(push._core.raw.pipes.values())).chain
    assert chain.get(PEER_PROTOCOL) == Pull.number


async def test_what_a_connection_tells(driver: Driver, tmp_path: Path) -> None:
    for stack in (Prefix(4) | Tcp("127.0.0.1:0"), Prefix(4) | Unix(str(tmp_path / "s"))):
        listener = driver.listen(stack)
        where: Any = stack.layers[-1]
        if isinstance(where, Tcp):
            where = Tcp(listener.address)
        client = await driver.dial(Prefix(4) | where)
        server = driver.keep(await listener.accept(timeout=PATIENCE))
        assert client.get(PEER_ADDRESS) == server.get(LOCAL_ADDRESS) == listener.address
        if isinstance(where, Tcp):
            assert client.get(LOCAL_ADDRESS) == server.get(PEER_ADDRESS)
        elif hasattr(socket, "SO_PEERCRED"):
            me = (os.getpid(), os.getuid(), os.getgid())
            assert client.get(PEER_CREDENTIALS) == server.get(PEER_CREDENTIALS) == me
        assert client.get(PEER_PROTOCOL) is None
        assert client.path.startswith("prefix<")


async def test_a_socket_with_many_addresses(driver: Driver, tmp_path: Path) -> None:
    pull = driver.socket(Pull(), timeout=PATIENCE)
    wheres: list[Any] = [Sp() | Unix(str(tmp_path / str(number))) for number in range(5)]
    for where in wheres:
        pull.listen(where)
    push = driver.socket(Push(), timeout=PATIENCE)
    for where in wheres:
        push.dial(where)
    await until(lambda: len(pull.pipes) == 5)
    await push.send_many([b"%d" % number for number in range(20)])
    assert sorted([int(await pull.recv()) for _ in range(20)]) == list(range(20))
