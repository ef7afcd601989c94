"""What the library says about options of layers, in the words of ``sockstack cat``, whose options made the layers."""

from __future__ import annotations

import re

__all__ = ["in_options"]

OPTIONS = {
    "ca": "--cacert",
    "cert": "--cert",
    "key": "--key",
    "verify": "--insecure",
    "max_size": "--recv-maxsz",
}
"""By the name that an option has in its layer."""

_LAYER = re.compile(r"\b(Tls|Sp)\((\w+=[^()]*)\)")
_OPTION = re.compile(r"(?<![\w.(])(ca|cert|key|verify)=(?:…|False)?(?=[\s,:.]|$)")
_FILE = re.compile(r"^tls: (ca|cert): ")
_NO_PEM = re.compile(r"\[SSL\] PEM lib.*")
"""What OpenSSL says of a file that lacks something, without saying what."""


def in_options(text: str) -> str:
    """The text with options of the command in the place of Python.

    An option that the command has not can be given in a URL, and it says how.
    """
    text = _LAYER.sub(_of_layer, text)
    text = _OPTION.sub(lambda found: OPTIONS[found[1]], text)
    file = _FILE.match(text)
    if file is None:
        return text
    if " with " in text:
        lack = "the one is no certificate, or the other no private key, in PEM"
    else:
        lack = "it must hold a certificate and its private key, in PEM; --key takes the key from another file"
    return _NO_PEM.sub(lack, _FILE.sub(f"{OPTIONS[file[1]]}: ", text))


def _of_layer(found: re.Match[str]) -> str:
    layer = found[1].lower()
    names = [each.partition("=") for each in found[2].split(", ")]
    return " and ".join(
        OPTIONS.get(name) or f"?{layer}.{name}={value} in the URL" for name, _, value in names
    )
