"""Unix domain stream sockets, on a path or under an abstract name (Linux)."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import struct
import sys
from dataclasses import KW_ONLY, dataclass
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

LONGEST_PATH = 107 if sys.platform == "linux" else 103


@dataclass(frozen=True)
class Unix(TransportSpec, Spec[Os, Stream]):
    """A Unix stream socket: a reliable, ordered byte stream within one host; can pass descriptors and credentials.

    The kernel vouches for the peer's process, user and group (:data:`~sockstack.core.marks.PEER_CREDENTIALS`).

    Args:
        path: of the socket file, or the abstract name. A file that a dead process left behind is replaced when
            listening; one that somebody listens on is refused. It is removed when the listener closes.
        abstract: ``path`` is a name without a file, which vanishes with its owner. It is 1 to 107 octets of any value,
            as :func:`os.fsdecode` makes text of them; in a URL they are percent-encoded. Linux only.
        mode: permissions of the file, or None for what the umask leaves.
        backlog: connections that the kernel holds until they are accepted.
    """

    path: str
    _: KW_ONLY
    abstract: bool = False
    mode: int | None = None
    backlog: int = 1024

    name: ClassVar[str] = "unix"

    def __post_init__(self) -> None:
        problem = None
        if self.abstract and sys.platform != "linux":
            problem = "abstract sockets exist on Linux only; use a path"
        elif not self.path:
            problem = "the path is empty"
        elif len(os.fsencode(self.path)) > LONGEST_PATH:
            problem = f"the path is longer than the {LONGEST_PATH} bytes the system takes"
        elif "\0" in self.path and not self.abstract:
            problem = "the path holds a NUL"
        if problem is not None:
            raise StackError(f"unix {self.path!r}: {problem}", layer="unix", field="path")

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
        self._file = None if spec.abstract else spec.path
        self._pid = os.getpid()
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._bind(sock, spec)
            if self._file is not None:
                found = os.stat(self._file)
                self._identity = (found.st_dev, found.st_ino)
                if spec.mode is not None:
                    os.chmod(self._file, spec.mode)
            sock.listen(spec.backlog)
        except OSError as error:
            sock.close()
            if isinstance(error, EndpointError):
                raise
            raise socket_error(error, f"cannot listen on {spec.path}", "unix") from error
        self._acceptor = Acceptor(
            hub, sock, lambda sock: accepted(UnixLink(hub, sock, spec)), trouble, "unix", inherit
        )

    @staticmethod
    def _bind(sock: socket.socket, spec: Unix) -> None:
        try:
            sock.bind(spec.address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or spec.abstract or not _abandoned(spec.path):
                raise
            with contextlib.suppress(FileNotFoundError):
                os.unlink(spec.path)
            sock.bind(spec.address)

    def pause(self, flag: bool) -> None:
        self._acceptor.pause(flag)

    def close(self) -> None:
        if self._file is not None and self._pid == os.getpid():
            with contextlib.suppress(OSError):
                found = os.stat(self._file)
                if (found.st_dev, found.st_ino) == self._identity:
                    os.unlink(self._file)
        self._file = None
        self._acceptor.close()


def _abandoned(path: str) -> bool:
    """Whether the file is a socket that nobody listens on."""
    if not stat.S_ISSOCK(os.stat(path).st_mode):
        raise EndpointError(
            f"cannot listen on {path}: a file that is no socket is in the way",
            errno=errno.EADDRINUSE,
            layer="unix",
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        return probe.connect_ex(path) == errno.ECONNREFUSED
