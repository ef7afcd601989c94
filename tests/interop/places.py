"""Where a peer and we meet: URLs as others write them, and as we do where TLS needs options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme

__all__ = ["NAME", "Place", "make_certificates"]

NAME = "localhost"


@dataclass(frozen=True)
class Place:
    """Where to listen.

    Attributes:
        url: for whoever listens; the port of TCP is 0.
        certificates: directory with ``ca.pem`` and ``end.pem``; empty if there is no TLS.
    """

    url: str
    certificates: str = ""

    @property
    def listen(self) -> str:
        """The URL for a listener of ours."""
        return f"{self.url}?tls.cert={self.certificates}/end.pem" if self.certificates else self.url

    def dial(self, url: str) -> str:
        """The URL for a dialer of ours that reaches a listener of theirs."""
        if not self.certificates:
            return url
        return f"{url}?tls.ca={self.certificates}/ca.pem&tls.server_name={NAME}"

    def of(self, listener: Any) -> str:
        """The URL for a dialer of theirs that reaches a listener of ours."""
        scheme, _, rest = self.url.partition("://")
        return f"{scheme}://{listener.address}" if rest.endswith(":0") else self.url


def make_certificates(directory: Path) -> Path:
    """An authority, and one end with its key."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    end = authority.issue_cert(NAME).private_key_and_cert_chain_pem
    end.write_to_path(str(directory / "end.pem"))
    return directory
