"""Files that several traces share, and what happens when nothing can be written."""

from __future__ import annotations

import gc
import io
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from sockstack.core.errors import StackWarning
from sockstack.layers.pcap import FILE_HEADER
from sockstack.layers.trace_sink import Sink


def test_the_first_begins_a_file_and_the_others_append(tmp_path: Path) -> None:
    path = tmp_path / "trace.txt"
    path.write_text("of an earlier run\n")
    one = Sink(str(path), packets=False)
    assert path.read_bytes() == b""
    one.lines(["first"])
    two = Sink(str(path), packets=False)
    two.lines(["second", "…"])
    one.lines(["third"])
    assert path.read_text(encoding="utf-8") == "first\nsecond\n…\nthird\n"
    assert [next(one.numbers), next(two.numbers), next(one.numbers)] == [1, 2, 3]
    assert one.since(5.0) == two.since(7.0) == 5.0


def test_after_the_last_trace_is_gone_the_file_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "trace.txt"
    for word in ("one", "two"):
        Sink(str(path), packets=False).lines([word])
        gc.collect()
    assert path.read_text() == "one\ntwo\n"


def test_one_file_by_different_names_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Sink("trace.txt", packets=False).lines(["relative"])
    Sink(str(tmp_path / "." / "trace.txt"), packets=False).lines(["absolute"])
    assert Path("trace.txt").read_text() == "relative\nabsolute\n"


def test_a_capture_has_one_header(tmp_path: Path) -> None:
    path = tmp_path / "trace.pcap"
    one, two = Sink(str(path), packets=True), Sink(str(path), packets=True)
    one.packets(b"packet")
    one.packets(b"")
    two.packets(b"packet")
    assert path.read_bytes() == FILE_HEADER + b"packetpacket"


@pytest.mark.skipif(
    not Path("/proc/self/fd").is_dir(), reason="the system does not list descriptors"
)
def test_the_file_is_closed_with_its_sink(tmp_path: Path) -> None:
    path = tmp_path / "trace.txt"

    def open_now() -> int:
        found = [os.path.realpath(entry) for entry in Path("/proc/self/fd").iterdir()]
        return found.count(str(path))

    sink = Sink(str(path), packets=False)
    assert open_now() == 1
    del sink
    gc.collect()
    assert open_now() == 0


def test_functions_take_lines_and_files_take_text_in_one_piece() -> None:
    lines: list[str] = []
    Sink(lines.append, packets=False).lines(["one", "two"])
    assert lines == ["one", "two"]
    file = io.StringIO()
    sink = Sink(file, packets=False)
    sink.lines(["one", "two"])
    sink.lines([])
    assert file.getvalue() == "one\ntwo\n"
    octets = io.BytesIO()
    Sink(octets, packets=True).packets(b"packet")
    assert octets.getvalue() == FILE_HEADER + b"packet"


def test_stderr_is_looked_up_when_it_is_written_to(capsys: pytest.CaptureFixture[str]) -> None:
    sink = Sink("-", packets=False)
    sink.lines(["seen"])
    assert capsys.readouterr().err == "seen\n"


def test_a_file_that_cannot_be_opened_is_a_warning(tmp_path: Path) -> None:
    with pytest.warns(StackWarning, match=r"the trace to .*none.* is off: .*No such file"):
        sink = Sink(str(tmp_path / "none" / "trace.txt"), packets=False)
    assert not sink.on


class Broken:
    """A file on a full device."""

    def write(self, data: Any) -> int:
        raise OSError("no space left")


def test_a_file_that_takes_no_header_is_a_warning() -> None:
    with pytest.warns(StackWarning, match="no space left"):
        sink = Sink(Broken(), packets=True)
    assert not sink.on


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_device(tmp_path: Path) -> None:
    path = tmp_path / "full"
    path.symlink_to("/dev/full")
    sink = Sink(str(path), packets=False)
    with pytest.raises(OSError, match="No space"):
        sink.lines(["x"])


def test_what_is_written_in_part_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Short(io.RawIOBase):
        def write(self, data: Any) -> int:
            return len(data) - 1

    monkeypatch.setattr("sockstack.layers.trace_sink.open", lambda *a, **k: Short(), raising=False)
    sink = Sink(str(tmp_path / "trace.txt"), packets=False)
    with pytest.raises(OSError, match="the device is full"):
        sink.lines(["x"])


def test_where_warnings_are_errors_none_is_raised() -> None:
    sink = Sink(sys.stderr, packets=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sink.off(OSError("no space left"))
    assert not sink.on


def test_where_there_is_nowhere_to_warn_none_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def raising(*arguments: object) -> None:
        raise ValueError("I/O operation on closed file")

    sink = Sink("-", packets=False)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", raising)
        sink.off(ValueError("I/O operation on closed file"))
    assert not sink.on
