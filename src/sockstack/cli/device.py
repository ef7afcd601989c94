"""``sockstack device``: joins two raw sockets, so that peers on both sides meet at fixed addresses."""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..core.head import Stats
from ..core.spec import Kind as LayerKind
from ..core.spec import LayerSpec, Stack
from ..layers.sp import Sp
from .command import FINE, Parser, Talk, UsageError, run
from .explain import read_layers
from .peers import look_at
from .streams import safe

if TYPE_CHECKING:
    from ..drivers.blocking.device import Device
    from ..drivers.blocking.socket import Socket

__all__ = ["KINDS", "main", "make_parser"]

ABOUT = """\
Passes messages between two sides until Ctrl-C or SIGTERM. Each side listens on and dials as many addresses as you like;
peers of both need to know the device only. Requests and surveys find their way back; hops are counted, so loops end.

kinds, and who connects in front and behind:
{kinds}

With one side only (pair, bus and star), what comes from one peer is passed on to the others, or back if there are none.
"""

EXAMPLES = """\
examples:
  sockstack device reqrep --front-listen tcp://*:5555 --back-listen tcp://*:5556
        clients at 5555, workers at 5556; both may come and go
  sockstack device pubsub --front-dial tcp://10.0.0.5:7000 --back-listen ipc:///run/feed
        one connection to a publisher, any number of subscribers here
  sockstack device bus --front-listen tcp://*:9000
        a hub: every BUS that dials it hears all the others
  sockstack device pipeline --front-listen tcp://*:1 --back-listen tcp://*:2 --inside checksum
        messages carry a checksum from here on

exit codes: 0 stopped by Ctrl-C or SIGTERM, 1 an address could not be bound, 2 wrong usage or a refused stack, 130 or
143 a second signal came before what was on its way had been written.
"""


@dataclass(frozen=True)
class Kind:
    """What a device passes on.

    Attributes:
        front, back: names of the patterns, and options, that face the two sides.
        clients, servers: who connects to them.
    """

    front: str
    back: str
    clients: str
    servers: str


KINDS: Mapping[str, Kind] = {
    "reqrep": Kind("Rep", "Req", "REQ", "REP"),
    "pubsub": Kind("Sub", "Pub", "PUB", "SUB"),
    "pipeline": Kind("Pull", "Push", "PUSH", "PULL"),
    "survey": Kind("Respondent", "Surveyor", "SURVEYOR", "RESPONDENT"),
    "pair0": Kind("Pair0", "Pair0", "PAIR0", "PAIR0"),
    "pair1": Kind("Pair1", "Pair1", "PAIR1", "PAIR1"),
    "bus": Kind("Bus", "Bus", "BUS", "BUS"),
    "star": Kind("Star", "Star", "STAR", "STAR"),
}


def main(arguments: Sequence[str]) -> int:
    """Run the command."""
    args = make_parser().parse_args(arguments)
    talk = Talk("sockstack device", verbose=args.verbose)
    return run(talk, lambda: _work(args, talk))


def make_parser() -> Parser:
    """Reads the options."""
    kinds = "\n".join(f"  {name:9} {kind.clients:9} {kind.servers}" for name, kind in KINDS.items())
    parser = Parser(
        "sockstack device",
        ABOUT.format(kinds=kinds),
        EXAMPLES,
        usage="sockstack device KIND --front-listen URL … --back-listen URL … [options]",
    )
    parser.add_argument("kind", choices=tuple(KINDS), metavar="KIND", help="one of those above")
    for side in ("front", "back"):
        for verb in ("listen", "dial"):
            parser.add_argument(
                f"--{side}-{verb}",
                metavar="WHERE",
                action="append",
                default=[],
                help=f"{verb} there for peers of the {side}: a URL, or a stack below the pattern",
            )
    parser.add_argument(
        "--inside", metavar="FILTERS", help="filters between the sides: encoded towards the back"
    )
    parser.add_argument(
        "--ttl", type=_hops, metavar="N", help="hops allowed, 1 to 255, where they are counted"
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="say who comes, goes and is refused"
    )
    return parser


def _hops(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 255):
        raise argparse.ArgumentTypeError(f"the ttl is 1 to 255, not {text!r}")
    return int(text)


def _work(args: argparse.Namespace, talk: Talk) -> int:
    import sockstack

    kind = KINDS[args.kind]
    one_sided = not (args.back_listen or args.back_dial)
    if not (args.front_listen or args.front_dial):
        raise UsageError("nobody can come: --front-listen or --front-dial is missing")
    if one_sided and kind.front != kind.back:
        raise UsageError(f"a device of {args.kind} has two sides: --back-listen or --back-dial")

    def raw(name: str) -> Any:
        pattern = getattr(sockstack, name)
        options = {"ttl": args.ttl} if args.ttl is not None and hasattr(pattern, "ttl") else {}
        return pattern(raw=True, **options)

    inside: Any = None if args.inside is None else Stack(_filters(args.inside))
    front, back = raw(kind.front), raw(kind.back)
    device = sockstack.Device(front, None if one_sided else back, inside=inside)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            _connect(device.front, front, args.front_listen, args.front_dial, talk)
            _connect(device.back, back, args.back_listen, args.back_dial, talk)
            # A helper thread does the work: a signal there would cut the connection that is just being written to.
            while True:
                time.sleep(1.0)  # for ever would be too long if a signal comes just before it
        talk.say(_summary(device))
        device.close()
    finally:
        for side in (device.front, device.back):
            side.close(0)  # what an error or a second signal has left open
    return FINE


def _filters(text: str) -> tuple[LayerSpec, ...]:
    layers = read_layers(text)
    for layer in layers:
        if layer.kind is not LayerKind.FILTER:
            raise UsageError(f"--inside takes filters of messages, and {layer.name} is none")
    return layers


def _connect(
    side: Socket[Any], pattern: LayerSpec, listen: list[str], dial: list[str], talk: Talk
) -> None:
    def stack(where: str) -> Any:
        below = read_layers(where, Sp())
        look_at((pattern, *below), where, talk)
        return Stack(below)

    for where in listen:
        talk.say(f"listening on {safe(side.listen(stack(where)).address)}")
    for where in dial:
        side.dial(stack(where))
        talk.note(f"dialling {where}")


def _summary(device: Device) -> str:
    dropped = [
        f"{side.stats()[name]} {name}"
        for side in {id(each): each for each in (device.front, device.back)}.values()
        for name in Stats.__slots__
        if name not in ("sent", "received") and side.stats()[name]
    ]
    if device.refused:
        dropped.append(f"{device.refused} refused inside")
    return ", ".join([f"{device.forwarded} messages passed on", *dropped])
