"""The tables of docs/stacks.md are those of the code."""

from __future__ import annotations

import re

import pytest

from sockstack import StackError, parse
from sockstack.core import check, registry
from sockstack.core.capabilities import Capabilities, Unit
from sockstack.core.spec import Kind, LayerSpec

from .pages import ROOT, section, tables

PAGE = (ROOT / "docs" / "stacks.md").read_text(encoding="utf-8")


def table(title: str) -> list[list[str]]:
    """The rows of the first table under a headline, without its head."""
    return tables(section(PAGE, title))[0][1:]


LAYERS = {row[0].strip("`"): row[1:] for row in table("The layers")}


def row(spec: LayerSpec) -> list[str]:
    """What the table must say of a layer."""
    units = [demand.unit for demand in spec.requires]
    below = Capabilities(units[0] if units and units[0] else Unit.STREAM)
    record = spec.derive(below)
    transport = spec.kind is Kind.TRANSPORT
    head, tail = record.head, record.tail
    return [
        spec.kind.value,
        "" if transport else " or ".join(unit.value for unit in units if unit) or "anything",
        record.unit.value if transport or units else "the same",
        f"{head}+{tail}" if tail else str(head),
        str(record.setup_rtts),
    ]


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_is_as_described(layer: str) -> None:
    (spec,) = parse(layer).layers
    assert LAYERS[layer][:5] == row(spec)
    assert LAYERS[layer][5]


def test_every_layer_is_described() -> None:
    assert {layer.partition("(")[0] for layer in LAYERS} == set(registry._CLASSES)


def test_every_scheme_is_described() -> None:
    cells = [row[0] for row in table("As a URL")]
    assert set(re.findall(r"`(\w+)://", "".join(cells))) == set(registry._SCHEMES)


RULES = {row[0]: row[1:] for row in table("What is refused")}


def test_every_rule_is_described() -> None:
    assert check.__doc__ is not None
    assert set(RULES) == set(re.findall(r"^(R\d+)  ", check.__doc__, re.MULTILINE))


@pytest.mark.parametrize("stack", [row[1].strip("`") for row in RULES.values() if row[1]])
def test_what_is_said_to_be_refused_is(stack: str) -> None:
    with pytest.raises(StackError):
        parse(stack)


def test_every_promise_is_a_field_of_the_record() -> None:
    cells = "".join(row[0] for row in table("What an interface promises"))
    names = re.findall(r"`(\w+)`", cells)
    assert len(names) > 10
    assert set(names) <= set(vars(Capabilities(Unit.STREAM)))


def test_every_interface_is_described() -> None:
    named = [row[0] for row in table("What layers show each other")]
    assert sorted(named) == sorted(unit.value for unit in Unit)
