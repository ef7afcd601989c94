"""Unix sockets: whose file it is, who may come, and who came."""

from __future__ import annotations

import errno
import os
import socket
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from sockstack.core.errors import EndpointError, StackError
from sockstack.core.marks import LOCAL_ADDRESS, PEER_ADDRESS, PEER_CREDENTIALS, TLS_VERSION
from sockstack.core.text import parse
from sockstack.transports import unix
from sockstack.transports.unix import LONGEST_PATH, Unix

from .fakes import Dialing, Listening, SelectHub, meet, open_link

linux = pytest.mark.skipif(sys.platform != "linux", reason="abstract names exist on Linux only")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A short path: the directory of a test may be too deep for the system."""
    monkeypatch.chdir(tmp_path)
    return "sock"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the path is empty"),
        ("x" * (LONGEST_PATH + 1), f"longer than the {LONGEST_PATH} bytes the system takes"),
        ("é" * (LONGEST_PATH // 2 + 1), "longer than"),
    ],
)
@pytest.mark.parametrize("abstract", [False, pytest.param(True, marks=linux)])
def test_refused_when_composed(text: str, problem: str, abstract: bool) -> None:
    with pytest.raises(StackError, match=problem) as caught:
        Unix(text, abstract=abstract)
    assert caught.value.layer == "unix"
    assert caught.value.field == "path"


def test_a_path_that_no_system_can_be_told() -> None:
    with pytest.raises(StackError, match="the path cannot be written as"):
        Unix("\ud800")


def test_a_path_holds_no_nul() -> None:
    with pytest.raises(StackError, match="the path holds a NUL"):
        Unix("a\0b")


def test_abstract_names_exist_on_linux_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(StackError, match="abstract sockets exist on Linux only; use a path"):
        Unix("name", abstract=True)


def bind_dead(path: str) -> None:
    """Leave a file behind as one does who listened and was killed."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
        dead.listen()


class TestConnections:
    def test_both_ways(self, hub: SelectHub, path: str) -> None:
        near, far = meet(hub, Unix(path), Unix)
        near_top, far_top = open_link(near), open_link(far)
        near.send([b"ping"])
        far.send([b"pong"])
        hub.until(lambda: near_top.units and far_top.units)
        assert (near_top.units, far_top.units) == ([b"pong"], [b"ping"])
        near.abort()
        hub.quiet()
        assert far_top.log == ["unit", "ended"]
        far.abort()
        assert hub.watches == []

    def test_a_path_as_long_as_the_system_takes(
        self, hub: SelectHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        near, far = meet(hub, Unix("x" * LONGEST_PATH), Unix)
        near.abort()
        far.abort()

    @pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="Linux says who the peer is")
    def test_the_kernel_says_who_the_peer_is(self, hub: SelectHub, path: str) -> None:
        near, far = meet(hub, Unix(path), Unix)
        assert near.get(PEER_CREDENTIALS) == (os.getpid(), os.getuid(), os.getgid())
        assert far.get(PEER_CREDENTIALS) == (os.getpid(), os.getuid(), os.getgid())
        near.abort()
        assert near.get(PEER_CREDENTIALS) is None
        far.abort()

    def test_metadata(self, hub: SelectHub, path: str) -> None:
        near, far = meet(hub, Unix(path), Unix)
        for end in (near, far):
            assert end.get(PEER_ADDRESS) == end.get(LOCAL_ADDRESS) == path
            assert end.get(TLS_VERSION) is None
            end.abort()

    def test_nobody_listens(self, hub: SelectHub, path: str) -> None:
        error = Dialing(hub, Unix(path)).error()
        assert isinstance(error, EndpointError)
        assert error.errno == errno.ENOENT
        assert str(error) == f"cannot connect to {path}: No such file or directory [unix]"

    def test_cancelled(self, hub: SelectHub, path: str) -> None:
        listening = Listening(hub, Unix(path))
        dialing = Dialing(hub, Unix(path))
        dialing.attempt.cancel()
        hub.quiet()
        assert dialing.links == dialing.errors == []
        listening.close()

    @linux
    def test_abstract(self, hub: SelectHub, path: str) -> None:
        name = f"sockstack-test-{os.getpid()}"
        spec = Unix(name, abstract=True)
        assert spec.address == "\0" + name
        near, far = meet(hub, spec, lambda address: Unix(address, abstract=True))
        assert not os.path.exists(name)
        near.abort()
        far.abort()
        listening = Listening(hub, spec)
        with pytest.raises(EndpointError) as caught:
            Listening(hub, spec)
        assert caught.value.errno == errno.EADDRINUSE
        listening.close()

    @linux
    @pytest.mark.parametrize("odd", [b" ?%", b"\0\0b", "\u00e9".encode(), b"\xff/", b"\n"])
    def test_an_abstract_name_is_any_octets(self, hub: SelectHub, odd: bytes) -> None:
        name = b"sockstack-test-%d-" % os.getpid() + odd
        listening = Listening(hub, Unix(os.fsdecode(name), abstract=True))
        with socket.socket(socket.AF_UNIX) as plain:
            plain.connect(b"\0" + name)
            listening.link().abort()
        Dialing(hub, Unix(listening.bound.address, abstract=True)).link().abort()
        listening.link().abort()
        listening.close()

    @linux
    def test_an_abstract_name_as_long_as_the_system_takes(self, hub: SelectHub) -> None:
        name = f"sockstack-test-{os.getpid()}-".ljust(LONGEST_PATH, "x")
        near, far = meet(hub, Unix(name, abstract=True), lambda at: Unix(at, abstract=True))
        near.abort()
        far.abort()


