"""What the commands share: how they read their arguments, talk, and end.

Data goes to standard output, talk to standard error. Exit codes: 0 fine, 1 failed, 2 wrong usage or a refused stack,
130 stopped by Ctrl-C, 141 nobody reads the output any more, 143 stopped by SIGTERM.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import importlib
import logging
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

from ..core.errors import SockstackError, StackError, StackWarning

__all__ = [
    "FAILED",
    "FINE",
    "USAGE",
    "Parser",
    "Talk",
    "Terminated",
    "UsageError",
    "run",
    "terminable",
]

FINE = 0
FAILED = 1
USAGE = 2

_ADVICE = {
    errno.EACCES: "that needs other permissions",
    errno.EADDRINUSE: "somebody listens there already; choose another address",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.ECONNREFUSED: "nobody listens there: start the other end first",
    errno.ENOENT: "check the path; to connect, start the other end first",
    errno.EPERM: "that needs other permissions",
}


class UsageError(Exception):
    """The arguments do not go together."""


class Terminated(KeyboardInterrupt):
    """SIGTERM came: a service manager's Ctrl-C, and what ends well at the one ends well at the other."""


class Parser(argparse.ArgumentParser):
    """Arguments of a command: help as it was written, mistakes in one line."""

    def __init__(self, prog: str, description: str, epilog: str, usage: str | None = None) -> None:
        super().__init__(
            prog=prog,
            description=description,
            epilog=epilog,
            usage=usage,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def add_version(self) -> None:
        """Add ``-V``."""
        package = importlib.import_module(str(__package__).partition(".")[0])
        self.add_argument(
            "-V", "--version", action="version", version=f"sockstack {package.__version__}"
        )

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"{self.prog}: {message} ({self.prog} --help shows how)\n")


class Talk:
    """What a command says beside its output.

    Args:
        command: its name, put in front.
        quiet: say nothing.
        verbose: say what happens, too.

    Attributes:
        verbose: as given.
    """

    def __init__(self, command: str, quiet: bool = False, verbose: bool = False) -> None:
        self._command = command
        self._quiet = quiet
        self.verbose = verbose

    def note(self, text: str) -> None:
        """Something that happens."""
        if self.verbose:
            self.say(text)

    def warn(self, text: str) -> None:
        """Something that the user will want to know."""
        self.say(f"warning: {text}")

    def say(self, text: str) -> None:
        """Something that must be said."""
        if not self._quiet:
            print(f"{self._command}: {text}", file=sys.stderr, flush=True)


def run(talk: Talk, work: Callable[[], int]) -> int:
    """Do the work of a command; what goes wrong is said, and becomes the exit code."""
    try:
        with warnings.catch_warnings(), _logged(talk):
            warnings.simplefilter("ignore", StackWarning)  # the commands say them in their own way
            return work()
    except UsageError as error:
        talk.say(f"{error} (--help shows how)")
        return USAGE
    except StackError as error:
        talk.say(str(error))
        return USAGE
    except SockstackError as error:
        talk.say(_one_line(error))
        return FAILED
    except BrokenPipeError:
        raise
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        talk.say(f"{where}{error.strerror or error}")
        return FAILED


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM raises :class:`Terminated` here, as often as it comes, unless somebody has decided otherwise."""
    number = signal.SIGTERM
    main = threading.current_thread() is threading.main_thread()  # no other may set handlers
    if not main or signal.getsignal(number) is not signal.SIG_DFL:
        yield
        return

    def handler(number: int, frame: FrameType | None) -> None:
        raise Terminated

    signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, signal.SIG_DFL)


@contextlib.contextmanager
def _logged(talk: Talk) -> Iterator[None]:
    """What the library logs is said where everything that happens is said, and nowhere else."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            talk.note(record.getMessage())

    log, handler = logging.getLogger("sockstack"), Handler()
    level = log.level
    log.addHandler(handler)
    if talk.verbose:
        log.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


def _one_line(error: SockstackError) -> str:
    text = " ".join(str(error).split())
    advice = _ADVICE.get(getattr(error, "errno", None) or 0)
    return f"{text}; {advice}" if advice else text
