"""What holds for every page: its links lead somewhere, and what it names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sockstack.cli.cat_options import cat_parser
from sockstack.cli.formats import FORMATS
from sockstack.cli.main import COMMANDS

from .pages import PAGES, ROOT, blocks, wanted_output

COMMANDS_PAGE = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in link:
            assert (page.parent / link.partition("#")[0]).exists(), link


def test_every_page_is_reached_from_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for page in PAGES:
        if page.name != "README.md":
            assert f"(docs/{page.name})" in text, page.name


def test_every_command_is_described() -> None:
    assert re.findall(r"^## sockstack (\w+)$", COMMANDS_PAGE, re.MULTILINE) == [
        "explain",
        "cat",
        "demo",
        "bench",
    ]
    assert set(COMMANDS) == {"explain", "cat", "demo", "bench"}


def test_every_option_of_cat_is_described() -> None:
    parser = cat_parser()
    known = {name for action in parser._actions for name in action.option_strings}
    named = set(re.findall(r"`(--?[a-zA-Z][\w-]*)", COMMANDS_PAGE))
    assert named - known <= {"--help", "--once", "--req"}
    undescribed = known - named
    assert undescribed == {
        *("-V", "--version", "--verbose", "--quiet", "--silent"),
        "--ascii",
    }


def test_every_format_is_described() -> None:
    found = re.search(r"^\| `--format` (.*?) \|", COMMANDS_PAGE, re.MULTILINE)
    assert found is not None
    assert re.findall(r"`(\w+)`", found[1]) == list(FORMATS)


def test_what_a_program_prints_is_read_from_its_remarks() -> None:
    code = "print(1)  # 1\nwith x:\n    print(f('a)'))    # two words\nprint('no remark')\n"
    assert wanted_output(code) == ["1", "two words"]


def test_blocks_are_found_by_language(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("text\n```python\na = 1\n```\n```\nplain\n```\n```console\n$ x\ny\n```\n")
    assert [(str(block), block.text) for block in blocks(page, "python")] == [
        ("page.md:2", "a = 1\n")
    ]
    assert [block.text for block in blocks(page, "console")] == ["$ x\ny\n"]
    assert [block.text for block in blocks(page, "")] == ["plain\n"]
