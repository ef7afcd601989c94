"""``sockstack demo``: its steps, its summary, and the server that it leaves."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from sockstack import Req, Socket
from sockstack.cli import demo, demo_stage, demo_steps
from sockstack.cli.demo_live import live
from sockstack.cli.demo_stage import Failed, Skipped, Stage
from sockstack.cli.main import main

from .programs import sockstack

ROOT = Path(__file__).parents[2]


@pytest.fixture
def stage() -> Stage:
    return Stage(ROOT, color=False)


def good(stage: Stage) -> None:
    stage.say("a line\nand another")


def skipped(stage: Stage) -> None:
    raise Skipped("it needs a moon: build one")


def failing(stage: Stage) -> None:
    raise Failed("the answer was 41")


def test_a_tour_where_all_is_well(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.tour(stage, [("One", good), ("Two", good)]) == 0
    said = re.sub(r"\d\.\d s|\d s$", "T", capsys.readouterr().out, flags=re.MULTILINE)
    assert said == (
        "\n[1/2] One\n    a line\n    and another\n    ok, T\n"
        "\n[2/2] Two\n    a line\n    and another\n    ok, T\n"
        "\n2 of 2 steps are fine, T\n"
    )


def test_what_failed_and_what_was_skipped_is_named_at_the_end(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = [("One", failing), ("Two", skipped), ("Three", good), ("Four", skipped)]
    assert demo.tour(stage, steps) == 1
    summary = capsys.readouterr().out.rpartition("\n\n")[2].splitlines()
    assert summary[0].startswith("1 of 4 steps are fine")
    assert summary[1:] == [
        "    skipped 2, 4: it needs a moon: build one",
        "    FAILED: step 1, One: the answer was 41",
    ]


def test_skipping_is_no_failure(stage: Stage) -> None:
    assert demo.tour(stage, [("One", skipped)]) == 0


def test_colours_only_where_they_are_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    demo.tour(Stage(None, color=True), [("One", good)])
    assert "\x1b[1m[1/1] One\x1b[0m" in capsys.readouterr().out


def test_a_program_is_shown_while_it_runs(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    stage.run("-c", "print('said'); import os; print(os.getcwd())")
    assert capsys.readouterr().out == f"    said\n    {ROOT}\n"
    stage.run("-c", "print('not shown')", show=False)
    assert capsys.readouterr().out == ""


def test_a_program_that_fails_is_a_failure(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Failed, match=r"^AssertionError: it was 41$"):
        stage.run("-c", "assert False, 'it was 41'")
    assert "    Traceback" in capsys.readouterr().out
    with pytest.raises(Failed, match=r"^exit code 3$"):
        stage.run("-c", "import sys; sys.exit(3)")


def test_a_program_that_hangs_is_a_failure_and_ends_with_all_it_started(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo_stage, "MOST", 0.5)
    # The child holds the output open; if it lived on, reading would not end.
    child = "import time; time.sleep(600)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with pytest.raises(Failed, match="did not end within"):
        stage.run("-c", code)


def test_without_the_repository_programs_are_skipped() -> None:
    stage = Stage(None, color=False)
    for step in (demo_steps.example("hello_reqrep.py"), demo_steps.latency):
        with pytest.raises(Skipped, match="part of the source"):
            step(stage)


def test_what_is_not_installed_is_named(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(
        Skipped, match=r"^no_such_thing is not installed: pip install no_such_thing$"
    ):
        demo_steps.example("hello_reqrep.py", "no_such_thing")(stage)
    monkeypatch.setattr(demo_steps, "PEERS", ("no_such_thing", "nor_this"))
    with pytest.raises(Skipped, match=r"no_such_thing.*; nor_this"):
        demo_steps.latency(stage)


def test_an_example_runs_as_a_program_of_its_own(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    demo_steps.example("hello_reqrep.py")(stage)
    assert "    req: got b'hello world'\n" in capsys.readouterr().out


def test_steps_of_the_package_itself(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    demo_steps.explained(stage)
    demo_steps.refused(stage)
    said = capsys.readouterr().out
    assert f"$ sockstack explain '{demo_steps.BAD}'" in said
    assert "Put Prefix() in the place of Line." in said


def test_live_serves_others_until_ctrl_c(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    heard = ""

    def pause(seconds: float) -> None:
        nonlocal heard
        heard += capsys.readouterr().out
        if "others asked 1 times" in heard:
            raise KeyboardInterrupt
        found = re.search(r"sockstack cat --req --dial (tcp://\S+) --data you", heard)
        assert found is not None
        with Socket(Req(), dial=found[1], timeout=20) as req:
            req.send(b"you")
            assert req.recv() == b"hello you"

    monkeypatch.setattr(time, "sleep", pause)
    live(stage)
    assert "asked 2 times: " in heard


def test_off_a_terminal_it_ends_by_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "STEPS", (("One", good),))
    assert main(["demo"]) == 0
    assert "1 of 1 steps are fine" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_the_whole_tour() -> None:
    with sockstack("demo", "--once") as run:
        code, out, said = run.end(180)
    assert (code, said) == (0, "")
    assert f"{len(demo_steps.STEPS)} of {len(demo_steps.STEPS)} steps are fine" in out.decode()
