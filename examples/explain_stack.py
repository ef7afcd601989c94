"""What a stack promises, layer by layer, and what becomes of one that cannot work. Nothing is opened here."""

from __future__ import annotations

from sockstack import Checksum, Line, Prefix, Req, Sp, StackError, Tcp, Tls, parse


def main() -> None:
    stack = Checksum() | Req() | Sp() | Tls(server_name="example.org") | Tcp("example.org:5555")
    print(stack.explain())
    print()

    text = str(stack)
    print(f"as text: {text}")
    assert parse(text) == stack, "the text describes another stack"
    print()

    # A line ends at its first newline, and checksums may hold one: this would break one day. It is refused today.
    print("Checksum() | Line() | Tcp(…):")
    try:
        refused = Checksum() | Line() | Tcp("example.org:7")
    except StackError as error:
        print(error)
    else:
        raise AssertionError(f"it was not refused: {refused}")
    print()

    mended = Checksum() | Prefix(4) | Tcp("example.org:7")
    print(f"what was advised works: {mended}")


if __name__ == "__main__":
    main()
