"""Composing: what ``|`` makes, and what it refuses to take."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

import pytest

from sockstack.core.capabilities import Unit
from sockstack.core.errors import StackError
from sockstack.core.spec import (
    Build,
    Composable,
    Kind,
    LayerSpec,
    Placement,
    Role,
    Same,
    Stack,
    layers_of,
)
from sockstack.layers.checksum import Checksum
from sockstack.layers.prefix import Prefix
from sockstack.layers.sp import Sp
from sockstack.patterns.reqrep import Req
from sockstack.transports.tcp import Tcp

from .fakes import Passer, Plain, Secure, Wire
from .rig import Nowhere


def test_layers_stand_in_the_order_written() -> None:
    stack = Checksum() | Prefix() | Secure() | Wire()
    assert isinstance(stack, Stack)
    assert stack.layers == (Checksum(), Prefix(), Secure(), Wire())
    assert stack.complete
    assert [record.unit for record in stack.records] == [
        Unit.MESSAGE,
        Unit.MESSAGE,
        Unit.STREAM,
        Unit.STREAM,
    ]


def test_how_a_stack_was_put_together_does_not_matter() -> None:
    upper, lower = Checksum() | Prefix(), Secure() | Wire()
    whole = upper | lower
    assert whole == Checksum() | Prefix() | Secure() | Wire()
    assert hash(whole) == hash(Checksum() | Prefix() | Secure() | Wire())
    assert whole != Checksum() | Prefix(2) | Secure() | Wire()


def test_without_a_transport_a_stack_is_not_complete() -> None:
    stack = Req() | Sp()
    assert isinstance(stack, Stack)
    assert not stack.complete
    assert stack.records == ()


def test_a_stack_of_one_layer() -> None:
    assert (Prefix() | Wire()) == Stack((Prefix(), Wire()))
    assert Stack((Wire(),)).complete
    with pytest.raises(StackError, match="at least one layer"):
        Stack(())


@pytest.mark.parametrize("above", [Prefix(), Secure(), Checksum(), Prefix() | Secure()])
def test_nothing_else_can_be_put_below_or_above(above: Composable) -> None:
    for other in (None, 3, b"tcp", int, int | str):
        with pytest.raises(TypeError, match="unsupported operand"):
            above | other  # type: ignore[operator]
        with pytest.raises(TypeError, match="unsupported operand"):
            other | above  # type: ignore[operator]


class Knowing:
    """Somebody else's class, which knows what to do with a layer."""

    def __or__(self, other: object) -> str:
        return "above"

    def __ror__(self, other: object) -> str:
        return "below"


def test_others_may_know_what_to_do_with_a_layer() -> None:
    assert Prefix() | Knowing() == "below"
    assert Knowing() | Prefix() == "above"


@pytest.mark.parametrize(
    ("compose", "hint"),
    [
        (
            lambda: Prefix | Wire(),
            "Prefix is neither a layer nor a stack, but a class: write Prefix()",
        ),
        (lambda: Prefix() | Wire, "Wire is neither a layer nor a stack, but a class: write Wire()"),
        (lambda: Prefix() | Tcp, "Tcp is neither .* a class: write Tcp(…)"),
        (lambda: Sp | Prefix() | Wire(), "Sp is neither .* write Sp()"),
        (lambda: Req | Sp | Wire(), "Req | Sp is neither .* a class: write Req() | Sp()"),
        (lambda: Req() | (Sp | Tcp), "Sp | Tcp is neither .* a class: write Sp() | Tcp(…)"),
        (lambda: (Req() | Sp()) | Tcp, "write Tcp(…)"),
        (
            lambda: Prefix() | "tcp(h:1)",  # type: ignore[operator]
            "'tcp(h:1)' is neither .*: a text of layers is read by parse('tcp(h:1)')",
        ),
        (lambda: "prefix" | Wire(), "'prefix' is neither .* read by parse('prefix')"),  # type: ignore[operator]
        (
            lambda: Prefix() | "tcp://h:1",  # type: ignore[operator]
            "'tcp://h:1' is neither .*: a URL is for a socket, Socket(Req(), dial='tcp://h:1'); "
            "here write Prefix() | Tcp(…)",
        ),
        (lambda: layers_of(Req), "Req is neither .* write Req()"),
        (lambda: layers_of(Req | Sp), "write Req() | Sp()"),
        (lambda: layers_of("prefix"), "'prefix' is neither .* parse('prefix')"),
        (lambda: layers_of("tcp://h:1"), "'tcp://h:1' is neither .* a URL is for a socket"),
        (lambda: layers_of(None), "None is neither a layer nor a stack$"),
        (lambda: layers_of(int), "<class 'int'> is neither a layer nor a stack$"),
    ],
)
def test_who_meant_a_layer_is_told_what_to_write(compose: Callable[[], object], hint: str) -> None:
    expected = ".*".join(map(re.escape, hint.removesuffix("$").split(".*")))
    with pytest.raises(TypeError, match=expected + ("$" if hint.endswith("$") else "")):
        compose()


def test_layers_of() -> None:
    assert layers_of(Prefix()) == (Prefix(),)
    assert layers_of(Prefix() | Wire()) == (Prefix(), Wire())


def test_specs_and_stacks_cannot_be_changed() -> None:
    stack = Prefix() | Wire()
    assert isinstance(stack, Stack)
    with pytest.raises(dataclasses.FrozenInstanceError):
        stack.layers = ()  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        Prefix().size = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    "part", [Prefix(2), Secure(), Checksum(), Passer(), Prefix() | Wire(), Secure() | Passer()]
)
def test_everything_prints_and_explains_itself(part: Composable) -> None:
    assert str(part) == " | ".join(map(str, part.layers))
    if Passer() not in part.layers:
        assert str(part) in part.explain()


def test_same_keeps_what_stands_below() -> None:
    assert isinstance(Secure(), Same)
    assert (Secure() | Plain()).layers == (Secure(), Plain())
    assert (Plain() | Prefix() | Secure() | Wire()).layers[1] == Prefix()


def test_what_a_layer_declares_by_default() -> None:
    layer = Wire()
    assert layer.layers == (layer,)
    assert layer.requires == ()
    assert layer.header == ()
    assert layer.placement is Placement.ANY
    assert layer.doubts == ()
    facts = ("expanding", "stateful", "establishes", "compresses", "probes")
    assert not any(getattr(layer, fact) for fact in facts)


def test_a_bare_layer_must_say_what_it_gives_and_builds() -> None:
    class Bare(LayerSpec):
        name = "bare"
        kind = Kind.FILTER

    record = Wire().record
    with pytest.raises(NotImplementedError):
        Bare().derive(record)
    with pytest.raises(NotImplementedError):
        Bare().build(Build(Role.DIALER, record, (Bare(),), 0, Nowhere()))


def test_a_build_knows_its_pattern_and_its_transport() -> None:
    whole = Build(Role.LISTENER, Wire().record, (Req(), Sp(), Wire()), 1, Nowhere())
    assert whole.pattern == Req()
    assert whole.transport == Wire()
    assert Build(Role.LISTENER, Wire().record, (Prefix(), Wire()), 0, Nowhere()).pattern is None
