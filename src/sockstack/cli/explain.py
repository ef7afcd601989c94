"""``sockstack explain``: a stack as a table, or the reason why it is refused."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence

from ..core.errors import StackError, StackWarning
from ..core.spec import LayerSpec
from .command import FINE, USAGE, Parser
from .streams import output, tell

__all__ = ["main", "make_parser", "read_layers"]

ABOUT = """\
Shows what a stack gives and what it costs, a row a layer, top first; then the bytes that each layer puts on the wire.
A stack that makes no sense is refused: it says which layer lacks what, and what would mend it. Nothing is opened.

The columns: the unit that passes above the layer; whether it is reliable, and in which order units arrive; the largest
unit; half-close (one direction can end while the other goes on); who is kept from reading (hop: those on the wire);
what change would be noticed; how the peer proves who it is; bytes that the layer adds to a unit, before and behind it;
round trips that it costs before the first unit.
"""

EXAMPLES = """\
examples (quote the stack, or the shell takes its pipes for its own):
  sockstack explain 'prefix(4) | tls | tcp(example.org:443)'
  sockstack explain 'req | sp | tcp(127.0.0.1:5555)'        what REQ over tcp://127.0.0.1:5555 is
  sockstack explain 'checksum | push | sp | unix(/tmp/x)'   a filter of messages above a pattern
  sockstack explain 'tls(verify=false) | tcp(h:443)'        works, with a warning
  sockstack explain tls+tcp://example.org:443               a URL, without a pattern
  sockstack explain 'tls | inproc(here)'                    refused: exit code 2
  sockstack explain 'prefix | tls'                          not complete: explained as far as it goes

exit codes: 0 the stack is fine, 2 it is refused or cannot be read.
"""

_URL = re.compile(r"\s*[A-Za-z0-9_.+-]+://")
_BARE = {
    re.compile(r"\d+"): "tcp://127.0.0.1:",
    re.compile(r"[^\s/|()]*:\d+"): "tcp://",
    re.compile(r"\.{0,2}/[^\s|()]*"): "ipc://",
}
"""What is neither a URL nor a layer, and what it lacks to be a URL."""


def main(arguments: Sequence[str]) -> int:
    """Run the command."""
    args = make_parser().parse_args(arguments)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", StackWarning)  # the table holds them
            picture = explain(args.stack)
    except StackError as error:
        tell(str(error))
        return USAGE
    with output() as out:
        print(picture, file=out)
    return FINE


def make_parser() -> Parser:
    """Reads the options."""
    parser = Parser("sockstack explain", ABOUT, EXAMPLES)
    parser.add_argument("stack", metavar="STACK", help="the text of a stack, or a URL")
    return parser


def explain(text: str) -> str:
    """The table of a stack.

    Raises:
        StackError: it cannot be read, or is refused.
    """
    from ..core.explain import explain

    return explain(read_layers(text))


def read_layers(text: str, mapping: LayerSpec | None = None) -> tuple[LayerSpec, ...]:
    """The layers that a text or a URL describes; over a URL stands ``mapping``, if there is one.

    Raises:
        StackError: it cannot be read, or is refused.
    """
    from ..core.text import parse, parse_url

    if _URL.match(text):
        return parse_url(text.strip(), mapping).layers
    for bare, scheme in _BARE.items():
        if bare.fullmatch(text.strip()):
            raise StackError(
                f"{text!r} is no URL, and no stack either", mend=f"Write {scheme}{text.strip()}."
            )
    return parse(text).layers
