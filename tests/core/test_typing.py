"""A type checker refuses wrong stacks, and knows what right ones give.

One program is checked by mypy in one run. A line with ``# E: text`` must be refused with that text in the message, a
line with ``# R: type`` must reveal that type, and no other line may be refused.
"""

from __future__ import annotations

import os
import re
import site
import subprocess
import sys
from pathlib import Path

import pytest

import sockstack

PROGRAM = """
from __future__ import annotations
from typing import ClassVar
import sockstack.asyncio as aio
from sockstack.core.interfaces import CanSend, Datagrams, Message, Mux, Os, Pattern, Pipe, Stream
from sockstack.core.spec import LayerSpec, MessageFilter, Same, Spec
from sockstack.drivers.blocking.establish import dial
from sockstack.drivers.blocking.socket import Socket
from sockstack.layers.checksum import Checksum
from sockstack.layers.line import Line
from sockstack.layers.prefix import Prefix
from sockstack.layers.sp import Sp
from sockstack.layers.tls import Tls
from sockstack.patterns.pipeline import Pull, Push
from sockstack.patterns.reqrep import Rep, Req
from sockstack.transports.fd import Fd
from sockstack.transports.inproc import Inproc
from sockstack.transports.tcp import Tcp
from sockstack.transports.unix import Unix

class Udp(LayerSpec, Spec[Os, Datagrams]): ...
class Muxado(LayerSpec, Spec[Stream, Mux]): ...
class Watch(LayerSpec, Same): ...
class Sign(LayerSpec, MessageFilter): ...

tcp, unix = Tcp("h:1"), Unix("/s")

# Layers that do not meet.
Req() | tcp  # E: Unsupported operand types for | ("Req" and "Tcp")
Push() | unix  # E: Unsupported operand types for |
Prefix(4) | Prefix(4) | tcp  # E: Unsupported operand types for | ("Prefix" and "Prefix")
Line() | Prefix(4)  # E: Unsupported operand types for |
Tls() | Udp()  # E: Unsupported operand types for | ("Tls" and "Udp")
Prefix() | Udp()  # E: Unsupported operand types for |
Sp() | Udp()  # E: Unsupported operand types for |
Sp() | Muxado()  # E: Unsupported operand types for | ("Sp" and "Muxado")
Prefix() | Muxado() | tcp  # E: Unsupported operand types for |
Tls() | Prefix() | tcp  # E: Unsupported operand types for |
Tls() | Inproc("x")  # E: Unsupported operand types for |
Req() | Prefix() | tcp  # E: Unsupported operand types for |
Req() | Req() | Sp()  # E: Unsupported operand types for |
Checksum() | tcp  # E: cannot be "Stream"
Sign() | Checksum() | tcp  # E: cannot be "Stream"
Watch() | Req() | tcp  # E: Unsupported operand types for |
tcp | Prefix()  # E: Unsupported operand types for | ("Tcp" and "Prefix")
tcp | tcp  # E: Unsupported operand types for |
Prefix() | "tcp(h:1)"  # E: No overload variant of "__or__" of "Spec" matches argument type "str"

# What stacks give.
reveal_type(Prefix() | tcp)  # R: Spec[Os, Message]
reveal_type(Prefix() | Tls() | tcp)  # R: Spec[Os, Message]
reveal_type(Prefix() | Tls())  # R: Spec[Stream, Message]
reveal_type(Tls() | Tls() | Fd(3))  # R: Spec[Os, Stream]
reveal_type(Muxado() | Tls() | tcp)  # R: Spec[Os, Mux]
reveal_type(Sp() | tcp)  # R: Spec[Os, Pipe]
reveal_type(Sp() | Inproc("x"))  # R: Spec[Os, Pipe]
reveal_type(Req() | Sp() | Tls() | tcp)  # R: Spec[Os, Pattern[ReqOps]]
reveal_type(Req() | Sp())  # R: Spec[Stream | Message, Pattern[ReqOps]]

# What keeps the interface below, and filters of messages.
reveal_type(Watch() | tcp)  # R: Spec[Os, Stream]
reveal_type(Prefix() | Watch() | tcp)  # R: Spec[Os, Message]
reveal_type(Watch() | Prefix())  # R: Spec[Stream, Message]
reveal_type(Watch() | Watch())  # R: Same
reveal_type(Watch() | Watch() | Muxado() | tcp)  # R: Spec[Os, Mux]
reveal_type(Req() | Watch() | Sp() | Watch() | tcp)  # R: Spec[Os, Pattern[ReqOps]]
reveal_type(Watch() | Req() | Sp() | tcp)  # R: Spec[Os, Pattern[ReqOps]]
reveal_type(Sign() | Prefix() | tcp)  # R: Spec[Os, Message]
reveal_type(Sign() | Inproc("x"))  # R: Spec[Os, Message]
reveal_type(Sign() | Req())  # R: Spec[Pipe, Pattern[ReqOps]]
reveal_type(Sign() | Checksum() | Push() | Sp() | tcp)  # R: Spec[Os, Pattern[PushOps]]
reveal_type(Sign() | Checksum())  # R: MessageFilter
reveal_type(Sign() | Watch())  # R: MessageFilter
reveal_type(Watch() | Sign())  # R: MessageFilter
reveal_type(Watch() | Sign() | Watch() | Push() | Sp() | tcp)  # R: Spec[Os, Pattern[PushOps]]
reveal_type(Sign() | Watch() | Push() | Sp() | tcp)  # R: Spec[Os, Pattern[PushOps]]

# What everything has.
reveal_type((Prefix() | tcp).explain())  # R: str
reveal_type(Watch().explain())  # R: str
reveal_type((Watch() | Watch()).layers)  # R: tuple[LayerSpec, ...]
reveal_type((Sign() | Req()).layers)  # R: tuple[LayerSpec, ...]
Prefix().size = 2  # E: Property "size" defined in "Prefix" is read-only

# What is dialled.
reveal_type(dial(Req() | Sp() | tcp))  # R: Socket[ReqOps]
reveal_type(dial(Sign() | Push() | Sp() | Watch() | Tls() | tcp))  # R: Socket[PushOps]
reveal_type(dial(Prefix() | Watch() | tcp))  # R: MessageConnection
reveal_type(dial(Tls() | tcp))  # R: StreamConnection
reveal_type(dial(Muxado() | Tls() | tcp))  # R: Session
dial(Prefix())  # E: Argument 1 to "dial" has incompatible type "Prefix"
unfinished = Prefix() | Tls()
dial(unfinished)  # E: Argument 1 to "dial" has incompatible type "Spec[Stream, Message]"
dial(Req())  # E: Argument 1 to "dial" has incompatible type "Req"

# Who sends and who receives.
Socket(Push()).send(b"")
Socket(Pull()).recv()
Socket(Req()).context()
Socket(Push()).recv()  # E: Invalid self argument "Socket[PushOps]" to attribute function "recv"
Socket(Pull()).send(b"")  # E: Invalid self argument "Socket[PullOps]" to attribute function "send"
Socket(Push()).context()  # E: Invalid self argument
dial(Push() | Sp() | tcp).recv()  # E: Invalid self argument
Socket(Sign() | Rep()).recv()
Socket(Prefix())  # E: incompatible type "Prefix"

async def main() -> None:
    await aio.Socket(Push()).send(b"")
    await aio.Socket(Push()).recv()  # E: Invalid self argument
"""


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[str]]:
    """What mypy says, by line."""
    room = tmp_path_factory.mktemp("typing")
    program = room / "program.py"
    program.write_text(PROGRAM)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-error-summary"]
    command += ["--follow-imports=silent", f"--cache-dir={room / 'cache'}", str(program)]
    source = Path(sockstack.__file__).parents[1]
    environment = dict(os.environ)
    if (
        str(source) not in site.getsitepackages()
    ):  # where mypy looks by itself, and refuses to be told
        environment["MYPYPATH"] = str(source)
    done = subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    found: dict[int, list[str]] = {}
    for line in done.stdout.splitlines():
        match = re.match(r".*program\.py:(\d+): (error|note): (.*)", line)
        assert match is not None, line
        found.setdefault(int(match[1]), []).append(f"{match[2]}: {match[3]}")
    return found


def short(text: str) -> str:
    """Types without the modules they are from."""
    return re.sub(r"\b(?:[a-z_]\w*\.)+(?=\w)", "", text)


LINES = {
    number: line
    for number, line in enumerate(PROGRAM.splitlines(), 1)
    if re.search("# [ER]: ", line)
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", LINES, ids=[line.split("  #")[0] for line in LINES.values()])
def test_verdict(number: int, verdicts: dict[int, list[str]]) -> None:
    _, sort, text = re.split("# ([ER]): ", LINES[number])
    said = [short(line) for line in verdicts.get(number, [])]
    if sort == "R":
        assert said == [f'note: Revealed type is "{text}"']
    else:
        assert any(line.startswith("error: ") and text in line for line in said), said


@pytest.mark.timeout(300)
def test_nothing_else_is_refused(verdicts: dict[int, list[str]]) -> None:
    assert {number: said for number, said in verdicts.items() if number not in LINES} == {}
