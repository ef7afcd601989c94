"""The tree of errors: named by what a caller can do about them.

Every error knows the layer that raised it and the path of the stack it happened in, top first, for example
``prefix<tls<tcp``. Nothing outside this tree escapes from a stack because of what a peer sent.
"""

from __future__ import annotations

__all__ = [
    "AuthenticationFailed",
    "Busy",
    "Closed",
    "Deadline",
    "EndOfStream",
    "EndpointError",
    "IncompatiblePeer",
    "LocalProtocolError",
    "NoPeers",
    "Owned",
    "PeerAborted",
    "RemoteProtocolError",
    "SockstackError",
    "StackError",
    "StackWarning",
    "SurveyOver",
    "TooBig",
]


class SockstackError(Exception):
    """Root of the tree.

    Attributes:
        layer: name of the layer that found the fault, or None.
        path: the stack it happened in, top first (``prefix<tls<tcp``), or None.
    """

    def __init__(
        self, message: str = "", *, layer: str | None = None, path: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.layer = layer
        self.path = path

    def __str__(self) -> str:
        if self.path is not None:
            return f"{self.message} [{self.layer or '?'} in {self.path}]"
        return f"{self.message} [{self.layer}]" if self.layer is not None else self.message

    def within(self, layer: str, path: str | None) -> SockstackError:
        """Name layer and path where they are not named yet; the first to know wins."""
        if self.layer is None:
            self.layer = layer
        if self.path is None:
            self.path = path
        return self

    def again(self) -> SockstackError:
        """A fresh error of the same kind and text, to raise once more with this one as its cause."""
        copy = self.__class__.__new__(self.__class__)
        copy.__dict__.update(self.__dict__)
        copy.args = self.args
        copy.__cause__ = self
        return copy


class StackError(SockstackError, ValueError):
    """A stack was refused when it was composed; nothing was opened.

    Attributes:
        layer: the layer whose demand fails.
        field: the capability in question (``unit``, ``reliable``, …) or the rule (``R1``).
        wanted, got: the demanded and the present value, as text.
        set_by: the lower layer that last set that field, or None.
        mend: what to put where, as a sentence, or None.
        picture: the stack drawn with the place of the fault, or "".
    """

    def __init__(
        self,
        message: str,
        *,
        layer: str | None = None,
        field: str | None = None,
        wanted: str | None = None,
        got: str | None = None,
        set_by: str | None = None,
        mend: str | None = None,
        picture: str = "",
    ) -> None:
        super().__init__(message, layer=layer)
        self.field = field
        self.wanted = wanted
        self.got = got
        self.set_by = set_by
        self.mend = mend
        self.picture = picture

    def __str__(self) -> str:
        return "\n".join(part for part in (self.message, self.picture, self.mend) if part)


class StackWarning(UserWarning):
    """A stack that works but holds something its author will want to know (a lint finding)."""


class EndpointError(SockstackError, OSError):
    """An address could not be dialled or bound: refused, unknown, in use, not permitted.

    ``errno`` is the system's number where there is one. A dialler that keeps trying tries again.
    """

    def __init__(
        self,
        message: str = "",
        *,
        errno: int | None = None,
        layer: str | None = None,
        path: str | None = None,
    ) -> None:
        super().__init__(message, layer=layer, path=path)
        self.errno = errno


class NoPeers(SockstackError):
    """Nobody is connected, and the socket was made to fail then; nothing was sent."""


class Deadline(SockstackError, TimeoutError):
    """The time allowed has passed. Nothing that had arrived or was accepted is lost by it.

    Attributes:
        accepted: of several messages, how many had been accepted.
    """

    accepted: int = 0


class SurveyOver(Deadline):
    """The time of a survey is over: there will be no more answers to it."""


class EndOfStream(SockstackError, EOFError):
    """The peer ended its output in order; nothing more will arrive."""


class PeerAborted(SockstackError, ConnectionError):
    """The connection ended without its orderly end: reset, cut off inside a unit, killed."""


class RemoteProtocolError(SockstackError):
    """The peer broke the rules of a protocol; its connection is gone."""


class LocalProtocolError(SockstackError):
    """The caller broke the rules (a reply without a request, say); nothing has changed."""


class IncompatiblePeer(RemoteProtocolError):
    """The peer speaks the protocol, and is not one that this end may talk to."""


class TooBig(RemoteProtocolError):
    """A unit is over a limit, by its own header.

    Attributes:
        limit, size: bytes.
    """

    def __init__(
        self,
        message: str = "",
        *,
        limit: int,
        size: int,
        layer: str | None = None,
        path: str | None = None,
    ) -> None:
        super().__init__(message, layer=layer, path=path)
        self.limit = limit
        self.size = size


class AuthenticationFailed(SockstackError):
    """A certificate, a key or a tag did not verify."""


class Busy(SockstackError):
    """Somebody else is in the middle of what only one may do at a time."""


class Owned(SockstackError):
    """This object was taken over by another (attached, detached, handed over); use that one."""


class Closed(SockstackError):
    """The object is closed, by its owner or because the process forked."""
