"""Unix domain stream sockets, on a path or under an abstract name (Linux)."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import struct
import sys
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar, TypeVar, cast

from ..core.capabilities import (
    Auth,
    Capabilities,
    CleanEnd,
    Confidential,
    HalfClose,
    Integrity,
    Scope,
    Unit,
)
from ..core.errors import EndpointError, StackError
from ..core.hub import Cancellable, Hub
from ..core.interfaces import Os, Stream
from ..core.marks import LOCAL_ADDRESS, PEER_ADDRESS, PEER_CREDENTIALS, Key
from ..core.spec import Spec
from ..core.transport import Accepted, Bound, Dialed, Failed, TransportSpec
from .link import StreamLink
from .sockets import Acceptor, Connecting, socket_error

__all__ = ["Unix"]

T = TypeVar("T")

RECORD = Capabilities(
    Unit.STREAM,
    half_close=HalfClose.NATIVE,
    clean_end=CleanEnd.PEER_CLAIMS,
    scope=Scope.HOST,
    peer_auth=Auth.OS_CREDENTIAL,
    confidential=Confidential.HOP,
    integrity=Integrity.HOP,
    features=frozenset({"detach", "fd_pass", "peer_cred", "sp_type_octet"}),
)

Identity = tuple[int, int, int]

LONGEST_PATH = 107 if sys.platform == "linux" else 103


@dataclass(frozen=True)
class Unix(TransportSpec, Spec[Os, Stream]):
    """A Unix stream socket: a reliable, ordered byte stream within one host; can pass descriptors and credentials.

    The kernel vouches for the peer's process, user and group (:data:`~sockstack.core.marks.PEER_CREDENTIALS`).

    Args:
        path: of the socket file, or the abstract name. A relative one is looked up at each dial, and when listening
            once. Listening replaces a socket file that a dead process left behind, and refuses any other file that is
            in the way. It is removed when the listener closes, if it is still the same.
        abstract: ``path`` is a name without a file, which vanishes with its owner. It is 1 to 107 octets of any value,
            as :func:`os.fsdecode` makes text of them; in a URL they are percent-encoded. Linux only.
        mode: permissions of the file (0o600; in text ``mode=600`` is the same), or None for what the umask leaves.
        backlog: connections that the kernel holds until they are accepted.

    Of several processes that replace the same file at once, one gets it, and the others are refused. What remains: one
    of those may have moved the winner's file aside, and for the moment in which it sees that and puts it back, who
    dials finds no file. A third process that binds in that very moment is not reached.
    """

    path: str
    _: KW_ONLY
    abstract: bool = False
    mode: int | None = field(
        default=None, metadata={"octal": True, "wanted": "permissions in octal digits, or none"}
    )
    backlog: int = 1024

    name: ClassVar[str] = "unix"

    def __post_init__(self) -> None:
        problem = None
        if self.abstract and sys.platform != "linux":
            problem = "abstract sockets exist on Linux only; use a path"
        elif not self.path:
            problem = "the path is empty"
        elif (size := _size(self.path)) is None:
            problem = f"the path cannot be written as {sys.getfilesystemencoding()}"
        elif size > LONGEST_PATH:
            problem = f"the path is longer than the {LONGEST_PATH} bytes the system takes"
        elif "\0" in self.path and not self.abstract:
            problem = "the path holds a NUL"
        if problem is not None:
            raise StackError(f"unix {self.path!r}: {problem}", layer="unix", field="path")
        if self.mode is not None and not 0 <= self.mode <= 0o777:
            raise StackError(
                f"unix: mode is 0 to 0o777, not {self.mode:#o}",
                layer="unix",
                field="mode",
                mend="Write it in octal digits: mode=0o600.",
            )

    @property
    def address(self) -> str:
        """What the system calls it."""
        return "\0" + self.path if self.abstract else self.path

    def derive(self, below: Capabilities) -> Capabilities:
        return RECORD

    def dial(self, hub: Hub, dialed: Dialed, failed: Failed) -> Cancellable:
        def refused(error: OSError) -> None:
            failed(socket_error(error, f"cannot connect to {self.path}", "unix"))

        try:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        except OSError as error:  # no descriptors are left
            reason = error
            return hub.call_at(hub.now(), lambda: refused(reason))
        return Connecting(
            hub, sock, self.address, lambda sock: dialed(UnixLink(hub, sock, self)), refused
        )

    def listen(self, hub: Hub, accepted: Accepted, trouble: Failed, inherit: bool = False) -> Bound:
        return _Listen(self, hub, accepted, trouble, inherit)


class UnixLink(StreamLink[socket.socket]):
    """A Unix stream connection."""

    def __init__(self, hub: Hub, sock: socket.socket, spec: Unix) -> None:
        sock.setblocking(False)
        super().__init__(hub, sock, RECORD)
        self._path = spec.path

    def get(self, key: Key[T]) -> T | None:
        answer: Any = None
        if key is PEER_ADDRESS or key is LOCAL_ADDRESS:
            answer = self._path
        elif key is PEER_CREDENTIALS and self._sock is not None and hasattr(socket, "SO_PEERCRED"):
            data = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            answer = struct.unpack("3i", data)
        return cast("T | None", answer)


class _Listen:
    """A bound path or name."""

    def __init__(
        self, spec: Unix, hub: Hub, accepted: Accepted, trouble: Failed, inherit: bool
    ) -> None:
        self.address = spec.path
        self._file: str | None = None
        self._pid = os.getpid()
        try:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                self._bind(sock, spec)
                sock.listen(spec.backlog)
            except BaseException:
                self._remove()
                sock.close()
                raise
        except EndpointError:
            raise
        except OSError as error:
            raise socket_error(error, f"cannot listen on {spec.path}", "unix") from error
        self._acceptor = Acceptor(
            hub, sock, lambda sock: accepted(UnixLink(hub, sock, spec)), trouble, "unix", inherit
        )

    def _bind(self, sock: socket.socket, spec: Unix) -> None:
        if spec.abstract:
            sock.bind(spec.address)
            return
        file = os.path.join(os.getcwd(), spec.path)  # the directory may be another when it closes
        try:
            sock.bind(spec.path)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not _clear(spec.path):
                raise
            sock.bind(spec.path)
        self._identity: Identity = _identity(file)
        self._file = file
        if spec.mode is not None:
            os.chmod(file, spec.mode)

    def pause(self, flag: bool) -> None:
        self._acceptor.pause(flag)

    def close(self) -> None:
        self._remove()
        self._acceptor.close()

    def _remove(self) -> None:
        """Remove our file, unless another one is in its place, or this is a forked child."""
        file, self._file = self._file, None
        if file is not None and self._pid == os.getpid():
            with contextlib.suppress(OSError):
                if (
                    _identity(file)[:2] == self._identity[:2]
                ):  # nobody gets our number while we have it
                    os.unlink(file)


def _size(path: str) -> int | None:
    """How many bytes a path has; None: the system could not be told."""
    try:
        return len(os.fsencode(path))
    except UnicodeEncodeError:
        return None


def _identity(path: str) -> Identity:
    """What tells a file from another one that is put in its place, even one that gets its number again."""
    found = os.lstat(path)
    return found.st_dev, found.st_ino, found.st_mtime_ns


def _clear(path: str) -> bool:
    """Take a socket file away that nobody has bound; False: somebody has.

    Between a look and a removal, another process may have replaced the file as we want to. So it is moved aside first,
    which only one can do, and looked at there.

    Raises:
        EndpointError: it is no socket.
        OSError: it may not be looked at, or not be removed.
    """
    with contextlib.suppress(FileNotFoundError):  # it has just gone
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise EndpointError(
                f"cannot listen on {path}: a file that is no socket is in the way",
                errno=errno.EADDRINUSE,
                layer="unix",
            )
        dead = _identity(path)
        if _bound(path):
            return False
        aside = f"{path}.{os.urandom(8).hex()}"
        os.rename(path, aside)
        if _identity(aside) != dead:
            os.rename(aside, path)
            return False
        os.unlink(aside)
    return True


def _bound(path: str) -> bool:
    """Whether a socket of any kind is bound to the file, though it may not listen yet.

    A datagram socket asks: its ``connect`` is refused if there is none, fails otherwise where there is one of another
    kind, and in no case does anybody hear of it.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        return probe.connect_ex(path) not in (errno.ECONNREFUSED, errno.ENOENT)
