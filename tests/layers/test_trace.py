"""A trace in a stack: it shows everything and changes nothing."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from sockstack.core.capabilities import Capabilities, Unit
from sockstack.core.errors import PeerAborted, StackError, StackWarning
from sockstack.core.filtering import FilterChain
from sockstack.core.layer import Chunks, Layer, wire
from sockstack.core.spec import Build, Header, Kind, LayerSpec, Role
from sockstack.layers.prefix import Prefix
from sockstack.layers.trace import Trace, TraceLayer

from ..core.fakes import Plain, Wire
from ..core.rig import Bottom, Recorder
from .test_pcap import followed, read

STREAM = Capabilities(Unit.STREAM)
MESSAGES = Capabilities(Unit.MESSAGE)
LOST = PeerAborted("reset", layer="wire")


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.time = 10.0

    def now(self) -> float:
        return self.time

    def wall(self) -> float:
        return 1_700_000_000.0 + self.time

    def randbits(self, bits: int) -> int:
        raise NotImplementedError


class Rig:
    """A trace between a recording top and a scripted bottom."""

    def __init__(
        self,
        spec: Trace,
        above: Sequence[LayerSpec] = (Prefix(4),),
        below: Sequence[LayerSpec] = (Wire(),),
        record: Capabilities = STREAM,
        role: Role = Role.DIALER,
    ) -> None:
        self.clock = Clock()
        specs = (*above, spec, *below)
        layer = spec.build(Build(role, record, specs, len(above), self.clock))
        assert isinstance(layer, TraceLayer)
        self.layer = layer
        self.top, self.bottom = Recorder(), Bottom()
        wire(self.top, [self.layer, self.bottom])


# In words.


def test_all_events_in_words() -> None:
    lines: list[str] = []
    rig = Rig(Trace(lines.append))
    rig.top.below.open()
    rig.clock.time += 0.5
    rig.layer.opened(STREAM)
    rig.clock.time += 0.000012
    rig.top.below.send([b"\0\0\0\5hello", b"x" * 9000])
    rig.layer.receive([b"\0\0\0\2ok"])
    rig.layer.writable(False)
    rig.layer.writable(True)
    rig.top.below.want(7)
    rig.top.below.end()
    rig.layer.ended()
    rig.layer.broken(LOST)
    rig.top.below.abort()
    rig.top.below.abort()
    assert lines == [
        "0.000000 prefix|wire #1 > open",
        "0.500000 prefix|wire #1 < opened: stream",
        "0.500012 prefix|wire #1 > chunk 9 B length=00000005",
        "0.500012 prefix|wire #1 > chunk 9000 B",
        "0.500012 prefix|wire #1 < chunk 6 B",
        "0.500012 prefix|wire #1 < writable: no",
        "0.500012 prefix|wire #1 < writable: yes",
        "0.500012 prefix|wire #1 > end",
        "0.500012 prefix|wire #1 < ended",
        "0.500012 prefix|wire #1 < broken: PeerAborted: reset [wire]",
        "0.500012 prefix|wire #1 > abort",
    ]


def test_on_messages() -> None:
    lines: list[str] = []
    above = Plain((Header("id", 4),), head=4)
    rig = Rig(Trace(lines.append), (above,), (Prefix(2), Wire()), MESSAGES)
    rig.top.below.send([(b"\0\0\0\1", b"body"), b""])
    rig.layer.receive([b"\0\0\0\2back"])
    assert lines == [
        "0.000000 plain|prefix #1 > message 8 B id=00000001",
        "0.000000 plain|prefix #1 > message 0 B",
        "0.000000 plain|prefix #1 < message 8 B id=00000002",
    ]


def test_the_place_has_the_names_of_the_neighbours_or_its_own() -> None:
    lines: list[str] = []
    trace = Trace(lines.append)
    Rig(trace, above=(), below=(trace, Wire())).top.below.end()
    Rig(trace, above=(Prefix(4), trace), below=(Wire(),)).top.below.end()
    Rig(trace, above=(Prefix(4),), below=()).top.below.end()
    Rig(Trace(lines.append, label="here")).top.below.end()
    assert lines == [
        "0.000000 app|wire #1 > end",
        "0.000000 prefix|wire #2 > end",
        "0.000000 prefix #3 > end",
        "0.000000 here #1 > end",
    ]


def test_in_hex() -> None:
    lines: list[str] = []
    rig = Rig(Trace(lines.append, form="hex", limit=8))
    rig.top.below.send([b"\0\0\0\5hello"])
    rig.layer.ended()
    assert lines == [
        "0.000000 prefix|wire #1 > chunk 9 B length=00000005",
        "  00000000  00 00 00 05 68 65 6c 6c                           |....hell|",
        "  … 1 B more",
        "0.000000 prefix|wire #1 < ended",
    ]


def test_connections_of_one_file(tmp_path: Path) -> None:
    path = tmp_path / "trace.txt"
    for label in ("a", "b"):
        spec = Trace(path, label=label)
        for _ in range(2):
            Rig(spec).top.below.end()
    assert path.read_text() == "".join(
        f"0.000000 {place} > end\n" for place in ("a #1", "a #2", "b #3", "b #4")
    )


def test_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    Rig(Trace()).top.below.end()
    assert capsys.readouterr().err == "0.000000 prefix|wire #1 > end\n"


# As a capture.


def test_a_capture_of_a_stream(tmp_path: Path) -> None:
    path = tmp_path / "it.pcap"
    rig = Rig(Trace(path, form="pcap"))
    rig.top.below.open()
    assert read(path.read_bytes()) == []
    rig.layer.opened(STREAM)
    rig.clock.time += 1.5
    rig.top.below.send([b"one, ", b"two"])
    rig.layer.receive([b"three"])
    rig.layer.writable(False)
    rig.top.below.end()
    rig.layer.ended()
    rig.top.below.abort()
    packets = read(path.read_bytes())
    assert [packet.at for packet in packets[2:4]] == [1_700_000_010.0, 1_700_000_011.5]
    assert list(followed(packets).values()) == [b"one, two", b"three"]
    assert [packet.payload for packet in packets if packet.payload] == [b"one, ", b"two", b"three"]
    assert packets[-1].flags == 16


def test_a_capture_of_messages_at_a_listener() -> None:
    file = io.BytesIO()
    rig = Rig(Trace(file, form="pcap"), (), (Prefix(2), Wire()), MESSAGES, Role.LISTENER)
    rig.layer.opened(MESSAGES)
    rig.layer.receive([b"question"])
    rig.top.below.send([(b"head, ", b"body")])
    rig.layer.broken(LOST)
    rig.top.below.abort()
    packets = read(file.getvalue())
    assert followed(packets) == {
        ("192.0.2.1", 49152): b"question",
        ("192.0.2.2", 65000): b"head, body",
    }
    assert [packet.flags for packet in packets[-2:]] == [24, 20]
    assert packets[-1].source[0] == "192.0.2.1"


def test_connections_of_one_capture(tmp_path: Path) -> None:
    path = tmp_path / "it.pcap"
    for _ in range(2):
        Rig(Trace(path, form="pcap")).layer.opened(STREAM)
    ports = [packet.source[1] for packet in read(path.read_bytes())]
    assert ports == [49152, 65000, 49152, 49153, 65000, 49153]


# It changes nothing.


def drive(top: Recorder, bottom: Bottom, lowest: Layer) -> None:
    """Every call once, with units of every kind."""
    top.below.open()
    lowest.opened(STREAM)
    top.below.want(5)
    top.below.send([b"a", (b"b", b"c"), [b"d", b"e"]])
    lowest.receive([b"f", b"g"])
    lowest.writable(False)
    top.below.end()
    lowest.ended()
    lowest.broken(LOST)
    top.below.abort()


def fails(line: str) -> None:
    raise RuntimeError("not now")


@pytest.mark.parametrize("form", ["words", "hex", "pcap", "broken"])
def test_what_passes_is_what_would_pass_without_it(form: Any, tmp_path: Path) -> None:
    if form == "broken":
        spec = Trace(fails)
    else:
        spec = Trace(tmp_path / "trace", form=form)
    traced = Rig(spec)
    bare_top, bare_bottom = Recorder(), Bottom()
    passing = Layer()
    wire(bare_top, [passing, bare_bottom])
    if form == "broken":
        with pytest.warns(StackWarning, match="is off: not now"):
            drive(traced.top, traced.bottom, traced.layer)
    else:
        drive(traced.top, traced.bottom, traced.layer)
    drive(bare_top, bare_bottom, passing)
    assert vars(traced.bottom) | {"above": 0} == vars(bare_bottom) | {"above": 0}
    for name in ("units", "batches", "log", "errors"):
        assert getattr(traced.top, name) == getattr(bare_top, name)


def test_units_are_passed_on_as_the_same_objects() -> None:
    rig = Rig(Trace(lambda line: None))
    seen: list[Any] = []
    wire(rig.top, [rig.layer, rig.bottom])
    rig.layer.below.send = seen.append
    rig.layer.above.receive = seen.append
    down, up = [b"down"], [b"up"]
    rig.layer.send(down)
    rig.layer.receive(up)
    assert seen[0] is down
    assert seen[1] is up


def test_calls_that_it_does_not_show_do_not_touch_it() -> None:
    rig = Rig(Trace(lambda line: None))
    assert rig.top.below.want == rig.bottom.want
    assert rig.top.below.carry == rig.bottom.carry


def test_after_a_failure_it_is_silent() -> None:
    lines: list[str] = []

    def once(line: str) -> None:
        lines.append(line)
        if len(lines) == 2:
            raise OSError("no space left")

    rig = Rig(Trace(once))
    rig.top.below.send([b"1"])
    with pytest.warns(
        StackWarning, match=r"the trace to <function .*once.*> is off: no space left"
    ):
        rig.top.below.send([b"2"])
    rig.top.below.send([b"3"])
    rig.layer.ended()
    assert len(lines) == 2
    assert rig.bottom.sent == [b"1", b"2", b"3"]


def test_an_event_that_cannot_be_shown_passes_too() -> None:
    rig = Rig(Trace(fails))
    with pytest.warns(StackWarning, match="not now"):
        rig.layer.ended()
    assert rig.top.log == ["ended"]


def test_its_end_is_everywhere() -> None:
    rig = Rig(Trace(lambda line: None))
    assert rig.layer.detachable() is None
    assert rig.layer.leftover() == []


# Above a pattern.


def test_as_an_end_filter() -> None:
    lines: list[str] = []
    rig = Rig(Trace(lines.append), above=(), below=(Plain(sort=Kind.PATTERN),), record=MESSAGES)
    chain = FilterChain([rig.layer])
    bodies: list[Chunks] = [b"question", (b"head", b"body")]
    assert chain.encode(bodies) == bodies
    assert chain.decode([b"answer"]) == ([b"answer"], 0)
    assert lines == [
        "0.000000 app|plain #1 > message 8 B",
        "0.000000 app|plain #1 > message 8 B",
        "0.000000 app|plain #1 < message 6 B",
    ]


def test_as_an_end_filter_in_a_capture() -> None:
    file = io.BytesIO()
    rig = Rig(Trace(file, form="pcap"), (), (Plain(sort=Kind.PATTERN),), MESSAGES)
    rig.layer.encode([b"question"])
    rig.layer.decode([b"answer"])
    assert list(followed(read(file.getvalue())).values()) == [b"question", b"answer"]


# The description.


def test_it_keeps_the_record() -> None:
    for record in (STREAM, MESSAGES):
        assert Trace().derive(record) is record
    assert Trace().requires == ()
    assert Trace().header == ()
    assert Trace.kind is Kind.FILTER


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: Trace(form="binary"), "form"),  # type: ignore[arg-type]
        (lambda: Trace(limit=-1), "limit"),
        (lambda: Trace(form="pcap"), "to"),
        (lambda: Trace(print, form="pcap"), "to"),
        (lambda: Trace(5), "to"),  # type: ignore[arg-type]
    ],
)
def test_options_that_make_no_sense(make: Callable[[], Trace], field: str) -> None:
    with pytest.raises(StackError, match=re.escape("trace: ")) as caught:
        make()
    assert caught.value.layer == "trace"
    assert caught.value.field == field


def test_paths_are_kept_as_text() -> None:
    assert Trace(Path("a") / "b.txt") == Trace("a/b.txt")
