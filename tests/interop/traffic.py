"""The messages that pass between a peer and us: both sides make them, and compare."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["PLANS", "body", "messages"]

PLANS: dict[str, list[int]] = {
    "sizes": [0, 1, (64 << 10) - 1, 1 << 20],
    "large": [0, 1, 63, 64, 1 << 10, (64 << 10) - 1, 1 << 20, 16 << 20],
    "order": [16] * 100_000,
    "leaving": [1 << 20] * 100,
    "many": [64] * 10_000,
    "some": [64] * 400,
    "topics": [16] * 4,
    "few": [0, 5, 1000],
}
"""Sizes of the messages of a test, in order."""

PATTERN = bytes(range(251)) * ((16 << 20) // 251 + 2)


def body(number: int, size: int) -> bytes:
    """Message number ``number``, of ``size`` bytes: its number if there is room, then bytes that depend on it."""
    head = number.to_bytes(8, "big")[:size] if size >= 8 else b""
    start = number % 251
    return head + PATTERN[start : start + size - len(head)]


def messages(plan: str) -> Iterator[bytes]:
    """All messages of a plan."""
    return (body(number, size) for number, size in enumerate(PLANS[plan]))
