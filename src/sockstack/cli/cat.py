"""``sockstack cat``: messages and bytes between a shell and a socket of any stack; takes the options of nngcat."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

from ..core.capabilities import Unit
from ..core.registry import layer_class
from ..core.spec import LayerSpec, Role
from .cat_options import make_parser, read_options
from .command import Talk, UsageError, run
from .formats import FORMATS
from .peers import Place, anywhere, look_at, read_places
from .source import chunks, lines, paced
from .streams import output
from .wording import in_options

__all__ = ["main", "make_parser"]

TLS_OPTIONS = ("verify", "ca", "cert", "key")


def main(arguments: Sequence[str]) -> int:
    """Run the command."""
    args = read_options(arguments)
    talk = Talk("sockstack cat", args.quiet, args.verbose, in_options)
    return run(talk, lambda: _cat(args, talk))


def _cat(args: argparse.Namespace, talk: Talk) -> int:
    pattern = _pattern(args)
    tls = {name: getattr(args, name) for name in TLS_OPTIONS if getattr(args, name) is not None}
    peers = [*(args.peers or ()), *map(anywhere(Role.DIALER), args.where)]
    if not peers:
        raise UsageError("nobody to talk to: give an address, to --dial or to --listen")
    places = read_places(peers, pattern, args.recv_maxsz, tls)
    tops = {place.above for place in places} if pattern is None else {(pattern,)}
    if len(tops) > 1:
        raise UsageError("the addresses hold different patterns")
    (top,) = tops
    for place in places:
        look_at((*top, *place.below), place.peer, talk)
    if top:
        return _with_pattern(args, top, places, talk)
    if len(places) > 1:
        raise UsageError("a connection has one peer; a pattern (--push, say) can have many")
    return _without_pattern(args, places[0], talk)


def _pattern(args: argparse.Namespace) -> LayerSpec | None:
    """The pattern that an option names, with the options that are its own."""
    name = args.pattern
    if name is None:
        return None
    if name == "pair":
        name = "pair0" if args.compat else "pair1"
    made: Any = layer_class(name)
    survey = name == "surveyor" and args.recv_timeout
    spec: LayerSpec = made(survey_time=args.recv_timeout) if survey else made()
    return spec


def _subscribed(sub: Any, topics: Sequence[bytes]) -> LayerSpec:
    """The SUB with these topics, too; with all that there are, if it has none."""
    topics = (*sub.topics, *topics) or (b"",)
    spec: LayerSpec = type(sub)(*topics, recv_buffer=sub.recv_buffer, prefer_new=sub.prefer_new)
    return spec


def _with_pattern(
    args: argparse.Namespace, top: Sequence[LayerSpec], places: Sequence[Place], talk: Talk
) -> int:
    from .cat_socket import PATTERNS, Data, Work, talk_pattern

    name = top[-1].name
    if name not in PATTERNS:
        raise UsageError(f"{name} is no pattern that this command knows")
    if getattr(top[-1], "raw", False):
        raise UsageError(f"this {name} is raw, and messages have headers there: leave raw=true out")
    if name == "sub":
        top = (*top[:-1], _subscribed(top[-1], args.subscribe or ()))
    else:
        _not_for(name, args, "subscribe")
    data, use = _data(args), PATTERNS[name].data
    if data is not None and use is Data.REFUSED:
        raise UsageError(f"{name} does not send: --data and --file are not for it")
    sends = use is Data.NEEDED or (use is Data.BESIDE and data is not None)
    if not sends:
        without = " without --data" if use is Data.BESIDE else ""
        _not_for(name + without, args, "interval", "delay")
    bodies: Iterator[bytes] | None = None
    if sends:
        once = data is not None and not args.count and args.interval is None
        source: Iterable[bytes] = lines(_input()) if data is None else repeat(data)
        bodies = paced(source, 1 if once else args.count, args.interval or 0.0, args.delay or 0.0)
    waits = [seconds for seconds in (args.recv_timeout, args.interval) if seconds]
    work = Work(
        bodies=bodies,
        reply=data if use is Data.ANSWER else None,
        show=_printer(args.format or "lines"),
        count=args.count,
        recv_timeout=args.recv_timeout,
        send_timeout=args.send_timeout,
        answer_timeout=min(waits, default=None),
        background=args.background or args.compat,
    )
    return talk_pattern(top, places, work, talk)


def _without_pattern(args: argparse.Namespace, place: Place, talk: Talk) -> int:
    from .cat_connection import connect, exchange

    _not_for(
        "a connection without a pattern",
        args,
        "interval",
        "delay",
        "background",
        "compat",
        "subscribe",
    )
    messages = place.stack.records[0].unit is not Unit.STREAM
    if not messages and args.count:
        raise UsageError("a byte stream has no messages to --count; put prefix or line on it")
    if not messages and args.format not in (None, "no", "raw"):
        raise UsageError(f"a byte stream has no messages to print as {args.format}; use --raw")
    data = _data(args)
    brought = _input() if data is None else (data,)
    return exchange(
        connect(place, args.recv_timeout, talk),
        lines(brought) if messages and data is None else brought,
        _printer(args.format or ("lines" if messages else "raw")),
        talk,
        patient=data is not None or not os.isatty(0),
        count=args.count,
        recv_timeout=args.recv_timeout,
        send_timeout=args.send_timeout,
    )


def _not_for(what: str, args: argparse.Namespace, *names: str) -> None:
    for name in names:
        if getattr(args, name):
            option = "async" if name == "background" else name
            raise UsageError(f"--{option} is not for {what}")


def _data(args: argparse.Namespace) -> bytes | None:
    """What --data or --file gives."""
    if args.file is None:
        data: bytes | None = args.data
        return data
    return b"".join(_input()) if args.file == "-" else Path(args.file).read_bytes()


def _input() -> Iterable[bytes]:
    """Standard input; if there is none, its number may be another file's by now."""
    return chunks(0) if sys.stdin is not None else ()


def _printer(name: str) -> Any:
    """A function that prints one message, or some bytes."""
    form = FORMATS[name]

    def show(data: bytes) -> None:
        with output() as out:
            out.buffer.write(form(data))

    return show
