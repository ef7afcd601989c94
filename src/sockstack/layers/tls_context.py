"""SSL contexts from the options of :class:`~sockstack.layers.tls.Tls`."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

from ..core.errors import StackError

if TYPE_CHECKING:
    from .tls import Tls

__all__ = ["client_context", "server_context"]


def client_context(spec: Tls) -> ssl.SSLContext:
    """What connections that are dialled share.

    Raises:
        StackError: a file cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not spec.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif spec.ca is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        _trust(context, spec)
    return _finish(context, spec)


def server_context(spec: Tls) -> ssl.SSLContext:
    """What connections that are accepted share.

    Raises:
        StackError: there is no certificate, or a file cannot be used.
    """
    if spec.cert is None:
        raise StackError(
            "tls: to listen takes a certificate: Tls(cert=…, key=…)", layer="tls", field="cert"
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if spec.client_auth != "none":
        required = spec.client_auth == "required"
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
        _trust(context, spec)
    return _finish(context, spec)


def _finish(context: ssl.SSLContext, spec: Tls) -> ssl.SSLContext:
    """What both ends have in common."""
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    if spec.alpn:
        context.set_alpn_protocols(list(spec.alpn))
    if spec.cert is not None:
        cert, key = str(spec.cert), None if spec.key is None else str(spec.key)

        def password() -> str:
            """Answers OpenSSL, which would ask on the terminal."""
            if spec.password is None:
                what = f"tls: the key in {key or cert} is encrypted: Tls(password=…)"
                raise StackError(what, layer="tls", field="password")
            return spec.password

        try:
            context.load_cert_chain(cert, key, password)
        except StackError:
            raise
        except (OSError, ValueError) as error:
            what = cert if key is None else f"{cert} with {key}"
            raise _unusable("cert", what, error, _lacking(spec)) from error
    return context


def _lacking(spec: Tls) -> str:
    """What may be wrong with a certificate and its key, where OpenSSL does not say."""
    if spec.password is not None:
        return "the password is wrong, or a certificate or its private key is missing"
    if spec.key is not None:
        return "the one is no certificate, or the other no private key, in PEM"
    return "it must hold a certificate and its private key, in PEM; Tls(key=…) takes the key from another file"


def _trust(context: ssl.SSLContext, spec: Tls) -> None:
    """Take the CAs of the spec for good, and no others."""
    ca = spec.ca
    try:
        if isinstance(ca, bytes):
            context.load_verify_locations(cadata=ca.decode("ascii"))
        elif ca is not None and os.path.isdir(ca):
            context.load_verify_locations(capath=ca)
        else:
            context.load_verify_locations(cafile=ca)
    except (OSError, ValueError) as error:
        what = "what was given" if isinstance(ca, bytes) else str(ca)
        raise _unusable("ca", what, error) from error


def _unusable(field: str, what: str, error: OSError | ValueError, lacking: str = "") -> StackError:
    if lacking and "PEM lib" in str(error):
        why = lacking
    elif getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
        why = "the key belongs to another certificate"
    elif isinstance(error, ssl.SSLError) or not isinstance(error, OSError):
        why = str(error)
    else:
        why = error.strerror or str(error)
    return StackError(f"tls: {field}: {what} cannot be used: {why}", layer="tls", field=field)
