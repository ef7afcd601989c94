"""The thread that sends."""

from __future__ import annotations

from collections.abc import Iterator

from sockstack import Closed
from sockstack.cli.feeder import Feeder

WORDS = (b"one", b"two")


def test_it_sends_all_and_says_when_it_is_done() -> None:
    calls: list[object] = []
    feeder = Feeder(WORDS, calls.append, lambda: calls.append("done"), lambda: calls.append("no"))
    feeder.run()
    assert calls == [*WORDS, "done"]
    assert feeder.error is None


def test_a_failure_is_kept_and_told() -> None:
    calls: list[object] = []
    failure = Closed("gone")

    def send(word: bytes) -> None:
        raise failure

    feeder = Feeder(WORDS, send, lambda: calls.append("done"), lambda: calls.append("no"))
    feeder.run()
    assert calls == ["no"]
    assert feeder.error is failure


def test_once_stopped_it_sends_no_more_and_fails_no_more() -> None:
    calls: list[object] = []

    def words() -> Iterator[bytes]:
        yield b"one"
        feeder.stop()
        yield b"two"

    feeder = Feeder(words(), calls.append, lambda: calls.append("done"), lambda: calls.append("no"))
    feeder.run()
    assert calls == [b"one"]

    def send(word: bytes) -> None:
        feeder.stop()
        raise Closed("by the main thread")

    feeder = Feeder(WORDS, send, lambda: calls.append("done"), lambda: calls.append("no"))
    feeder.run()
    assert calls == [b"one"]
    assert feeder.error is None
