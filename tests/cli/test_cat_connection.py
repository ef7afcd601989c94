"""``sockstack cat`` without a pattern: bytes and messages in both directions, each end a process."""

from __future__ import annotations

import os
import pty
import shlex
import socket
import struct
import sys
from pathlib import Path

import pytest
import trustme

from sockstack.cli.main import main

from .programs import PATIENCE, STRICT, Program, sockstack


def cat(*arguments: str, input: bytes | int | None = b"") -> Program:
    """The command."""
    return sockstack("cat", *arguments, input=input)


def accept(server: socket.socket) -> socket.socket:
    """The connection of a program that dials."""
    server.settimeout(PATIENCE)
    sock, _ = server.accept()
    sock.settimeout(PATIENCE)
    return sock


def everything(sock: socket.socket) -> bytes:
    """What comes until the peer's end."""
    parts = []
    while part := sock.recv(65536):
        parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize("stack", ["tcp(127.0.0.1:{})", "prefix(4) | tcp(127.0.0.1:{})"])
def test_both_directions_and_half_close(stack: str) -> None:
    with cat("--listen", stack.format(0), "-v", input=None) as server:
        address = server.listening()
        port = address.rpartition(":")[2]
        with cat("--stack", stack.format(port), input=b"from the dialler\n") as client:
            assert server.told().startswith("sockstack cat: accepted 127.0.0.1:")
            assert server.said() == b"from the dialler\n"
            # The dialler's input has ended, and with it one direction; the other goes on.
            server.write(b"one\n")
            assert client.said() == b"one\n"
            server.write(b"two\n")
            assert client.said() == b"two\n"
            server.end_input()
            assert client.end() == (0, b"", "")
            assert server.end() == (0, b"", "")


def test_bytes_go_as_they_are() -> None:
    data = bytes(range(256)) * 8192
    with cat("--listen", "tcp://127.0.0.1:0", "-v") as server:
        with cat(f"tcp://{server.listening()}", input=None) as client:
            client.write(data)
            client.end_input()
            assert client.end() == (0, b"", "")
        code, out, _ = server.end()
        assert (code, out) == (0, data)


def test_a_url_is_what_netcat_takes() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with cat(url, input=b"GET /") as client, accept(server) as sock:
            assert everything(sock) == b"GET /"
            sock.sendall(b"an answer without a newline")
            sock.close()
            assert client.end() == (0, b"an answer without a newline", "")


def test_data_is_the_input() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with cat(url, "-D", "x\ny", input=None) as client, accept(server) as sock:
            assert everything(sock) == b"x\ny"
            sock.close()
            assert client.end() == (0, b"", "")


def test_each_line_is_a_message() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        stack = f"prefix(2) | tcp(127.0.0.1:{server.getsockname()[1]})"
        with (
            cat("--stack", stack, "--quoted", input=b"a\n\nlast") as client,
            accept(server) as sock,
        ):
            assert everything(sock) == b"\0\1a\0\0\0\4last"
            sock.sendall(b"\0\3x\ny\0\0")
            sock.close()
            assert client.end() == (0, b'"x\\ny"\n""\n', "")


def test_a_file_is_one_message(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"two\nlines\n")
    with socket.create_server(("127.0.0.1", 0)) as server:
        stack = f"prefix(4) | tcp(127.0.0.1:{server.getsockname()[1]})"
        with cat(stack, "--file", str(path)) as client, accept(server) as sock:
            assert everything(sock) == b"\0\0\0\x0atwo\nlines\n"
            sock.close()
            assert client.end() == (0, b"", "")


def test_count_ends_it_though_the_input_goes_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        stack = f"prefix(1) | tcp(127.0.0.1:{server.getsockname()[1]})"
        with cat(stack, "-C", "2", input=None) as client, accept(server) as sock:
            sock.sendall(b"\1a\1b\1c")
            assert client.end() == (0, b"a\nb\n", "")


