"""The recorded exchanges of ``tests/data/sp``: what each program said and heard, and in what order."""

from __future__ import annotations

import hashlib
import json
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sockstack import (
    Bus,
    Pair0,
    Pair1,
    Pub,
    Pull,
    Push,
    Rep,
    Req,
    Respondent,
    Star,
    Sub,
    Surveyor,
)
from sockstack.core.capabilities import Capabilities, Unit
from sockstack.patterns.base import PatternSpec

__all__ = ["KINDS", "RECORDS", "Line", "Side", "cut", "lines", "sides"]

DATA = Path(__file__).parent.parent / "data" / "sp"
RECORDS = {path.stem: json.loads(path.read_text()) for path in sorted(DATA.glob("*.json"))}

KINDS: dict[int, type[PatternSpec]] = {
    kind.number: kind
    for kind in (
        *(Pair0, Pair1, Pub, Sub, Req, Rep, Push, Pull),
        *(Surveyor, Respondent, Bus, Star),
    )
}

HOPS = (Pair1, Star)
"""Patterns with one word that counts hops. The words of the others end with one whose top bit is set."""

MAGIC = b"\0SP\0"

PRINTED = re.compile(r'"(.*)" <nil>\n|(.*)\n')
"""A message as the mangos program printed it, or as nanocat did."""


@dataclass(frozen=True)
class Line:
    """One connection, seen from one of its ends.

    Attributes:
        octet: messages have a type octet, as on ipc.
        ours, theirs: all that went out and came in: the hello, then messages.
        order: the messages of both as they passed: whether it was ours, and the message.
    """

    octet: bool
    ours: list[bytes]
    theirs: list[bytes]
    order: list[tuple[bool, bytes]]

    @property
    def kind(self) -> type[PatternSpec]:
        """The pattern of our end."""
        return KINDS[int.from_bytes(self.ours[0][4:6], "big")]

    @property
    def record(self) -> Capabilities:
        """What the transport promises."""
        return Capabilities(
            Unit.STREAM, features=frozenset({"sp_type_octet"} if self.octet else ())
        )

    @property
    def first_word(self) -> int:
        """The word at the front of the first message that we sent, if it is an id; else 0."""
        if len(self.ours) == 1 or self.kind.verbatim or self.kind in HOPS:
            return 0
        return int.from_bytes(self.payload(self.ours[1])[:4], "big")

    def payload(self, message: bytes) -> bytes:
        """A message without its length."""
        return message[9 if self.octet else 8 :]

    def body(self, message: bytes) -> bytes:
        """What an application sends or receives: a message without the words of the protocol."""
        payload = self.payload(message)
        if self.kind.verbatim:
            return payload
        stop = 4
        while self.kind not in HOPS and not payload[stop - 4] & 0x80:
            stop += 4
        return payload[stop:]


@dataclass(frozen=True)
class Side:
    """One program of a recording.

    Attributes:
        name: the recording's.
        who: as the recording calls it.
        lines: its connections.
        sends, receives: what its application did; None where only the octets tell.
    """

    name: str
    who: str
    lines: list[Line]
    sends: list[bytes] | None
    receives: list[bytes] | None

    def __str__(self) -> str:
        return f"{self.name}-{self.who}"

    @property
    def spec(self) -> PatternSpec:
        """Its pattern. Topics are not recorded: one program subscribed to "a", all others to everything."""
        kind = self.lines[0].kind
        if kind is Sub:
            return Sub(b"a" if self.name.startswith("pubsub") else b"")
        if kind is Pair1:
            return Pair1(poly=len(self.lines) > 1)
        return kind()


def cut(data: bytes, places: Iterable[int]) -> Iterator[bytes]:
    """The pieces between the places, none of them empty."""
    start = 0
    for stop in (*places, len(data)):
        if start < stop:
            yield data[start:stop]
            start = stop


def made(size: int) -> bytes:
    """The body of a large message."""
    return bytes((7 * index + 3) % 256 for index in range(size))


def octets(unit: dict[str, Any]) -> bytes:
    """All octets of a unit; of a large one, made by its rule and checked."""
    if "hex" in unit:
        return bytes.fromhex(unit["hex"])
    size: int = unit["payload_len"]
    whole = size.to_bytes(8, "big") + made(size)
    assert hashlib.sha256(whole).hexdigest() == unit["sha256"]
    return whole


def lines(name: str, ours: str) -> list[Line]:
    """The connections of a recording, seen by the dialer or the listener of each."""
    record = RECORDS[name]
    return [seen(record["transport"], each, ours) for each in record["connections"]]


def seen(transport: str, connection: dict[str, Any], ours: str) -> Line:
    """One connection. Around devices the order was not recorded: there each direction has one message at most."""
    said = {
        "dialer": [octets(unit) for unit in connection["dialer_to_listener"]],
        "listener": [octets(unit) for unit in connection["listener_to_dialer"]],
    }
    turns = connection.get("in_order") or [
        {"from": who, "len": sum(map(len, units))} for who, units in said.items()
    ]
    left = {who: deque(units) for who, units in said.items()}
    order = []
    for turn in turns:
        size = turn.get("len", len(turn.get("hex", "")) // 2)
        while size:
            unit = left[turn["from"]].popleft()
            size -= len(unit)
            assert size >= 0
            if not unit.startswith(MAGIC):
                order.append((turn["from"] == ours, unit))
    assert not any(left.values())
    theirs = "listener" if ours == "dialer" else "dialer"
    return Line(transport == "ipc", said[ours], said[theirs], order)


def sides(name: str) -> list[Side]:
    """All programs of a recording but devices. The source of a chain dials, unless it is a publisher."""
    dial, listen = lines(name, "dialer"), lines(name, "listener")
    if name.startswith("device"):
        ends = (listen[0], dial[-1]) if dial[0].kind is Sub else (dial[0], listen[-1])
        return [
            Side(name, who, [line], None, None)
            for who, line in zip(("source", "sink"), ends, strict=True)
        ]
    dialers = ["dialer"] if len(dial) == 1 else [f"dialer{number}" for number in range(len(dial))]
    found = [(who, [line]) for who, line in zip(dialers, dial, strict=True)]
    return [
        Side(name, who, part, *application(RECORDS[name], who))
        for who, part in (*found, ("listener", listen))
    ]


def application(record: dict[str, Any], who: str) -> tuple[list[bytes] | None, list[bytes]]:
    """What a program sent and received. Of one that printed what it received it is not told what it sent."""
    steps = [step for step in record["application"] if step["who"] == who]
    printed = [step["printed"] for step in steps if "printed" in step]
    if printed:
        (text,) = printed
        return None, [(a or b).encode() for a, b in PRINTED.findall(text)]
    done: dict[str, list[bytes]] = {"send": [], "recv": []}
    for step in steps:
        text = step["text"].encode() if "text" in step else made(step["len"])
        done[step["op"].split()[0]].append(text)
    return done["send"], done["recv"]
