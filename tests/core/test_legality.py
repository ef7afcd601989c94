"""The tables of legal and illegal stacks, as text, with the reason for each refusal.

A row whose layers are not all here yet is listed by name in ``PENDING``. The day its last layer can be had, a test asks
for its line in ``PENDING`` to go, and then the row is tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

import pytest

from sockstack.core.capabilities import Auth, Confidential, HalfClose, Integrity, Unit
from sockstack.core.errors import StackError, StackWarning
from sockstack.core.registry import layer_class
from sockstack.core.text import parse

LEGAL = {
    # As their protocols have it.
    "L1 SP over TCP": "req | sp | tcp(h:1)",
    "L2 SP over WebSocket": "req | sp | ws | tls | tcp(h:1)",
    "L3 records over encryption over a local stream": "prefix | noise(psk=k) | unix(/s)",
    "L4 each message encrypted, no handshake": "encrypt(keyfile=k) | prefix | tcp(h:1)",
    "L5 whole messages repaired": "arq | fragment | dtls | udp(h:1)",
    "L6 each piece repaired": "fragment | arq | dtls | udp(h:1)",
    "L7 TLS through a WebSocket gateway": "tls | deframe | ws | tls | tcp(h:1)",
    "L8 HTTP/2": "http2 | tls(alpn=h2) | tcp(h:1)",
    "L9 a mux over WebSocket": "muxado | ws | tls | tcp(h:1)",
    "L10 a group key over multicast": "pub | encrypt(keyfile=k) | multicast(239.0.0.1:9)",
    "L11 signed and compressed, one way": "sign(keyfile=k) | compress | prefix | pipe((3, 4))",
    "L12 a server under test through a subprocess": "ws | fd((3, 4))",
    "L13 SP over seqpacket": "push | sp | tag | seqpacket(/s)",
    # With what is here.
    "SP over a Unix socket": "rep | sp | unix(/s)",
    "SP in one process": "pull | sp | inproc(name)",
    "SP over TLS": "push | sp | tls | tcp(h:1)",
    "an end filter over SP": "checksum | req | sp | tcp(h:1)",
    "a filter on each hop": "checksum | prefix | tls | tcp(h:1)",
    "messages over a descriptor": "prefix | fd(3)",
    "lines": "line | tcp(h:1)",
    "a bare stream": "tls | unix(/s)",
    "messages in one process": "checksum | inproc(name)",
    "a stack without a transport": "checksum | req | sp",
    "a trace anywhere": "trace | req | trace | sp | trace | tls | trace | tcp(h:1)",
    "a trace over messages": "trace | prefix | trace | unix(/s)",
}


class Refusal(NamedTuple):
    """A stack, and who refuses it, why, and what would mend it."""

    text: str
    layer: str
    field: str
    mend: str | None


ILLEGAL = {
    "X1 TLS over datagrams": Refusal(
        "tls | udp(h:1)", "tls", "unit", "Use Dtls() or Quic() over Udp, or put Tls over Tcp."
    ),
    "X2 DTLS over a stream": Refusal("dtls | tcp(h:1)", "dtls", "unit", "Prefix"),
    "X3 a framer over messages": Refusal(
        "prefix | ws | tcp(h:1)", "prefix", "unit", "Remove Prefix"
    ),
    "X4 WebSocket over datagrams": Refusal("ws | unixdgram(/s)", "ws", "unit", "Tcp"),
    "X5 a running compressor over loss": Refusal(
        "compress(streaming=true) | udp(h:1)", "compress", "reliable", "message"
    ),
    "X6 a running nonce for a group": Refusal(
        "encrypt(keyfile=k, nonce=counter) | multicast(239.0.0.1:9)", "encrypt", "nodup", "random"
    ),
    "X7 acknowledgements from a group": Refusal(
        "arq | multicast(239.0.0.1:9)", "arq", "peers", None
    ),
    "X8 repair of what is reliable": Refusal(
        "arq | prefix | tcp(h:1)", "arq", "reliable", "Remove Arq."
    ),
    "X9 replies from a group": Refusal("req | sp | multicast(239.0.0.1:9)", "req", "peers", None),
    "X10 a switch over a mux": Refusal(
        "upgrade | muxado | tcp(h:1)", "upgrade", "unit", "on a stream of the session"
    ),
    "X13 a signature where devices rewrite": Refusal(
        "req | sign(keyfile=k) | sp | tcp(h:1)", "sign", "R4", "Put Sign above Req."
    ),
    "X14 encryption of each hop above what devices read": Refusal(
        "tls | req | sp | tcp(h:1)", "tls", "R4", "Put Tls below Req."
    ),
    "X15 two transports": Refusal("tcp(h:1) | unix(/s)", "tcp", "R1", "Take Tcp away."),
    "X16 any bytes in lines, from a pattern": Refusal(
        "push | sp | line | tcp(h:1)", "sp", "any_bytes", "Remove Line: Sp can stand on Tcp."
    ),
    "X16 any bytes in lines, from a filter": Refusal(
        "checksum | line | tcp(h:1)", "checksum", "any_bytes", "Put Prefix() in the place of Line."
    ),
    "X17 a queue as a session both ways": Refusal(
        "tls | deframe | mq(/q)", "deframe", "duplex", None
    ),
    "X20 descriptors through TLS": Refusal(
        "descriptors | tls | unix(/s)", "descriptors", "features", "Put Descriptors below Tls."
    ),
    "X21 a text mark across request ids": Refusal(
        "opcode | req | sp | ws | tcp(h:1)", "opcode", "features", None
    ),
    # With what is here.
    "a pattern without a mapping": Refusal(
        "req | tcp(h:1)", "req", "unit", "Put Sp() between Req and Tcp."
    ),
    "a pattern over messages": Refusal(
        "req | inproc(name)", "req", "features", "Put Sp() between Req and Inproc."
    ),
    "two framers": Refusal(
        "prefix | prefix | tcp(h:1)",
        "prefix",
        "unit",
        "Remove Prefix: Prefix gives messages already.",
    ),
    "a framer under SP": Refusal(
        "req | sp | prefix | tcp(h:1)", "sp", "features", "Remove Prefix: Sp can stand on Tcp."
    ),
    "TLS over messages": Refusal("tls | prefix | tcp(h:1)", "tls", "unit", "Put Tls below Prefix."),
    "a filter of messages over a stream": Refusal(
        "checksum | tcp(h:1)", "checksum", "unit", "Put Prefix() between Checksum and Tcp."
    ),
    "a framer above a pattern": Refusal(
        "prefix | req | sp | tcp(h:1)", "prefix", "R4", "Put Prefix below Req."
    ),
    "a transport in the middle": Refusal(
        "tcp(h:1) | prefix", "tcp", "R1", "Put Tcp at the bottom: the transport comes last."
    ),
    "two patterns": Refusal("rep | req | sp | tcp(h:1)", "rep", "R4", "Take Rep away"),
}

LINT = {
    "X18 pieces of what has no limit": ("fragment | prefix | tcp(h:1)", "nothing to do"),
    "X19 compression of what is encrypted": (
        "encrypt(keyfile=k) | compress | prefix | tcp(h:1)",
        "does not get smaller",
    ),
    "TLS that checks nobody": ("prefix | tls(verify=false) | tcp(h:1)", "takes any certificate"),
    "encryption twice": ("tls | tls | tcp(h:1)", "one of them is enough"),
}

TAKEN_APART = {
    "X11 a running compressor, detached": "compress(streaming=true) | prefix | tcp(h:1)",
    "X12 TLS put below what runs": "starttls | tcp(h:1)",
}
"""Not refused when they are composed, but when they are taken apart; the tests of chains hold the rule."""

PENDING = {
    "L2",
    "L3",
    "L4",
    "L5",
    "L6",
    "L7",
    "L8",
    "L9",
    "L10",
    "L11",
    "L12",
    "L13",
    "X1",
    "X2",
    "X3",
    "X4",
    "X5",
    "X6",
    "X7",
    "X8",
    "X9",
    "X10",
    "X12",
    "X13",
    "X17",
    "X18",
    "X19",
    "X20",
    "X21",
}
"""Rows that wait for layers."""

TEXTS = {
    **LEGAL,
    **{row: refusal.text for row, refusal in ILLEGAL.items()},
    **{row: text for row, (text, _) in LINT.items()},
    **TAKEN_APART,
}


def number(row: str) -> str:
    return row.split()[0]


def here(rows: Iterable[str]) -> list[str]:
    """The rows that do not wait."""
    return [row for row in rows if number(row) not in PENDING]


def unknown(text: str) -> list[str]:
    """The layers in the text that cannot be had yet."""
    names = []
    for part in text.split("|"):
        name = re.match(r"\s*(\w+)", part)
        assert name is not None
        try:
            layer_class(name[1])
        except StackError:
            names.append(name[1])
    return names


@pytest.mark.parametrize("row", TEXTS)
def test_rows_wait_for_layers_that_are_not_here_and_no_longer(row: str) -> None:
    waits = unknown(TEXTS[row])
    if number(row) in PENDING:
        assert waits, f"all layers of {row} are here: take {number(row)} out of PENDING"
    else:
        assert not waits, f"{row} needs {waits}"


def test_every_row_of_the_tables_is_here() -> None:
    numbers = [number(row) for row in TEXTS]
    assert set(numbers) >= {f"L{n}" for n in range(1, 14)} | {f"X{n}" for n in range(1, 22)}
    assert set(numbers) >= PENDING


@pytest.mark.parametrize("row", here(LEGAL))
def test_legal(row: str) -> None:
    stack = parse(LEGAL[row])
    assert stack.complete == ("without a transport" not in row)
    assert parse(str(stack)) == stack


@pytest.mark.parametrize("row", here(ILLEGAL))
def test_illegal(row: str) -> None:
    text, layer, field, mend = ILLEGAL[row]
    with pytest.raises(StackError) as caught:
        parse(text)
    error = caught.value
    assert (error.layer, error.field) == (layer, field)
    if mend is None:
        assert error.mend is None
    else:
        assert error.mend is not None
        assert mend in error.mend
    assert "← here" in error.picture


@pytest.mark.parametrize("row", here(LINT))
def test_doubtful(row: str) -> None:
    text, finding = LINT[row]
    with pytest.warns(StackWarning, match=finding):
        parse(text)


def test_what_some_stacks_promise() -> None:
    record = parse("checksum | req | sp | tls | tcp(h:1)").records[0]
    assert record.unit is Unit.MESSAGE
    assert record.confidential is Confidential.HOP
    assert record.integrity is Integrity.HOP
    assert record.peer_auth is Auth.CERTIFICATE
    assert record.half_close is HalfClose.NATIVE
    assert record.tail == 17 + 4
    local = parse("sp | unix(/s)").records[0]
    assert (local.head, local.peer_auth) == (9, Auth.OS_CREDENTIAL)
