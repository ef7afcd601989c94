"""What OpenSSL reports, as errors that say what was wrong and what would mend it."""

from __future__ import annotations

import re
import ssl
from typing import Any

from ..core.errors import (
    AuthenticationFailed,
    IncompatiblePeer,
    RemoteProtocolError,
    SockstackError,
)

__all__ = ["fault_of"]

EXPIRED, NOT_YET = 10, 9
SELF_SIGNED = (18, 19)
UNKNOWN_ISSUER = (2, 20, 21)
WRONG_NAME = (62, 64)
"""Results of a verification, as OpenSSL numbers them (X509_V_ERR_…)."""

REFUSALS = {
    "bad certificate": "the peer found it faulty, or reached this end by a name that it does not hold",
    "unsupported certificate": "the peer cannot use its kind, or not for this end of a connection",
    "certificate revoked": "it has been revoked",
    "certificate expired": "it is out of date, or the peer's clock is",
    "certificate unknown": "the peer does not say why",
    "unknown ca": "the peer does not trust the CA that issued it: give that CA to the peer",
    "access denied": "it is good, but its holder may not connect",
    "certificate required": "none was shown, and the peer asks for one: Tls(cert=…, key=…)",
}
"""Alerts about a certificate (RFC 8446, section 6.2), and what each means for the end that receives it."""

DISAGREEMENTS = {
    "handshake failure": "no cipher or curve in common, or it asks for a certificate: Tls(cert=…, key=…)",
    "protocol version": "it takes none of the TLS versions that this end offers",
    "insufficient security": "it wants stronger ciphers than this end offers",
    "inappropriate fallback": "it has a newer TLS version than this end tries",
    "unrecognized name": "it does not serve the name that it was asked for: Tls(server_name=…)",
    "no application protocol": "none of the protocols that were offered is one it speaks: Tls(alpn=…)",
}
"""Alerts that say that the two ends cannot agree."""

SHOWN = 8
"""Octets that an error shows of a peer that speaks something else."""

ALERT = re.compile(r"\b(?:sslv3|tlsv1|tlsv13|ssl/tls) (?:alert )?([a-z ]+)")
"""How OpenSSL words an alert of the peer. Not all of them have a symbol."""

OUTDATED = ("UNSUPPORTED_PROTOCOL", "WRONG_SSL_VERSION", "VERSION_TOO_LOW", "VERSION_TOO_HIGH")
NOTHING_COMMON = ("NO_SHARED_CIPHER", "NO_SUITABLE_KEY_SHARE", "NO_SHARED_SIGNATURE_ALGORITHMS")


def fault_of(
    error: ssl.SSLError, session: ssl.SSLObject, *, server: bool, begun: bytes
) -> SockstackError:
    """The declared error for one of OpenSSL's.

    Args:
        error: what was raised.
        session: by whom.
        server: whether this end listens.
        begun: the first octets that the peer sent.
    """
    fault = _fault_of(error, session, server, begun)
    fault.__cause__ = error
    return fault


def _fault_of(
    error: ssl.SSLError, session: ssl.SSLObject, server: bool, begun: bytes
) -> SockstackError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return AuthenticationFailed(_verdict(error, session, server))
    alert = ALERT.search(str(error))
    if alert:
        return _of_alert(alert[1].strip())
    reason = getattr(error, "reason", None) or ""
    if reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
        return AuthenticationFailed(
            "the client showed no certificate, and client_auth='required' asks for one"
        )
    if reason == "HTTP_REQUEST":
        return RemoteProtocolError(
            "the peer sent a plain HTTP request to a TLS port: use https there"
        )
    if begun and not _like_tls(begun):
        return RemoteProtocolError(
            f"the peer does not speak TLS: it began with {begun[:SHOWN]!r}. "
            "Take Tls off at this end, or put it on at the other, or use another port"
        )
    if reason in OUTDATED:
        return IncompatiblePeer("the peer offers no TLS version that this end takes (1.2 or newer)")
    if reason in NOTHING_COMMON:
        return IncompatiblePeer("the peer offers no cipher or curve that this end can use")
    if isinstance(error, ssl.SSLWantReadError):
        return RemoteProtocolError("the peer began to renegotiate, which is not supported")
    what = reason.replace("_", " ").lower() or str(error)
    return RemoteProtocolError(f"the peer broke the rules of TLS: {what}")


def _like_tls(begun: bytes) -> bool:
    """Whether these may be the first octets of a TLS record."""
    return 20 <= begun[0] <= 23 and begun[1:2] in (b"", b"\x03")


def _of_alert(alert: str) -> SockstackError:
    """The peer ended it, and said why."""
    if alert in REFUSALS:
        return AuthenticationFailed(
            f"the peer refused the certificate of this end ({alert}): {REFUSALS[alert]}"
        )
    if alert in DISAGREEMENTS:
        return IncompatiblePeer(f"the peer refused ({alert}): {DISAGREEMENTS[alert]}")
    return RemoteProtocolError(f"the peer ended the session with the alert {alert!r}")


def _verdict(error: ssl.SSLCertVerificationError, session: ssl.SSLObject, server: bool) -> str:
    """Why the peer's certificate was refused, and what to do."""
    whose = "the client's certificate" if server else "the server's certificate"
    shown = _shown(session)
    code = error.verify_code
    if code in WRONG_NAME:
        names = ", ".join(value for _, value in shown.get("subjectAltName", ()))
        holds = f"it holds {names}" if names else "see which names it holds"
        return (
            f"{whose} is good, but not for {session.server_hostname!r}: {holds}. "
            "Dial by such a name, or give Tls(server_name=…)"
        )
    if code in SELF_SIGNED:
        return f"{whose} is signed by nobody else: if it is yours, give it: Tls(ca=…)"
    if code in UNKNOWN_ISSUER:
        issuer = ", ".join(value for entry in shown.get("issuer", ()) for _, value in entry)
        by = f" ({issuer})" if issuer else ""
        return (
            f"{whose} was issued by a CA that is not trusted here{by}: give the CA's certificate, "
            "Tls(ca=…), or have the peer send the certificates between"
        )
    if code == EXPIRED:
        return (
            f"{whose} expired on {shown.get('notAfter', 'a day before this')}: it must be renewed"
        )
    if code == NOT_YET:
        since = shown.get("notBefore", "a day after this")
        return f"{whose} is not good before {since}: is the clock of this machine right?"
    return f"{whose} was refused: {error.verify_message}"


def _shown(session: ssl.SSLObject) -> dict[str, Any]:
    """The peer's unverified certificate, decoded, for error texts only; {} where this Python does not tell."""
    try:
        chain = session._sslobj.get_unverified_chain()  # type: ignore[attr-defined]
        decoded: dict[str, Any] = chain[0].get_info()
    except (AttributeError, TypeError, IndexError, ValueError):
        return {}
    return decoded
