"""What holds for every page: its links lead somewhere, and what it names exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from sockstack.cli import cat, device
from sockstack.cli.formats import FORMATS
from sockstack.cli.main import COMMANDS

from .pages import PAGES, ROOT, blocks, section, tables, wanted_output

COMMANDS_PAGE = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")

OPTION = re.compile(r"`(--?[a-zA-Z][\w-]*)")


def anchors(page: Path) -> set[str]:
    """The names under which the headlines of a page can be linked to."""
    titles = re.findall(r"^##* (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in link:
            path, _, anchor = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


def test_every_page_is_reached_from_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for page in PAGES:
        if page.name != "README.md":
            assert f"(docs/{page.name})" in text, page.name


def test_every_command_is_described() -> None:
    described = re.findall(r"^## sockstack (\w+)$", COMMANDS_PAGE, re.MULTILINE)
    assert described == ["explain", "cat", "device", "demo", "bench", "completion"]
    assert set(COMMANDS) == set(described)


def test_every_option_of_cat_is_described() -> None:
    parser = cat.make_parser()
    known = {name for action in parser._actions for name in action.option_strings}
    named = set(OPTION.findall(section(COMMANDS_PAGE, "sockstack cat")))
    assert named - known <= {"--req"}
    undescribed = known - named
    assert undescribed == {
        *("-V", "--version", "--verbose", "--quiet", "--silent"),
        *("--ascii", "--help"),
    }


def test_every_option_and_kind_of_device_is_described() -> None:
    text = section(COMMANDS_PAGE, "sockstack device")
    known = {name for action in device.make_parser()._actions for name in action.option_strings}
    assert set(OPTION.findall(text)) == known - {"-h", "--help", "--verbose"}
    kinds = {row[0].strip("`"): row[1:] for row in tables(text)[0][1:]}
    assert kinds == {name: [kind.clients, kind.servers] for name, kind in device.KINDS.items()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_devices_that_are_shown_are_taken(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for line in re.findall(r"sockstack device (\w+ -.*?)(?:  |`|$)", text, re.MULTILINE):
        device.make_parser().parse_args(shlex.split(line))


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
