"""What the commands share: how they begin, read their arguments, talk, and end.

Data goes to standard output, talk to standard error. Exit codes: 0 fine, 1 failed, 2 wrong usage or a refused stack,
130 stopped by Ctrl-C, 141 nobody reads the output any more, 143 stopped by SIGTERM.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import errno
import importlib
import logging
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NoReturn

from ..core.errors import SockstackError, StackError, StackWarning
from .streams import discard, fill_in, output, safe, tell

__all__ = [
    "FAILED",
    "FINE",
    "USAGE",
    "Parser",
    "Talk",
    "Terminated",
    "UsageError",
    "program",
    "run",
    "terminable",
]

FINE = 0
FAILED = 1
USAGE = 2
INTERRUPTED = 130
UNHEARD = 141
TERMINATED = 143

ALERT = 1.0
"""Seconds after which a signal is seen at the latest."""

ALIKE = 0.75
"""How like an option a word is that may be meant for it, at least, by the measure of :mod:`difflib`."""

_LONG_OPTION = re.compile(r"(?<!\S)--[\w-]+")

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
        self.exit(
            USAGE, f"{self.prog}: {message}{self._meant(message)} ({self.prog} --help shows how)\n"
        )

    def _meant(self, message: str) -> str:
        """What may have been meant by options that do not exist; "" if nothing is like them."""
        if not message.startswith("unrecognized arguments: "):
            return ""
        known = [name for action in self._actions for name in action.option_strings]
        near = [
            name
            for word in _LONG_OPTION.findall(message)
            for name in difflib.get_close_matches(word, known, n=2, cutoff=ALIKE)
        ]
        return f". Did you mean {' or '.join(near)}?" if near else ""

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print help, or what is wrong; argparse itself would not mind if that fails."""
        if file is sys.stderr:
            tell(message.removesuffix("\n"))
        else:
            with output() as out:
                out.write(message)


class Talk:
    """What a command says beside its output.

    Args:
        command: its name, put in front.
        quiet: say nothing.
        verbose: say what happens, too.
        wording: puts what the library says in the words of this command.

    Attributes:
        verbose: as given.
    """

    def __init__(
        self,
        command: str,
        quiet: bool = False,
        verbose: bool = False,
        wording: Callable[[str], str] = str,
    ) -> None:
        self._command = command
        self._quiet = quiet
        self._wording = wording
        self.verbose = verbose

    def note(self, text: str) -> None:
        """Something that happens. It may hold what strangers chose."""
        if self.verbose:
            self.say(safe(text))

    def warn(self, text: str) -> None:
        """Something that the user will want to know."""
        self.say(f"warning: {text}")

    def say(self, text: str) -> None:
        """Something that must be said."""
        if not self._quiet:
            tell(f"{self._command}: {self._wording(text)}")


def program(name: str, work: Callable[[], int]) -> int:
    """What stands around all that a program does: streams that are closed or break, and signals.

    Returns:
        The exit code.
    """
    try:
        fill_in()
        with terminable():
            code = work()
            with output():  # of what was printed and is still held
                return code
    except Terminated:
        return TERMINATED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        discard(sys.stdout)
        return UNHEARD
    except OSError as error:
        Talk(name).say(_of_system(error))
        return FAILED


def run(talk: Talk, work: Callable[[], int]) -> int:
    """Do the work of a command; what goes wrong is said, and becomes the exit code."""
    try:
        with warnings.catch_warnings(), _logged(talk), _alert():
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
        talk.say(_of_system(error))
        return FAILED


@contextlib.contextmanager
def _alert() -> Iterator[None]:
    """A signal that comes just before Python falls asleep is not seen until something wakes it: an alarm does.

    Where somebody else uses alarms, nothing is done.
    """
    number = signal.SIGALRM
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(number) is not signal.SIG_DFL:
        yield
        return
    signal.signal(number, lambda number, frame: None)
    signal.setitimer(signal.ITIMER_REAL, ALERT, ALERT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(number, signal.SIG_DFL)


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
    """The error, and what to do about it where it has the system's words only."""
    text = safe(" ".join(str(error).split()))
    number = getattr(error, "errno", None)
    plain = number and os.strerror(number) in error.message
    return f"{text}; {_ADVICE[number]}" if plain and number in _ADVICE else text


def _of_system(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return safe(f"{where}{error.strerror or error}")
