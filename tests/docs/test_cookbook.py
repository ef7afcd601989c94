"""The recipes of docs/cookbook.md are whole and short. That they run is shown where all programs of pages are."""

from __future__ import annotations

import re

import pytest

from .names import exists
from .pages import ROOT, Block, blocks
from .test_readme import PROGRAMS

PATH = ROOT / "docs" / "cookbook.md"
PAGE = PATH.read_text(encoding="utf-8")

RECIPES = re.findall(r"^## .*\n(?:(?!## ).*\n)*", PAGE, re.MULTILINE)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.partition("\n")[0])
def test_each_recipe_is_one_program(recipe: str) -> None:
    assert recipe.count("```python\n") == 1


@pytest.mark.parametrize("block", blocks(PATH, "python"), ids=str)
def test_it_is_run_and_short(block: Block) -> None:
    assert block in PROGRAMS
    assert block.text.count("\n") <= 50


def test_what_is_named_exists() -> None:
    text = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
    named = re.findall(r"`([A-Z]\w+)\((\w+)=", text)
    assert named
    assert all(exists(f"{owner}({option})") for owner, option in named)