def test_fewer_messages_than_counted_are_a_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        stack = f"prefix(1) | tcp(127.0.0.1:{server.getsockname()[1]})"
        with cat(stack, "-C", "2") as client, accept(server) as sock:
            sock.sendall(b"\1a")
            sock.close()
            code, out, said = client.end()
    assert (code, out, said.count("\n")) == (1, b"a\n", 1)
    assert "the peer has ended its output" in said


def test_a_peer_that_has_ended_still_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with cat(url, input=None) as client, accept(server) as sock:
            sock.shutdown(socket.SHUT_WR)
            client.write(b"still ")
            client.write(b"here")
            client.end_input()
            assert everything(sock) == b"still here"
            assert client.end() == (0, b"", "")


def test_without_standard_input_there_is_nothing_to_send() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        command = shlex.join([sys.executable, *STRICT, "-m", "sockstack", "cat", url])
        with Program("/bin/sh", "-c", f"exec {command} <&-") as client, accept(server) as sock:
            assert everything(sock) == b""
            sock.sendall(b"all the same")
            sock.close()
            assert client.end() == (0, b"all the same", "")


def test_on_a_terminal_the_peers_end_is_the_end() -> None:
    keyboard, terminal = pty.openpty()
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
            with cat(url, input=terminal) as client, accept(server) as sock:
                os.write(keyboard, b"typed\n")
                assert sock.recv(100) == b"typed\n"
                sock.sendall(b"bye")
                sock.close()
                assert client.end() == (0, b"bye", "")
    finally:
        os.close(keyboard)
        os.close(terminal)


def test_a_cut_connection_is_a_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with cat(url, input=None) as client:
            client.write(b"hello")
            sock = accept(server)
            assert sock.recv(5) == b"hello"
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
            code, _, said = client.end()
    assert code == 1
    assert said.startswith("sockstack cat: the connection was cut: Connection reset by peer")
    assert said.count("\n") == 1


def test_a_line_that_a_layer_cannot_carry_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        stack = f"prefix(limit=4) | tcp(127.0.0.1:{server.getsockname()[1]})"
        with cat(stack, input=b"fine\ntoo long\n") as client, accept(server) as sock:
            assert everything(sock) == b"\0\0\0\4fine"
            code, _, said = client.end()
    assert code == 1
    assert said.startswith("sockstack cat: the message has 8 bytes, this stack carries 4")
    assert said.count("\n") == 1


def test_silence_is_a_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with cat(url, "--recv-timeout", "0.1", input=None) as client, accept(server):
            code, _, said = client.end()
            assert (code, said.count("\n")) == (1, 1)
            assert "recv: nothing within 0.1 s" in said


def test_nobody_comes() -> None:
    with cat("--listen", "tcp://127.0.0.1:0", "--recv-timeout", "0.1") as run:
        code, _, said = run.end()
    assert code == 1
    assert said.startswith("sockstack cat: accept: ")
    assert said.count("\n") == 1


def test_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    both, ca = str(tmp_path / "both.pem"), str(tmp_path / "ca.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(both)
    authority.cert_pem.write_to_path(ca)
    url = "tls+tcp://127.0.0.1:{}"
    with cat("--listen", url.format(0), "-E", both, "-v", input=None) as server:
        port = server.listening().rpartition(":")[2]
        with cat(url.format(port), "--cacert", ca, input=b"a secret\n") as client:
            assert server.told().startswith("sockstack cat: accepted ")
            assert server.said() == b"a secret\n"
            server.write(b"understood")
            server.end_input()
            assert client.end() == (0, b"understood", "")
            assert server.end() == (0, b"", "")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["tcp://h:1", "-C", "1"], "a byte stream has no messages to --count"),
        (["tcp://h:1", "-Q"], "a byte stream has no messages to print as quoted; use --raw"),
        (["tcp://h:1", "-i", "1"], "--interval is not for a connection without a pattern"),
        (["tcp://h:1", "--async"], "--async is not for a connection without a pattern"),
        (["tcp://h:1", "-Z", "9"], "--recv-maxsz is for patterns"),
        (["tcp://h:1", "tcp://h:2"], "a connection has one peer"),
        (["prefix"], "prefix has no transport: end it with one"),
    ],
)
def test_wrong_usage_is_explained(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cat", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert complaint in said.err
