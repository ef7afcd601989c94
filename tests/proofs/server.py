"""A process that answers requests until it is killed: ``python -m tests.proofs.server STACK URL``.

It prints where it listens, and answers a number with its square. ``STACK`` is a pattern and what stands on it, as text.
"""

from __future__ import annotations

import sys

from sockstack import Socket, parse

__all__ = ["main"]


def main(stack: str, url: str) -> None:
    """Be the server."""
    with Socket(parse(stack)) as rep:
        print(rep.listen(url).address, flush=True)
        for request in rep:
            rep.send(b"%d" % int(request) ** 2)


if __name__ == "__main__":
    main(*sys.argv[1:])
