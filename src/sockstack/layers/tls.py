"""TLS 1.2 and 1.3 (RFC 5246, RFC 8446) over any byte stream: the description of the layer.

A record on the wire is a header of five octets and what it protects::

    TT VV VV LL LL  ciphertext and tag      content type, version, length (big-endian, at most 16,640)

The state machine is :mod:`.tls_layer`; it is imported, and OpenSSL with it, when the first connection is built.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal

from ..core.capabilities import (
    STREAM,
    Auth,
    Capabilities,
    CleanEnd,
    Confidential,
    Duplex,
    HalfClose,
    Integrity,
    Requirement,
)
from ..core.errors import StackError
from ..core.interfaces import Stream
from ..core.spec import Build, Header, Kind, LayerSpec, Placement, Role, Spec

if TYPE_CHECKING:
    import ssl

    from ..core.layer import Layer

__all__ = ["Tls"]

FEATURES = frozenset({"alpn", "channel_binding", "detach"})
"""What a TLS session offers. Nothing shows through from below: descriptors, say, cannot pass."""


@dataclass(frozen=True)
class Tls(LayerSpec, Spec[Stream, Stream]):
    """A TLS session: nobody on the wire can read along, change or cut short what passes without being noticed.

    The same description serves both ends. Who dials verifies the server's certificate and name unless told not to; who
    listens needs a certificate, and may ask its clients for theirs. Files are read once, when the first connection is
    built; a changed file takes a new ``Tls``. Versions below 1.2, compression and renegotiation are off.

    ``end`` ends one direction (close_notify) and leaves the other and the connection below as they are. A peer that
    goes without saying so gives :class:`~sockstack.core.errors.PeerAborted`: what arrived before is good, but may have
    been cut short by anybody. After both ends have ended, the layer can be taken off, and plain bytes follow.

    Security: what a peer sends is parsed by OpenSSL. A handshake has no limit in time of its own; whoever opens the
    connection sets one.

    Args:
        server_name: the name that the server's certificate must hold, sent to the server too (SNI); a DNS name or an IP
            address. By default the host that is dialled. For listening it means nothing.
        cert: path of a PEM file: this end's certificate, then those that lead to its CA.
        key: path of a PEM file with the private key; by default it is in ``cert``.
        password: of the private key, if it is encrypted.
        ca: whom to trust: path of a PEM file, or of a directory that ``openssl rehash`` made, or PEM itself as bytes.
            By default the system's CAs.
        verify: for dialling: check the server's certificate and name. Off, anybody can pose as the server.
        client_auth: for listening: ``none``, ``optional`` (a certificate is checked if the client shows one) or
            ``required``. Needs ``ca``: the CAs that vouch for clients.
        alpn: application protocols to offer, the preferred one first (RFC 7301); one may go without its tuple. What
            was agreed on is :data:`~sockstack.core.marks.TLS_ALPN`; both sides go on without one if nothing fits.
        context: a ready ``ssl.SSLContext`` in place of all options but ``server_name``.

    Raises:
        StackError: options that contradict each other. Files are looked at when a connection is built.
    """

    _: KW_ONLY
    server_name: str | None = None
    cert: str | os.PathLike[str] | None = None
    key: str | os.PathLike[str] | None = None
    password: str | None = field(default=None, repr=False)
    ca: str | os.PathLike[str] | bytes | None = None
    verify: bool = True
    client_auth: Literal["none", "optional", "required"] = "none"
    alpn: str | tuple[str, ...] = ()
    context: ssl.SSLContext | None = None

    name: ClassVar[str] = "tls"
    kind: ClassVar[Kind] = Kind.SESSION
    placement: ClassVar[Placement] = Placement.HOP
    stateful: ClassVar[bool] = True
    mends: ClassVar[Mapping[str, str]] = {
        "reliable": "Use Dtls() or Quic() over {below}, or put {layer} over Tcp."
    }
    secrets: ClassVar[frozenset[str]] = frozenset({"password"})

    def __post_init__(self) -> None:
        for option in ("cert", "key", "ca"):
            value = getattr(self, option)
            if value is not None:
                object.__setattr__(self, option, os.fspath(value))
        if isinstance(self.alpn, str):
            object.__setattr__(self, "alpn", (self.alpn,))
        self._check()

    def _check(self) -> None:
        """Refuse options that contradict each other."""
        if self.server_name == "":
            raise _refused("server_name", "the empty name is no server's name")
        for protocol in self.alpn:
            if not (protocol.isascii() and 1 <= len(protocol) <= 255):
                raise _refused(
                    "alpn", f"alpn={protocol!r}: a protocol has 1 to 255 ASCII characters"
                )
        if self.context is not None:
            import ssl  # whoever has a context has imported it

            if not isinstance(self.context, ssl.SSLContext):
                raise _refused("context", f"context is an SSLContext, not {self.context!r}")
            mixed = [
                entry.name
                for entry in fields(self)
                if entry.name not in ("server_name", "context")
                and getattr(self, entry.name) != entry.default
            ]
            if mixed:
                what = f"context= stands in place of {', '.join(mixed)}: set these on the context"
                raise _refused("context", what)
        if self.key is not None and self.cert is None:
            raise _refused("key", "a key without a certificate: give cert= too")
        if self.client_auth != "none" and self.ca is None:
            what = f"client_auth={self.client_auth!r} needs ca=: whose certificates are good for clients"
            raise _refused("client_auth", what)

    @property
    def requires(self) -> tuple[Requirement, ...]:
        return (replace(STREAM, duplex=Duplex.BOTH),)

    def derive(self, below: Capabilities) -> Capabilities:
        """The record for a listener and a dialler alike: a certificate counts if both would have seen one.

        The session that comes about may know more: see ``opened`` of the layer. Sizes and round trips are those of
        TLS 1.3; with TLS 1.2 the handshake takes one round trip more.
        """
        peer_auth = Auth.CERTIFICATE if self._always_certified else Auth.NONE
        return below.with_head(
            5,
            17,
            session=True,
            half_close=HalfClose.NATIVE,
            clean_end=CleanEnd.AUTHENTICATED,
            peer_auth=max(below.peer_auth, peer_auth),
            confidential=max(below.confidential, Confidential.HOP),
            integrity=max(below.integrity, Integrity.HOP),
            replay_safe=True,
            features=FEATURES,
            setup_rtts=below.setup_rtts + 1,
        )

    @property
    def _always_certified(self) -> bool:
        """Whether no session comes about without a good certificate of the peer, whichever end this is."""
        if self.context is not None:
            return self.context.verify_mode.name == "CERT_REQUIRED"
        return self.verify and (self.cert is None or self.client_auth == "required")

    @property
    def header(self) -> tuple[Header, ...]:
        return (
            Header(
                "type",
                1,
                "14 change cipher spec, 15 alert, 16 handshake, 17 anything, once encrypted",
            ),
            Header("version", 2, "0303, whatever the version is"),
            Header("length", 2, "of what follows, big-endian"),
            Header(
                "tag",
                17,
                "after the ciphertext: the real type, and 16 octets that authenticate all",
            ),
        )

    @property
    def doubts(self) -> tuple[str, ...]:
        if self.verify:
            return ()
        return (
            "Tls(verify=False) takes any certificate: whoever is on the way can pose as the server.",
        )

    def prepare(self, role: Role) -> None:
        """Load certificates and keys, so that a missing one is told to who dials or listens, and not to each peer."""
        if role is Role.LISTENER:
            _ = self.server_context
        else:
            _ = self.client_context

    def build(self, build: Build) -> Layer:
        """A session over one connection.

        Raises:
            StackError: a file cannot be used; a listener has no certificate; a dialler knows no name to check.
        """
        from .tls_layer import TlsLayer

        if build.role is Role.LISTENER:
            return TlsLayer(self, self.server_context, server=True)
        name = self.server_name or getattr(build.transport, "host", None) or None
        context = self.client_context
        if name is None and context.check_hostname:
            raise _refused(
                "server_name",
                f"{build.transport.name} names no host, so which certificate is right? "
                "Give Tls(server_name=…), or verify=False to take any",
            )
        return TlsLayer(self, context, name=name)

    @cached_property
    def client_context(self) -> ssl.SSLContext:
        """What all connections that this end dials share; made once."""
        from .tls_context import client_context

        return self.context or client_context(self)

    @cached_property
    def server_context(self) -> ssl.SSLContext:
        """What all connections that this end accepts share; made once."""
        from .tls_context import server_context

        return self.context or server_context(self)


def _refused(field: str, what: str) -> StackError:
    return StackError(f"tls: {what}", layer="tls", field=field)