class TestTheFile:
    def test_is_removed_with_the_listener(self, hub: SelectHub, path: str) -> None:
        listening = Listening(hub, Unix(path))
        assert listening.bound.address == path
        assert stat.S_ISSOCK(os.stat(path).st_mode)
        listening.close()
        assert not os.path.exists(path)
        Path(path).touch()
        listening.close()
        assert os.path.exists(path), "closing again removes nothing"

    def test_live_connections_stay(self, hub: SelectHub, path: str) -> None:
        near, far = meet(hub, Unix(path), Unix)
        assert not os.path.exists(path)
        top = open_link(far)
        open_link(near)
        near.send([b"on"])
        hub.until(lambda: top.units)
        near.abort()
        far.abort()

    def test_left_behind_by_the_dead_is_replaced(self, hub: SelectHub, path: str) -> None:
        bind_dead(path)
        assert os.path.exists(path)
        near, far = meet(hub, Unix(path), Unix)
        near.abort()
        far.abort()

    def test_of_somebody_who_listens_is_refused(self, hub: SelectHub, path: str) -> None:
        listening = Listening(hub, Unix(path))
        with pytest.raises(EndpointError) as caught:
            Listening(hub, Unix(path))
        assert caught.value.errno == errno.EADDRINUSE
        assert str(caught.value) == f"cannot listen on {path}: Address already in use [unix]"
        Dialing(hub, Unix(path)).link().abort()
        listening.close()

    def test_of_one_who_has_not_begun_to_listen_is_refused(self, hub: SelectHub, path: str) -> None:
        """To be bound is the first step; who looks just then must not take it for dead."""
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(path)
            with pytest.raises(EndpointError) as caught:
                Listening(hub, Unix(path))
            assert caught.value.errno == errno.EADDRINUSE
            other.listen()
            Dialing(hub, Unix(path)).link().abort()

    def test_that_another_process_replaces_first_is_left_alone(
        self, hub: SelectHub, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It was dead when we looked, and is not when we come to remove it."""
        bind_dead(path)
        with socket.socket(socket.AF_UNIX) as other:
            looked = unix._bound

            def slow(path: str) -> bool:
                answer = looked(path)
                os.unlink(path)
                other.bind(path)
                other.listen()
                return answer

            monkeypatch.setattr(unix, "_bound", slow)
            with pytest.raises(EndpointError) as caught:
                Listening(hub, Unix(path))
            assert caught.value.errno == errno.EADDRINUSE
            Dialing(hub, Unix(path)).link().abort()
        assert os.listdir() == [path]

    @pytest.mark.parametrize("look", [lambda found: found, lambda found: False])
    def test_that_somebody_removes_first_is_made_anew(
        self, hub: SelectHub, path: str, monkeypatch: pytest.MonkeyPatch, look: Any
    ) -> None:
        bind_dead(path)
        looked = unix._bound

        def slow(path: str) -> bool:
            os.unlink(path)
            return bool(look(looked(path)))

        monkeypatch.setattr(unix, "_bound", slow)
        listening = Listening(hub, Unix(path))
        assert os.listdir() == [path]
        listening.close()

    def test_the_living_do_not_notice_that_somebody_looks(self, hub: SelectHub, path: str) -> None:
        listening = Listening(hub, Unix(path))
        with pytest.raises(EndpointError):
            Listening(hub, Unix(path))
        hub.quiet()
        assert listening.links == []
        listening.close()

    def test_a_link_to_a_dead_one_is_refused(self, hub: SelectHub, path: str) -> None:
        """It was not made by one that listened."""
        bind_dead("elsewhere")
        os.symlink("elsewhere", path)
        with pytest.raises(EndpointError, match="a file that is no socket is in the way"):
            Listening(hub, Unix(path))
        assert os.path.islink(path)

    def test_is_removed_from_where_it_was_made(
        self, hub: SelectHub, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A program that goes to the background goes to another directory as well."""
        listening = Listening(hub, Unix(path))
        assert os.listdir(tmp_path) == [path]
        monkeypatch.chdir("/")
        listening.close()
        assert os.listdir(tmp_path) == []

    def test_is_removed_though_somebody_touched_it(self, hub: SelectHub, path: str) -> None:
        """As those do who keep it from being tidied up."""
        listening = Listening(hub, Unix(path))
        os.utime(path, (1, 1))
        listening.close()
        assert not os.path.exists(path)

    def test_is_not_left_behind_when_listening_fails(self, hub: SelectHub, path: str) -> None:
        with pytest.raises(OverflowError):
            Listening(hub, Unix(path, backlog=1 << 80))
        assert os.listdir() == []

    @pytest.mark.parametrize("mode", ["600", "0600", "0o600"])
    def test_its_mode_is_octal_in_text(self, mode: str) -> None:
        stack = parse(f"unix(/s, mode={mode})")
        assert stack.layers == (Unix("/s", mode=0o600),)
        assert str(stack) == "unix(/s, mode=0o600)"

    @pytest.mark.parametrize("mode", [600, -1, 0o1000])
    def test_modes_that_are_none(self, mode: int) -> None:
        with pytest.raises(StackError, match="unix: mode is 0 to 0o777, not ") as caught:
            Unix("/s", mode=mode)
        assert (caught.value.field, caught.value.mend) == (
            "mode",
            "Write it in octal digits: mode=0o600.",
        )

    def test_digits_that_are_not_octal(self) -> None:
        with pytest.raises(
            StackError, match="mode is permissions in octal digits, or none, not '9'"
        ):
            parse("unix(/s, mode=9)")

    def test_that_is_no_socket_is_refused(self, hub: SelectHub, path: str) -> None:
        Path(path).write_text("precious")
        with pytest.raises(EndpointError) as caught:
            Listening(hub, Unix(path))
        assert caught.value.errno == errno.EADDRINUSE
        assert "a file that is no socket is in the way" in str(caught.value)
        assert Path(path).read_text() == "precious"

    def test_in_a_directory_that_is_not_there(self, hub: SelectHub, path: str) -> None:
        with pytest.raises(EndpointError) as caught:
            Listening(hub, Unix(f"nowhere/{path}"))
        assert caught.value.errno == errno.ENOENT

    def test_another_one_in_its_place_is_left_alone(self, hub: SelectHub, path: str) -> None:
        listening = Listening(hub, Unix(path))
        os.rename(path, "elsewhere")
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(path)
        listening.close()
        assert os.path.exists(path)

    def test_removed_by_somebody_else(self, hub: SelectHub, path: str) -> None:
        listening = Listening(hub, Unix(path))
        os.unlink(path)
        listening.close()

    def test_a_forked_child_does_not_remove_it(
        self, hub: SelectHub, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        listening = Listening(hub, Unix(path))
        with monkeypatch.context() as patch:
            patch.setattr(os, "getpid", lambda: -1)
            listening.close()
        assert os.path.exists(path)

    @pytest.mark.parametrize("mode", [0o600, 0o666, 0o620])
    def test_mode(self, hub: SelectHub, path: str, mode: int) -> None:
        listening = Listening(hub, Unix(path, mode=mode))
        assert stat.S_IMODE(os.stat(path).st_mode) == mode
        listening.close()

    def test_without_a_mode_the_umask_decides(self, hub: SelectHub, path: str) -> None:
        before = os.umask(0o027)
        try:
            listening = Listening(hub, Unix(path))
        finally:
            os.umask(before)
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o750
        listening.close()

    def test_what_cannot_be_done_leaves_no_descriptor(self, hub: SelectHub, path: str) -> None:
        Path(path).touch()
        with pytest.raises(EndpointError):
            Listening(hub, Unix(path))
        assert hub.watches == []
        assert not hub.needy


def test_without_descriptors_a_dial_fails_and_may_be_tried_again(
    hub: SelectHub, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(*args: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(socket, "socket", none_left)
        dialing = Dialing(hub, Unix(path))
        hub.advance(0)
    error = dialing.error()
    assert isinstance(error, EndpointError)
    assert error.errno == errno.EMFILE
