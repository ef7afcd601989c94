"""Options are checked against their annotations when a spec is made, those of every layer here and of any other."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Generic,
    Literal,
    NewType,
    Optional,
    Protocol,
    TypeVar,
    Union,
)

import pytest

from sockstack.core import registry
from sockstack.core.errors import StackError
from sockstack.core.options import options_of
from sockstack.core.registry import layer_class
from sockstack.core.spec import Kind, LayerSpec
from sockstack.core.text import parse
from sockstack.layers.prefix import Prefix
from sockstack.layers.sp import Sp
from sockstack.layers.tls import Tls
from sockstack.patterns.pair import Pair1
from sockstack.patterns.reqrep import Rep, Req
from sockstack.patterns.survey import Surveyor
from sockstack.transports.tcp import Tcp
from sockstack.transports.unix import Unix

from .plain_annotations import Annotated as ByType

if TYPE_CHECKING:
    from nowhere import Thing  # type: ignore[import-not-found]

T = TypeVar("T")
Port = NewType("Port", int)


class Asked(Protocol):
    """A protocol that cannot be asked whether something is of it."""

    def answer(self) -> int:
        """Never called."""


@dataclass(frozen=True)
class Many(LayerSpec, Generic[T]):
    """An option of every type."""

    flag: bool = False
    number: int = 0
    seconds: float = 0.0
    text: str = ""
    data: bytes = b""
    maybe: float | None = None
    old_maybe: Optional[bytes] = None  # noqa: UP045  # as some write it
    old_either: Union[int, str] = 0  # noqa: UP007  # as some write it
    word: Literal["a", "b", 3] = "a"
    words: tuple[str, ...] = ()
    pair: tuple[int, str | None] = (0, None)
    list_of_numbers: Sequence[int] = ()
    where: str | os.PathLike[str] = ""
    call: Callable[[str], object] = print
    table: Mapping[str, int] = field(default_factory=dict)
    sock: socket.socket | None = None
    port: Port = Port(0)
    kind_of: type[Exception] = Exception
    wrong_default: int = None  # type: ignore[assignment]
    anything: Any = None
    asked: Asked | None = None
    typed: T | None = None
    unknown: Thing = None
    known_in_part: int | Thing = 0
    secret: str = ""
    called: str | int | None = field(default=None, metadata={"wanted": "a name or a port"})

    name: ClassVar[str] = "many"
    kind: ClassVar[Kind] = Kind.FILTER
    secrets: ClassVar[frozenset[str]] = frozenset({"secret"})


def told(**options: Any) -> StackError:
    with pytest.raises(StackError) as caught:
        Many[int](**options)
    [name] = options
    assert (caught.value.layer, caught.value.field) == ("many", name)
    return caught.value


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("flag", "no", "true or false, not 'no'"),
        ("flag", 1, "true or false, not 1"),
        ("flag", None, "true or false, not none"),
        ("number", "8", "a whole number, not '8'"),
        ("number", True, "a whole number, not true"),
        ("number", 1.0, "a whole number, not 1.0"),
        ("seconds", "x", "a number, not 'x'"),
        ("seconds", False, "a number, not false"),
        ("seconds", float("nan"), "a number, not nan"),
        ("text", 5555, "text, not 5555"),
        ("text", b"x", "text, not b'x'"),
        ("data", "é", "bytes, not 'é'"),
        ("data", bytearray(b"x"), "bytes, not bytearray(b'x')"),
        ("maybe", "x", "a number or none, not 'x'"),
        ("old_maybe", 1, "bytes or none, not 1"),
        ("old_either", 1.5, "a whole number or text, not 1.5"),
        ("word", "c", "a, b or 3, not 'c'"),
        ("word", 3.0, "a, b or 3, not 3.0"),
        ("words", (1,), "a tuple (text, …), not (1,)"),
        ("words", "ab", "a tuple (text, …), not 'ab'"),
        ("pair", (1,), "a tuple (a whole number, text or none), not (1,)"),
        ("pair", ("a", "b"), "a tuple (a whole number, text or none), not ('a', 'b')"),
        ("list_of_numbers", ["a"], "a Sequence (a whole number, …), not ['a']"),
        ("where", 3, "text or a path, not 3"),
        ("call", "print", "a function, not 'print'"),
        ("table", (), "a Mapping, not ()"),
        ("sock", 3, "a socket or none, not 3"),
        ("port", "80", "a whole number, not '80'"),
        ("kind_of", ValueError(), "a type, not ValueError()"),
        ("called", 1.0, "a name or a port, not 1.0"),
    ],
)
def test_what_is_refused(name: str, value: Any, message: str) -> None:
    error = told(**{name: value})
    assert error.message == f"many: {name} is {message}"
    assert f"{error.wanted}, not {error.got}" == message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seconds", 3),
        ("seconds", float("inf")),
        ("maybe", None),
        ("maybe", 2),
        ("old_maybe", b""),
        ("old_either", "x"),
        ("word", 3),
        ("words", ("a", "b")),
        ("pair", (1, "x")),
        ("pair", (1, None)),
        ("list_of_numbers", [1, 2]),
        ("where", Path("x")),
        ("call", len),
        ("port", Port(3)),
        ("kind_of", ValueError),
        ("wrong_default", 3),
        ("anything", object()),
        ("asked", object()),
        ("typed", object()),
        ("unknown", object()),
        ("known_in_part", object()),
        ("called", "x"),
    ],
)
def test_what_is_taken(name: str, value: Any) -> None:
    assert getattr(Many[int](**{name: value}), name) is value


def test_a_default_is_what_its_author_says() -> None:
    assert Many[int]().wrong_default is None


@pytest.mark.parametrize(
    ("name", "value", "mend"),
    [
        ("data", "ab", "Write b'ab'."),
        ("words", "ab", "Write ('ab',)."),
        ("words", ["a", "b"], "Write ('a', 'b')."),
        ("words", [1], None),
        ("number", "8", None),
        ("flag", "no", None),
    ],
)
def test_what_was_probably_meant(name: str, value: Any, mend: str | None) -> None:
    assert told(**{name: value}).mend == mend


def test_a_secret_is_not_told() -> None:
    error = told(secret=b"hunter2")
    assert str(error) == "many: secret is text, not of the type bytes"


def test_a_long_value_is_told_in_short() -> None:
    assert len(str(told(words="x" * 10_000))) < 200


# How specs are written.


def test_the_class_may_go_on_checking_and_finds_the_right_types() -> None:
    @dataclass(frozen=True)
    class Small(LayerSpec):
        size: int
        extra: InitVar[int] = 0

        name: ClassVar[str] = "small"
        kind: ClassVar[Kind] = Kind.FILTER

        def __post_init__(self, extra: int) -> None:
            """Keeps what it was given."""
            if self.size + extra > 9:
                raise StackError("small: too big", layer="small", field="size")

    assert Small(4, 5).size == 4
    assert Small.__post_init__.__doc__ == "Keeps what it was given."
    with pytest.raises(StackError, match="too big"):
        Small(5, 5)
    with pytest.raises(StackError, match="small: size is a whole number, not 'x'"):
        Small("x")  # type: ignore[arg-type]

    @dataclass(frozen=True)
    class Smaller(Small):
        def __post_init__(self, extra: int) -> None:
            super().__post_init__(extra)
            if self.size > 3:
                raise StackError("smaller: too big", layer="smaller", field="size")

    with pytest.raises(StackError, match="smaller: too big"):
        Smaller(4)
    with pytest.raises(StackError, match="small: size is a whole number"):
        Smaller(None)  # type: ignore[arg-type]


def test_inherited_options_are_read_where_they_were_written() -> None:
    # Its annotations are types, and one of them is known in that module only.
    @dataclass(frozen=True)
    class Child(ByType):
        more: int = 0

    assert Child(here="x", count=None, more=3).more == 3
    for name in ("here", "count", "more"):
        wrong: dict[str, Any] = {name: 1.5}
        with pytest.raises(StackError) as caught:
            Child(**wrong)
        assert caught.value.field == name


def test_slots() -> None:
    @dataclass(frozen=True, slots=True)
    class Slotted(LayerSpec):
        size: int = 0

        name: ClassVar[str] = "slotted"
        kind: ClassVar[Kind] = Kind.FILTER

        def __post_init__(self) -> None:
            if self.size < 0:
                raise StackError("slotted: negative", layer="slotted")

    assert Slotted(3).size == 3
    with pytest.raises(StackError, match="negative"):
        Slotted(-1)
    with pytest.raises(StackError, match="slotted: size is a whole number, not 'x'"):
        Slotted("x")  # type: ignore[arg-type]


def test_an_init_of_ones_own_calls_the_check() -> None:
    @dataclass(frozen=True, init=False)
    class Own(LayerSpec):
        items: tuple[int, ...] = ()

        name: ClassVar[str] = "own"
        kind: ClassVar[Kind] = Kind.FILTER

        def __init__(self, *items: int) -> None:
            object.__setattr__(self, "items", items)
            self.__post_init__()

    assert Own(1, 2).items == (1, 2)
    with pytest.raises(StackError, match=r"own: items is a tuple \(a whole number, …\)"):
        Own("x")  # type: ignore[arg-type]


def test_what_is_no_dataclass_has_no_options() -> None:
    class Bare(LayerSpec):
        name = "bare"
        kind = Kind.FILTER

        def __init__(self, size: Any) -> None:
            self.size = size

    assert options_of(Bare) == {}
    assert Bare("x").size == "x"


# The layers that are here.

NEEDED: dict[str, dict[str, Any]] = {
    "fd": {"source": 0},
    "inproc": {"address": "x"},
    "tcp": {"address": "h:1"},
    "unix": {"path": "x"},
}
NOT_JUDGED = {("trace", "to")}  # a path, a function, or whatever has a method write

SHIPPED = [
    (name, option)
    for name in sorted(registry._CLASSES)
    for option in options_of(layer_class(name))
    if (name, option) not in NOT_JUDGED
]


@pytest.mark.parametrize(("name", "option"), SHIPPED)
def test_every_option_refuses_what_is_of_the_wrong_type(name: str, option: str) -> None:
    spec_class: Any = layer_class(name)
    wrong: dict[str, Any] = {**NEEDED.get(name, {}), option: object()}
    entries = wrong.pop("topics", ())  # the one option that is given without its name
    with pytest.raises(StackError, match=f"^{name}: ({option}|a topic) is ") as caught:
        spec_class(*([entries] if entries else []), **wrong)
    assert (caught.value.layer, caught.value.field) == (name, option)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Tcp(5555), "tcp: address is text, not 5555"),  # type: ignore[arg-type]
        (lambda: Surveyor(survey_time=None), "surveyor: survey_time is a number, not none"),  # type: ignore[arg-type]
        (lambda: Rep(ttl="8"), "rep: ttl is a whole number, not '8'"),  # type: ignore[arg-type]
        (lambda: Unix("x", mode="600"), "unix: mode is .*, not '600'"),  # type: ignore[arg-type]
        (lambda: Pair1(poly="no"), "pair1: poly is true or false, not 'no'"),  # type: ignore[arg-type]
        (lambda: Prefix(True), "prefix: size is a whole number, not true"),
        (lambda: Req(resend=float("nan")), "req: resend is a number, not nan"),
        (lambda: Tls(context="x"), "tls: context is an SSLContext, not 'x'"),  # type: ignore[arg-type]
        (lambda: Tls(password=b"x"), "tls: password is text or none, not of the type bytes"),  # type: ignore[arg-type]
        (lambda: Tls(alpn=(b"h2",)), r"tls: alpn is text or a tuple \(text, …\), not \(b'h2',\)"),  # type: ignore[arg-type]
    ],
)
def test_in_python(make: Callable[[], LayerSpec], message: str) -> None:
    with pytest.raises(StackError, match=f"^{message}$"):
        make()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tls(verify=none)", "tls: verify is true or false, not none"),
        ("pair1(poly=maybe)", "pair1: poly is true or false, not 'maybe'"),
        ("req(resend=abc)", "req: resend is a number, not 'abc'"),
        ("tcp(h:1, keepalive=x)", "tcp: keepalive is a number or none, not 'x'"),
        ("prefix(true)", "prefix: size is a whole number, not true"),
        ("sp(max_size=abc)", "sp: max_size is a whole number, not 'abc'"),
        ("tcp(h:1, family=ipv5)", "tcp: family is any, ipv4 or ipv6, not 'ipv5'"),
    ],
)
def test_in_text(text: str, message: str) -> None:
    with pytest.raises(StackError) as caught:
        parse(text)
    assert str(caught.value) == message


def test_values_of_the_right_types_are_kept() -> None:
    context = ssl.create_default_context()
    assert Tls(context=context).context is context
    assert Tls(cert=Path("c"), ca=b"PEM").cert == "c"
    assert Tls(alpn="h2").alpn == ("h2",)
    assert Sp(max_size=1 << 20).max_size == 1 << 20
    assert Req(resend=3).resend == 3


def test_no_check_is_made_before_the_first_spec() -> None:
    code = "import sys, sockstack; sys.exit('sockstack.core.options' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
