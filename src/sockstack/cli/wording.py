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


def in_options(text: str) -> str:
    """The text with options of the command in the place of Python.

    An option that the command has not can be given in a URL, and it says how.
    """
    text = _LAYER.sub(_of_layer, text)
    text = _OPTION.sub(lambda found: OPTIONS[found[1]], text)
    return _FILE.sub(lambda found: f"{OPTIONS[found[1]]}: ", text)


def _of_layer(found: re.Match[str]) -> str:
    layer = found[1].lower()
    names = [each.partition("=") for each in found[2].split(", ")]
    return " and ".join(
        OPTIONS.get(name) or f"?{layer}.{name}={value} in the URL" for name, _, value in names
    )
