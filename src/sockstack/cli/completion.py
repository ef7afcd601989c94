"""``sockstack completion``: a script with which a shell completes commands, options and their values."""

from __future__ import annotations

from collections.abc import Sequence

from .command import FAILED, FINE, Parser, Talk
from .streams import output

__all__ = ["SHELLS", "main", "make_parser"]

SHELLS = ("bash", "zsh", "tcsh")

FILES = ("FILE", "PATH")
"""What values are called that are names of files."""

ABOUT = """\
Prints a script with which a shell completes the commands, their options, and values such as formats, kinds and files.
It is made by shtab: pip install shtab. The shell needs the script only, so make it again after an update of sockstack.
"""

EXAMPLES = """\
examples, each of which takes effect in the next shell (make the directory if need be):
  sockstack completion bash > ~/.local/share/bash-completion/completions/sockstack
        for bash, if the package bash-completion is there
  sockstack completion bash > ~/.sockstack.bash
        for bash without it; and in ~/.bashrc: source ~/.sockstack.bash
  sockstack completion zsh > ~/.zfunc/_sockstack
        for zsh; and in ~/.zshrc: fpath=(~/.zfunc $fpath); autoload -U compinit; compinit
  sockstack completion tcsh > ~/.sockstack.tcsh
        for tcsh; and in ~/.tcshrc: source ~/.sockstack.tcsh

exit codes: 0 printed, 1 shtab is not installed, 2 wrong usage.
"""


def main(arguments: Sequence[str]) -> int:
    """Run the command."""
    shell: str = make_parser().parse_args(arguments).shell
    try:
        script = completion(shell)
    except ModuleNotFoundError as error:
        if error.name != "shtab":
            raise
        Talk("sockstack completion").say("shtab is not installed: pip install shtab")
        return FAILED
    with output() as out:
        print(script, file=out)
    return FINE


def make_parser() -> Parser:
    """Reads the options."""
    parser = Parser("sockstack completion", ABOUT, EXAMPLES, usage="sockstack completion SHELL")
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))
    return parser


def completion(shell: str) -> str:
    """The script for one of :data:`SHELLS`.

    Raises:
        ModuleNotFoundError: shtab is not installed.
    """
    import shtab

    from .joined import command_parsers, join

    commands = command_parsers()
    for command in commands.values():
        command.description = None  # so that the short word about it is shown
        for action in command._actions:
            if action.metavar in FILES:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    return shtab.complete(join(commands), shell)
