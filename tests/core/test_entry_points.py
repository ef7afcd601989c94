"""Layers of installed packages: found by name when they are first asked for, and not before."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sockstack.cli.main import main
from sockstack.core import registry
from sockstack.core.errors import StackError
from sockstack.core.registry import layer_class, register, scheme_named
from sockstack.core.text import parse, parse_url, url_of
from sockstack.layers.checksum import Checksum
from sockstack.transports.tcp import Tcp

Install = Callable[..., None]

MODULE = """
from dataclasses import dataclass
from typing import ClassVar

from sockstack.layers.checksum import Checksum
from sockstack.transports.tcp import Tcp


@dataclass(frozen=True)
class Seed(Checksum):
    name: ClassVar[str] = "seed"


@dataclass(frozen=True)
class Pigeon(Tcp):
    name: ClassVar[str] = "pigeon"


class NoLayer:
    name = "nolayer"
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Make a package that has a module and announces layers; it is there until the test ends."""
    monkeypatch.setattr(registry, "_CLASSES", dict(registry._CLASSES))
    monkeypatch.setattr(registry, "_SCHEMES", dict(registry._SCHEMES))
    modules: list[str] = []

    def make(package: str, *layers: str, module: str = MODULE) -> None:
        room = tmp_path / package
        info = room / f"{package}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("\n".join(("[sockstack.layers]", *layers, "")))
        (room / f"{package}.py").write_text(module)
        monkeypatch.syspath_prepend(room)
        modules.append(package)

    yield make
    for name in modules:
        sys.modules.pop(name, None)


def test_nobody_looks_without_need() -> None:
    code = (
        "import sys, sockstack\n"
        "sockstack.parse('checksum | prefix | tcp(h:1)')\n"
        "sys.exit('importlib.metadata' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_name_in_a_text(install: Install) -> None:
    install("coop", "seed = coop:Seed", "pigeon = coop:Pigeon")
    parse("checksum | prefix | tcp(h:1)")
    assert "coop" not in sys.modules, "nobody has asked for it"
    stack = parse("seed | prefix | pigeon(h:1, nodelay=false)")
    seed, _, pigeon = stack.layers
    assert isinstance(seed, Checksum)
    assert isinstance(pigeon, Tcp)
    assert (seed.name, pigeon.name, pigeon.nodelay) == ("seed", "pigeon", False)
    assert parse(str(stack)) == stack
    assert layer_class("seed") is type(seed)


def test_a_layer_and_a_scheme_in_a_url(install: Install) -> None:
    install("coop", "seed = coop:Seed", "pigeon = coop:Pigeon")
    stack = parse_url("seed+prefix+pigeon://h:1?pigeon.nodelay=false")
    assert str(stack) == "seed | prefix | pigeon(h:1, nodelay=false)"
    assert url_of(stack.layers, "h:2") == "seed+prefix+pigeon://h:2"


def test_the_url_of_a_transport_that_was_imported(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("coop", "pigeon = coop:Pigeon")
    pigeon = layer_class("pigeon")("h:1")  # type: ignore[call-arg]
    monkeypatch.delitem(registry._CLASSES, "pigeon")
    monkeypatch.delitem(registry._SCHEMES, "pigeon")
    assert url_of([pigeon], "h:1") == "pigeon://h:1"


def test_without_a_package_there_is_no_url(install: Install) -> None:
    install("coop", "pigeon = coop:Pigeon")
    other = type("Other", (Tcp,), {"name": "other"})
    with pytest.raises(StackError, match="there is no URL for other"):
        url_of([other("h:1")], "h:1")


def test_in_a_command(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("coop", "seed = coop:Seed", "pigeon = coop:Pigeon")
    for written in ("seed | prefix | pigeon(h:1)", "seed+prefix+pigeon://h:1"):
        assert main(["explain", written]) == 0
        said = capsys.readouterr()
        assert said.out.startswith("seed | prefix | pigeon(h:1)\n")
        assert said.err == ""


def test_the_names_of_the_house_come_first(install: Install) -> None:
    install("thief", "tcp = thief:Pigeon", "ipc = thief:Pigeon")
    assert layer_class("tcp") is Tcp
    assert scheme_named("ipc").transport == "unix"
    assert "thief" not in sys.modules


def test_what_is_registered_comes_before_what_is_installed(install: Install) -> None:
    install("coop", "pigeon = coop:Pigeon")

    class Pigeon(Tcp):
        name = "pigeon"

    register(Pigeon, "pigeon")
    assert layer_class("pigeon") is Pigeon
    assert scheme_named("pigeon").transport == "pigeon"
    assert "coop" not in sys.modules


def test_a_module_may_register_its_layers_itself(install: Install) -> None:
    more = 'from sockstack.extend import register\nregister(Pigeon, "pigeon", "ip-over-avian")\n'
    install("coop", "pigeon = coop:Pigeon", module=MODULE + more)
    pigeon = layer_class("pigeon")
    assert scheme_named("pigeon") == scheme_named("ip-over-avian")
    assert layer_class("pigeon") is pigeon


def test_did_you_mean(install: Install) -> None:
    install("coop", "seed = coop:Seed", "pigeon = coop:Pigeon")
    with pytest.raises(StackError, match="there is no layer 'pidgeon'") as caught:
        parse("prefix | pidgeon(h:1)")
    assert caught.value.mend == "Did you mean pigeon?"
    with pytest.raises(StackError, match="there is no transport 'pidgeon'") as caught:
        parse_url("pidgeon://h:1")
    assert caught.value.mend == "Did you mean pigeon?"
    assert "coop" not in sys.modules, "to name it, it need not be loaded"


def test_a_layer_is_no_transport(install: Install) -> None:
    install("coop", "seed = coop:Seed")
    with pytest.raises(StackError, match="there is no transport 'seed'") as caught:
        parse_url("seed://h:1")
    assert "seed" not in (caught.value.mend or "")


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("lost", "no_such_module:Lost", "No module named 'no_such_module'"),
        ("lost", "coop:Lost", "has no attribute 'Lost'"),
        ("nolayer", "coop:NoLayer", "it is not the spec of a layer"),
        ("coop", "coop", "it is not the spec of a layer"),
        ("dove", "coop:Pigeon", "its layer is called pigeon"),
    ],
)
def test_one_that_is_broken(install: Install, name: str, value: str, reason: str) -> None:
    install("coop", f"{name} = {value}")
    for ask in (layer_class, scheme_named):
        with pytest.raises(StackError, match=reason) as caught:
            ask(name)
        assert f"the layer {name} cannot be loaded from {value}, entry point" in str(caught.value)
        assert caught.value.layer == name
    assert name not in registry._CLASSES
    assert name not in registry._SCHEMES


def test_one_whose_module_fails(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("coop", "seed = coop:Seed", module="1 / 0")
    assert main(["explain", "seed | prefix | tcp(h:1)"]) == 2
    said = capsys.readouterr()
    assert "the layer seed cannot be loaded from coop:Seed" in said.err
    assert "division by zero" in said.err


def test_one_whose_scheme_is_taken(install: Install) -> None:
    install("thief", "ipc = thief:Thief", module=MODULE + 'class Thief(Tcp):\n    name = "ipc"\n')
    with pytest.raises(StackError, match="the scheme ipc is taken by unix"):
        layer_class("ipc")


def test_a_name_that_two_packages_have(install: Install) -> None:
    install("coop", "seed = coop:Seed")
    install("barn", "seed = barn:Seed")
    with pytest.raises(StackError, match="have a layer seed: barn:Seed and coop:Seed") as caught:
        layer_class("seed")
    assert caught.value.mend == "Uninstall all but one."
