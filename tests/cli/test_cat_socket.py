"""``sockstack cat`` with a pattern, each end a process."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from sockstack import Deadline
from sockstack.cli.cat_socket import PATTERNS, Work
from sockstack.cli.command import Talk
from sockstack.cli.main import main

from .programs import Program, sockstack


def cat(*arguments: str, input: bytes | None = b"") -> Program:
    """The command."""
    return sockstack("cat", *arguments, input=input)


@pytest.fixture
def rep() -> Iterator[str]:
    """Where a REP listens that answers everything with ``pong``."""
    with cat("--rep", "--listen", "tcp://127.0.0.1:0", "--data", "pong", "-v") as server:
        yield server.listening()


def free_port() -> str:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


def test_req_asks_and_prints_the_answer(rep: str) -> None:
    with cat("--req", "--dial", f"tcp://{rep}", "--data", "ping") as run:
        assert run.end() == (0, b"pong\n", "")


def test_names_of_nngcat(rep: str) -> None:
    port = rep.rpartition(":")[2]
    for arguments in (
        ["--req0", f"--connect=tcp://{rep}", "-D", "x"],
        ["--req", "-l", port, "--dat", "x", "--for", "lines"],
        ["--req", f"-l{port}", "-Dx", "--recv-t=20", "--send-timeout", "20", "-Z", "0"],
    ):
        with cat(*arguments) as run:
            assert run.end() == (0, b"pong\n", "")


def test_rep_prints_requests_and_ends_after_count() -> None:
    with cat("--rep", "-L", "0", "-D", "ok", "-C", "2", "-v", "--quoted") as server:
        address = server.listening()
        with cat("--req", f"tcp://{address}", "-D", 'say "x"', "--count", "2", "--raw") as run:
            assert run.end() == (0, b"okok", "")
        assert server.end() == (0, b'"say \\"x\\""\n' * 2, "")


def test_rep_without_data_only_prints() -> None:
    with cat("--rep", "-L", "0", "-C", "1", "-v") as server:
        address = server.listening()
        with cat("--req", f"tcp://{address}", "-D", "x", "--recv-timeout", "0.1") as run:
            code, out, said = run.end()
        assert (code, out) == (1, b"")
        assert said.startswith("sockstack cat: request 1 has no answer: recv: nothing within 0.1 s")
        assert server.end() == (0, b"x\n", "")


def test_each_line_of_the_input_is_a_request(rep: str) -> None:
    with cat("--req", f"tcp://{rep}", input=b"one\n\nthree") as run:
        assert run.end() == (0, b"pong\n" * 3, "")


def test_an_interval_goes_on_until_the_count(rep: str) -> None:
    with cat("--req", f"tcp://{rep}", "-D", "x", "-i", "0.01", "-d", "0.01", "-C", "3") as run:
        assert run.end() == (0, b"pong\n" * 3, "")


def test_push_and_pull() -> None:
    with cat("--pull", "--bind", "tcp://127.0.0.1:0", "-v", "-C", "3") as pull:
        address = pull.listening()
        with cat("--push", "--dial", f"tcp://{address}", input=b"1\n2\n3\n") as push:
            assert push.end() == (0, b"", "")
        assert pull.end() == (0, b"1\n2\n3\n", "")


def test_push_to_several(tmp_path: Path) -> None:
    with (
        cat("--pull", "-X", str(tmp_path / "one"), "-v", "-C", "1") as one,
        cat("--pull", "-X", str(tmp_path / "two"), "-v", "-C", "1") as two,
    ):
        assert [one.listening(), two.listening()] == [str(tmp_path / "one"), str(tmp_path / "two")]
        ends = ["-x", str(tmp_path / "one"), "--connect-ipc", str(tmp_path / "two")]
        with cat("--push", *ends, "-D", "job", "--count", "2") as push:
            assert push.end() == (0, b"", "")
        assert one.end() == two.end() == (0, b"job\n", "")


def test_a_large_file_arrives_whole(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(bytes(range(256)) * 3000)
    with cat("--pull", "-L", "0", "-v", "-C", "1", "--raw") as pull:
        address = pull.listening()
        with cat("--push", f"tcp://{address}", "-F", str(path)) as push:
            assert push.end() == (0, b"", "")
        assert pull.end() == (0, path.read_bytes(), "")


def test_standard_input_as_one_message(rep: str) -> None:
    with cat("--rep", "-L", "0", "-D", "", "-C", "1", "-v", "-Q") as server:
        address = server.listening()
        with cat("--req", f"tcp://{address}", "-F", "-", "--hex", input=b"two\nlines\n") as run:
            assert run.end() == (0, b'""\n', "")
        assert server.end() == (0, b'"two\\nlines\\n"\n', "")


def test_a_stack_as_text(tmp_path: Path) -> None:
    stack = f"checksum | {{}} | sp | unix({tmp_path}/s)"
    with cat("--listen", stack.format("rep"), "-D", "fine", "-C", "1", "-v") as server:
        server.listening()
        with cat("--stack", stack.format("req"), "-D", "how are you?") as run:
            assert run.end() == (0, b"fine\n", "")
        assert server.end() == (0, b"how are you?\n", "")


def test_over_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    both, key, ca = (str(tmp_path / name) for name in ("both.pem", "key.pem", "ca.pem"))
    issued.private_key_and_cert_chain_pem.write_to_path(both)
    issued.private_key_pem.write_to_path(key)
    authority.cert_pem.write_to_path(ca)
    with cat(
        *("--rep", "--listen", "tls+tcp://127.0.0.1:0", "-D", "ok", "-v"),
        *("--cert", both, "--key", key),
    ) as server:
        url = f"tls+tcp://{server.listening()}"
        with cat("--req", "--dial", url, "--cacert", ca, "-D", "x") as run:
            assert run.end() == (0, b"ok\n", "")
        with cat("--req", "--dial", url, "-D", "x") as run:
            code, out, said = run.end()
            assert (code, out, said.count("\n")) == (1, b"", 1)
            assert "give the CA's certificate, --cacert, or" in said
        with cat("--req", "--dial", url, "-D", "x", "--insecure") as run:
            code, out, said = run.end()
            assert (code, out) == (0, b"ok\n")
            assert said.startswith("sockstack cat: warning: --insecure takes any certificate")
        with cat("--req", "--dial", url, "-D", "x", "-k", "-q") as run:
            assert run.end() == (0, b"ok\n", "")


def test_nobody_is_there() -> None:
    port = free_port()
    with cat("--req", "-l", port, "-D", "x") as run:
        code, out, said = run.end()
    assert (code, out) == (1, b"")
    assert said == (
        f"sockstack cat: cannot connect to 127.0.0.1:{port}: Connection refused [tcp]; "
        "nobody listens there: start the other end first\n"
    )


@pytest.mark.parametrize("verbose", [False, True])
def test_who_does_not_fit_is_named_once(verbose: bool) -> None:
    with cat("--pull", "-L", "0", "-v") as server:
        address = server.listening()
        with cat("--req", f"tcp://{address}", "-D", "x", *["-v"] * verbose) as run:
            code, _, said = run.end()
    assert code == 1
    *logged, last = said.splitlines()
    assert last.startswith(
        "sockstack cat: the peer is pull (0x0051), and only rep (0x0031) fits here"
    )
    assert all(line.startswith("sockstack cat: dialling tcp(") for line in logged)
    assert bool(logged) is verbose


def test_quiet_says_nothing_and_still_fails() -> None:
    with cat("--req", "-l", free_port(), "-D", "x", "--quiet") as run:
        assert run.end() == (1, b"", "")


def test_async_waits_for_who_is_not_there_yet() -> None:
    port = free_port()
    with (
        cat("--req", "-l", port, "-D", "x", "--async") as run,
        cat("--rep", "-L", port, "-D", "late", "-C", "1") as server,
    ):
        assert run.end() == (0, b"late\n", "")
        assert server.end() == (0, b"x\n", "")


def test_the_address_is_taken(rep: str) -> None:
    with cat("--rep", "--listen", f"tcp://{rep}", "-D", "x") as run:
        code, _, said = run.end()
    assert code == 1
    assert said.endswith("; somebody listens there already; choose another address\n")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--pull"], "recv: nothing within 0.1 s"),
        (["--rep", "-D", "x"], "recv: nothing within 0.1 s"),
        (["--push", "-D", "x"], "send: nothing within 0.1 s"),
        (["--req", "-D", "x"], "send: nothing within 0.1 s"),
    ],
)
def test_silence_is_a_failure(arguments: list[str], told: str) -> None:
    times = ["--recv-timeout", "0.1", "--send-timeout", "0.1"]
    with cat(*arguments, "-L", "0", *times) as run:
        code, out, said = run.end()
    assert (code, out, said.count("\n")) == (1, b"", 1)
    assert said.startswith(f"sockstack cat: {told}")


class Silent:
    """A socket that has some messages, and then no more."""

    def __init__(self, *bodies: bytes) -> None:
        self._bodies = list(bodies)

    def recv(self, timeout: float | None) -> bytes:
        assert timeout == 7.0
        if not self._bodies:
            raise Deadline("recv: nothing within 7 s")
        return self._bodies.pop(0)


def receive(socket: Any, count: int) -> list[bytes]:
    """What ``--pull`` prints, if it does not fail."""
    shown: list[bytes] = []
    work = Work(None, None, shown.append, count, 7.0, None, None, background=False)
    assert PATTERNS["pull"].do(socket, work, Talk("test")) == 0
    return shown


def test_silence_after_messages_is_an_end() -> None:
    assert receive(Silent(b"a", b"b"), 0) == [b"a", b"b"]
    assert receive(Silent(b"a", b"b"), 2) == [b"a", b"b"]


def test_less_than_was_asked_for_is_a_failure() -> None:
    with pytest.raises(Deadline):
        receive(Silent(b"a", b"b"), 3)
    with pytest.raises(Deadline):
        receive(Silent(), 0)


def test_nobody_reads_what_is_printed() -> None:
    with cat("--pull", "-L", "0", "-v") as pull:
        address = pull.listening()
        assert pull.process.stdout is not None
        pull.process.stdout.close()
        pull.process.stdout = None
        with cat("--push", f"tcp://{address}", "-D", "x") as push:
            assert push.end()[0] == 0
        code, _, said = pull.end()
    assert (code, said) == (141, "")


def test_a_peer_that_is_cut_is_told_of_once(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with cat("--pull", "-X", path, "-Z", "10", "-C", "1") as pull:
        for _ in range(3):
            with cat("--push", "-x", path, "--async", "-D", "x" * 11) as push:
                assert push.end()[0] == 0
        with cat("--push", "-x", path, "-D", "fits") as push:
            assert push.end()[0] == 0
        code, out, said = pull.end()
    assert (code, out, said.count("\n")) == (0, b"fits\n", 1)
    assert said.startswith(f"sockstack cat: warning: disconnected {path} (pipe ")
    assert "the peer sends 11 bytes, 10 are allowed: --recv-maxsz" in said


def test_an_answer_that_is_too_large_is_no_riddle(tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(bytes(1 << 20) + b"x")
    with cat("--rep", "-X", f"{tmp_path}/s", "-F", str(large), "-v") as rep:
        rep.listening()
        with cat("--req", "-x", f"{tmp_path}/s", "-D", "x", "--recv-timeout", "5") as req:
            assert "1048576 are allowed: --recv-maxsz" in req.told()


def test_a_file_in_the_way_is_nobody_who_listens(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with cat("--pull", "-X", str(file)) as run:
        code, _, said = run.end()
    assert code == 1
    assert said == (
        f"sockstack cat: cannot listen on {file}: a file that is no socket is in the way [unix]\n"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="names without a file exist on Linux only")
def test_a_name_cannot_play_with_the_terminal() -> None:
    name = f"%1B%5B2J%0A{os.getpid()}"
    shown = rf"\x1b[2J\n{os.getpid()}"
    with cat("--pull", "--listen", f"abstract://{name}", "-v", "-C", "1") as pull:
        assert pull.listening() == shown
        with cat("--push", f"abstract://{name}", "-D", "x", "-v") as push:
            assert push.end()[0] == 0
        assert pull.told().startswith(f"sockstack cat: pull: connected {shown} ")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--req"], "nobody to talk to: give an address"),
        (["--req", "--rep", "-l", "1"], "not allowed with argument"),
        (["--pu", "-l", "1"], "ambiguous option"),
        (["--dog", "-l", "1"], "unrecognized arguments: --dog"),
        (["--pull", "-l", "1", "-D", "x"], "pull does not send"),
        (["--pull", "-l", "1", "-i", "1"], "--interval is not for pull"),
        (["--rep", "-l", "1", "-d", "1"], "--delay is not for rep"),
        (["--req", "-l", "x"], "'x' is no port"),
        (["--req", "-l", "1", "-C", "-1"], "invalid number value: '-1'"),
        (["--req", "-l", "1", "-i", "soon"], "invalid number of seconds value: 'soon'"),
        (["--req", "-l", "1", "-i", "nan"], "invalid number of seconds value: 'nan'"),
        (["--req", "-l", "1", "-Z", "1k"], "invalid number of bytes value: '1k'"),
        (["--req", "-l", "1", "--raw", "-Q"], "not allowed with argument"),
        (["--req", "-l", "1", "-D", "x", "-F", "y"], "not allowed with argument"),
        (["--req", "rep | sp | tcp(h:1)"], "holds a pattern, and --req is given, too"),
        (["req | sp | tcp(h:1)", "rep | sp | tcp(h:1)"], "the addresses hold different patterns"),
        (["req(raw=true) | sp | tcp(h:1)"], "this req is raw"),
        (["--req", "-l", "1", "--key", "k"], "no address has it: write tls+tcp://"),
        (["--req", "tpc://h:1"], "Did you mean tcp"),
        (["--req", "h:1"], "Write tcp://h:1."),
        (["--req", "./x"], "Write ipc://./x."),
        (["--req", "sp"], "sp has no transport"),
        (["req | tcp(h:1)"], "Put Sp() between Req and Tcp."),
        (["--req", "tls+tcp://h:1", "--key", "k"], "a key without a certificate: give --cert too"),
        (["--rep", "tls+tcp://h:1", "--cacert", "/no"], "--cacert: /no cannot be used: No such"),
        (["--rep", "--listen", "tls+tcp://127.0.0.1:0"], "takes a certificate: --cert and --key"),
    ],
)
def test_wrong_usage_is_explained(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: object = main(["cat", *arguments])
    except SystemExit as stop:
        code = stop.code
    said = capsys.readouterr()
    assert (code, said.out) == (2, "")
    assert complaint in said.err
    assert said.err.startswith("sockstack cat: ")


def test_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cat", "--push", "-l", "1", "-F", "/no/such/file"]) == 1
    assert capsys.readouterr().err == "sockstack cat: /no/such/file: No such file or directory\n"
