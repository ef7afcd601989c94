"""Text and URLs: what is printed is read back, and what cannot be read says where and why."""

from __future__ import annotations

import importlib
import os
import pkgutil
import socket
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockstack.core import registry
from sockstack.core.errors import SockstackError, StackError
from sockstack.core.registry import layer_class, register
from sockstack.core.spec import Composable, Kind, LayerSpec, Stack
from sockstack.core.text import parse, parse_url, url_of
from sockstack.layers.checksum import Checksum
from sockstack.layers.line import Line
from sockstack.layers.prefix import Prefix
from sockstack.layers.sp import Sp
from sockstack.layers.tls import Tls
from sockstack.patterns.pipeline import Pull, Push
from sockstack.patterns.pubsub import Sub
from sockstack.patterns.reqrep import Rep, Req
from sockstack.transports.fd import Fd
from sockstack.transports.inproc import Inproc
from sockstack.transports.tcp import Tcp
from sockstack.transports.unix import Unix

from .fakes import Plain, Seal, Wire


@dataclass(frozen=True)
class Options(LayerSpec):
    """Has an option of every sort."""

    first: str = ""
    _: KW_ONLY
    anything: Any = None
    words: tuple[str, ...] = ()
    data: bytes = b""
    data_or_none: bytes | None = None
    word_or_none: str | None = None
    text_or_data: str | bytes = ""
    count: int = 0
    seconds: float | None = None
    flag: bool = False
    flag_or_none: bool | None = None
    mode: int | None = field(default=None, metadata={"octal": True})
    numbers: tuple[int, ...] = field(default_factory=tuple)
    derived: int = field(init=False, default=0)

    name: ClassVar[str] = "options"
    kind: ClassVar[Kind] = Kind.FILTER


@dataclass(frozen=True)
class Named(LayerSpec):
    """Has no option that may go without its name."""

    _: KW_ONLY
    size: int = 1

    name: ClassVar[str] = "named"
    kind: ClassVar[Kind] = Kind.FILTER


@dataclass(frozen=True)
class Strict(LayerSpec):
    """Refuses its option with an error of Python."""

    size: int = 0

    name: ClassVar[str] = "strict"
    kind: ClassVar[Kind] = Kind.FILTER

    def __post_init__(self) -> None:
        if self.size:
            raise ValueError("not today")


class Bare(LayerSpec):
    """Has no options."""

    name = "bare"
    kind = Kind.FILTER


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The layers of this file have names, until the test ends."""
    monkeypatch.setattr(registry, "_CLASSES", dict(registry._CLASSES))
    monkeypatch.setattr(registry, "_SCHEMES", dict(registry._SCHEMES))
    for spec_class in (Options, Named, Strict, Bare, Seal, Plain):
        register(spec_class)


# Both ways.


@pytest.mark.parametrize(
    ("stack", "printed"),
    [
        (
            Checksum() | Req() | Sp() | Tcp("127.0.0.1:5555"),
            "checksum | req | sp | tcp(127.0.0.1:5555)",
        ),
        (Req(resend=3) | Sp(max_size=10), "req(resend=3) | sp(max_size=10)"),
        (Req(resend=0.5) | Sp(), "req(resend=0.5) | sp"),
        (Rep() | Sp() | Unix("/run/s"), "rep | sp | unix(/run/s)"),
        (Push() | Sp() | Unix("s", abstract=True), "push | sp | unix(s, abstract=true)"),
        (Pull() | Sp() | Inproc(""), 'pull | sp | inproc("")'),
        (
            Prefix(2, limit=9) | Tcp("[::1]:80", nodelay=False),
            "prefix(2, limit=9) | tcp([::1]:80, nodelay=false)",
        ),
        (Prefix() | Fd(3), "prefix | fd(3)"),
        (Prefix() | Fd((0, 1)), "prefix | fd((0, 1))"),
        (Prefix() | Tcp("h:1", family="ipv4"), "prefix | tcp(h:1, family=ipv4)"),
        (
            Prefix() | Unix("a\0b\udcff", abstract=True),
            r'prefix | unix("a\x00b\udcff", abstract=true)',
        ),
        (Prefix() | Tcp("*:0", keepalive=60.0), "prefix | tcp(*:0, keepalive=60.0)"),
        (Line(ending=b"\r\n") | Tcp("h:1"), 'line(ending=b"\\x0d\\x0a") | tcp(h:1)'),
        (Line(9, b";") | Tcp("h:1"), "line(9, ending=;) | tcp(h:1)"),
        (
            Prefix() | Tls(server_name="a.b", alpn=("h2", "x y")) | Tcp("h:1"),
            'prefix | tls(server_name=a.b, alpn=(h2, "x y")) | tcp(h:1)',
        ),
        (Prefix() | Unix("/a b|c"), 'prefix | unix("/a b|c")'),
        (Prefix() | Unix("5555"), "prefix | unix(5555)"),
        (Prefix() | Unix("none"), "prefix | unix(none)"),
    ],
)
def test_stacks(stack: Composable, printed: str) -> None:
    assert str(stack) == printed
    assert parse(printed) == stack


words = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        [
            "none",
            "true",
            "5",
            "1.5",
            "inf",
            "***",
            "<x>",
            "b",
            'b"x"',
            "a=b",
            "(a)",
            "a,b",
            "\\",
            "'",
        ]
    ),
)
numbers = st.one_of(st.integers(), st.floats(allow_nan=False))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, words, st.binary(max_size=8)),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=5,
)


def same(value: Any, other: Any) -> bool:
    """Equal, and of the same types."""
    if isinstance(value, tuple) and isinstance(other, tuple):
        return len(value) == len(other) and all(map(same, value, other))
    return type(value) is type(other) and bool(value == other)


@given(
    words,
    st.fixed_dictionaries(
        {},
        optional={
            "anything": values,
            "words": st.lists(words, max_size=3).map(tuple),
            "data": st.binary(max_size=8),
            "data_or_none": st.one_of(st.none(), st.binary(max_size=8)),
            "word_or_none": st.one_of(st.none(), words),
            "text_or_data": st.one_of(words, st.binary(max_size=8)),
            "count": st.integers(),
            "seconds": st.one_of(st.none(), numbers),
            "flag": st.booleans(),
            "flag_or_none": st.one_of(st.none(), st.booleans()),
            "mode": st.one_of(st.none(), st.integers()),
            "numbers": st.lists(st.integers(), max_size=3).map(tuple),
        },
    ),
)
def test_what_is_printed_is_read_back(first: str, options: dict[str, Any]) -> None:
    spec = Options(first, **options)
    [back] = parse(str(spec)).layers
    assert isinstance(back, Options)
    assert back == spec
    for name, value in options.items():
        assert same(getattr(back, name), value)
    # One form for each stack: printing what was read changes nothing.
    assert str(back) == str(spec)


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        (" REQ  |\n sp|tcp( h:1 ) ", "req | sp | tcp(h:1)"),
        ("prefix()", "prefix"),
        ("prefix(size=4)", "prefix"),
        ("prefix(limit=5, size=2)", "prefix(2, limit=5)"),
        ("tcp('h:1')", "tcp(h:1)"),
        ('options("5")', "options(5)"),
        (r'options("a\n\t\x41\u00e9\"")', r'options("a\x0a\x09Aé\"")'),
        ("options(words=())", "options"),
        ("options(words=( a , b, ))", "options(words=(a, b))"),
        ("options(anything=(1, (true, none), ()))", "options(anything=(1, (true, none), ()))"),
        ("options(anything=1e3)", "options(anything=1000.0)"),
        ("options(word_or_none='none')", 'options(word_or_none="none")'),
        *(
            (f"options(flag={word})", "options(flag=true)")
            for word in ("true", "yes", "on", "True")
        ),
        *(
            (f"options(flag_or_none={word})", "options(flag_or_none=false)")
            for word in ("no", "OFF")
        ),
        ("options(flag_or_none=none)", "options"),
        ("options(anything=yes)", "options(anything=yes)"),
        ("options(word_or_none=no)", "options(word_or_none=no)"),
        *((f"options(mode={word})", "options(mode=0o600)") for word in ("600", "0600", "0o600")),
        ("options(mode=none)", "options"),
        ("options(count=0x1f)", "options(count=31)"),
        ("options(count=0o17)", "options(count=15)"),
        ("options(count=1_000_000)", "options(count=1000000)"),
        ("options(count=007)", "options(count=7)"),
        ("options(count=64KiB)", "options(count=65536)"),
        ("options(count=2MiB)", "options(count=2097152)"),
        ("options(count=1GiB)", "options(count=1073741824)"),
        ("options(anything=1KiB)", "options(anything=1KiB)"),
        ("options(1KiB)", "options(1KiB)"),
        ("options(data=abc)", "options(data=abc)"),
        ('options(data=b"abc")', "options(data=abc)"),
        ('options(data=b"a b")', 'options(data=b"a b")'),
        ("bare()", "bare"),
        ("named(size=2)", "named(size=2)"),
        ("tls(client_auth=none)", "tls"),
    ],
)
def test_what_people_write_has_one_printed_form(written: str, printed: str) -> None:
    assert str(parse(written)) == printed
    assert str(parse(printed)) == printed


# What cannot be read.


@pytest.mark.parametrize(
    ("written", "message", "column", "mend"),
    [
        ("", "expected the name of a layer", 0, None),
        ("prefix | ", "expected the name of a layer", 9, None),
        ("prefix || x", "expected the name of a layer", 8, None),
        ("prefix tcp(h:1)", "expected | or the end", 7, None),
        ("prefix(4", "expected , or )", 8, None),
        ("prefix(4 4)", "expected , or )", 9, None),
        ("prefix(4,)", "expected name=value", 9, None),
        ("prefix(4, 5)", "only the first option goes without its name", 10, None),
        ("prefix(limit=1, 4)", "only the first option goes without its name", 16, None),
        ("named(1)", "only the first option goes without its name", 6, None),
        ("prefix(limit=)", "expected a value", 13, None),
        ("prefix(limit=1, limit=2)", "limit is given twice", 16, None),
        ("prefix(lmit=1)", "prefix has no option lmit", 7, "Did you mean limit?"),
        ("bare(x=1)", "bare has no option x", 5, "There are none."),
        ("prefix | tpc(h:1)", "there is no layer 'tpc'", 9, "Did you mean tcp"),
        ("quite_unlike", "there is no layer 'quite_unlike'", 0, "Known are "),
        ("prefix | tcp", "tcp needs address", 9, None),
        ("tcp(***)", "a secret is not in the text", 4, "Name the file that holds it"),
        ("fd(<socket>)", "an object of a program cannot be read", 3, "in Python"),
        ("options(words=(a b))", "expected , or )", 17, None),
        ('options(data=b"\\u0100")', "bytes hold characters above \\xff", 13, None),
        ('options("a)', "expected a value", 8, None),
        ("tcp://h:1", "this is a URL", 0, "where a URL is taken"),
        ("strict(1)", "strict does not take that: not today", 0, None),
    ],
)
def test_what_cannot_be_read_is_pointed_at(
    written: str, message: str, column: int, mend: str | None
) -> None:
    with pytest.raises(StackError) as caught:
        parse(written)
    error = caught.value
    assert error.message.startswith("cannot read the stack: ")
    assert message in error.message
    assert error.picture == f"  {written}\n  {' ' * column}^"
    assert (mend or "") in (error.mend or "")


def test_what_a_layer_refuses_is_its_own_error() -> None:
    with pytest.raises(StackError, match="1, 2, 4 or 8 octets") as caught:
        parse("prefix(3) | tcp(h:1)")
    assert (caught.value.layer, caught.value.field) == ("prefix", "size")


@given(st.text(alphabet="prefix(4)=,| \"'b\\<>*0.:/-", max_size=20))
def test_nothing_else_escapes(written: str) -> None:
    try:
        stack = parse(written)
    except SockstackError:
        return
    assert parse(str(stack)) == stack


def test_secrets_are_hidden_and_refused() -> None:
    layer = Seal(key=b"0123456789abcdef")
    assert str(layer) == "seal(key=***)"
    assert str(Seal(keyfile="k")) == "seal(keyfile=k)"
    with pytest.raises(StackError, match="a secret is not in the text"):
        parse(str(layer))
    # A word that only looks like one is quoted.
    assert str(Options("***")) == 'options("***")'


def test_live_objects_are_named_and_refused() -> None:
    near, far = socket.socketpair()
    with near, far:
        stack = Prefix() | Fd(near)
        assert str(stack) == "prefix | fd(<socket>)"
        with pytest.raises(StackError, match="an object of a program"):
            parse(str(stack))


# URLs.


@pytest.mark.parametrize(
    ("url", "mapping", "printed"),
    [
        ("tcp://127.0.0.1:5555", None, "tcp(127.0.0.1:5555)"),
        ("tcp://127.0.0.1:5555", Sp(), "sp | tcp(127.0.0.1:5555)"),
        ("tcp://[::1]:5555", Sp(max_size=9), "sp(max_size=9) | tcp([::1]:5555)"),
        ("TCP://*:5555", Sp(), "sp | tcp(*:5555)"),
        ("tls+tcp://h:1", Sp(), "sp | tls | tcp(h:1)"),
        ("checksum+prefix+tls+tcp://h:1", None, "checksum | prefix | tls | tcp(h:1)"),
        ("sp+tls+tcp://h:1", Sp(max_size=9), "sp | tls | tcp(h:1)"),
        ("ipc:///tmp/a%20b", Sp(), "sp | unix(/tmp/a%20b)"),
        ("ipc://relative", None, "unix(relative)"),
        ("abstract://name", Sp(), "sp | unix(name, abstract=true)"),
        ("abstract://a%20b%3Fc+%25", Sp(), 'sp | unix("a b?c+%", abstract=true)'),
        (
            "abstract://a%00%c3%a9%FF/",
            None,
            r'unix("a\x00é\udcff/", abstract=true)',
        ),
        ("tcp4://*:1", Sp(), "sp | tcp(*:1, family=ipv4)"),
        ("tls+tcp6://h:1", Sp(), "sp | tls | tcp(h:1, family=ipv6)"),
        ("tcp://h:1/", None, "tcp(h:1)"),
        ("tcp6://[::1]:1/?tcp.nodelay=false", None, "tcp([::1]:1, family=ipv6, nodelay=false)"),
        ("ipc:///run/s/", None, "unix(/run/s/)"),
        ("inproc://any name/at all", Sp(), 'sp | inproc("any name/at all")'),
        ("inproc://", None, 'inproc("")'),
        ("prefix+fd://3", None, "prefix | fd(3)"),
        (
            "tcp://h:1?tcp.nodelay=false&tcp.keepalive=60&sp.max_size=5",
            Sp(max_size=9),
            "sp(max_size=5) | tcp(h:1, nodelay=false, keepalive=60)",
        ),
        ("line+tcp://h:1?line.ending=b%22%5Cx00%22", None, 'line(ending=b"\\x00") | tcp(h:1)'),
        (
            "tls+tcp://h:1?tls.alpn=(h2,x)&tls.server_name=n",
            None,
            "tls(server_name=n, alpn=(h2, x)) | tcp(h:1)",
        ),
        ("tcp://h:1?", None, "tcp(h:1)"),
    ],
)
def test_urls(url: str, mapping: LayerSpec | None, printed: str) -> None:
    stack = parse_url(url, mapping)
    assert str(stack) == printed
    assert stack == parse(printed)


@pytest.mark.parametrize(
    ("url", "message", "mend"),
    [
        ("127.0.0.1:5555", "is no URL", "Write transport://where"),
        ("tpc://h:1", "there is no transport 'tpc'", "Did you mean tcp"),
        ("sp://h:1", "there is no transport 'sp'", ""),
        ("tsl+tcp://h:1", "there is no layer 'tsl'", "Did you mean tls"),
        ("tls+tls+tcp://h:1", "names a layer twice", ""),
        ("tcp://h:1?nodelay=true", "is not layer.option=value", ""),
        ("tcp://h:1?tcp.nodelay", "is not layer.option=value", ""),
        ("tcp://h:1?tcp.nodely=true", "tcp has no option 'nodely'", "Did you mean nodelay?"),
        ("tcp://h:1?sp.max_size=1", "an option of sp, which it does not name", ""),
        ("tcp://h:1?tcp.nodelay=a b", "expected the end", ""),
        ("tcp://h:1?tcp.nodelay=", "expected a value", ""),
        ("line+tcp://h:1?line.limit=x", "line: limit is a whole number, not 'x'", ""),
        ("prefix+tcp://h:1?tcp.nodelay=5", "tcp: nodelay is true or false, not 5", ""),
        ("strict+tcp://h:1?strict.size=1", "strict does not take that: not today", ""),
        ("abstract://a%2", "a % stands before two hexadecimal digits", ""),
        ("abstract://a%zzb", "the sign itself is %25", ""),
        ("abstract://\ud800", "surrogates not allowed", ""),
        ("tcp://h:1//", "the port '1/' is not a number", ""),
        ("tcp://h:1/x", "the port '1/x' is not a number", ""),
        ("tcp4://[::1]:1", "'[::1]:1' is no address of the family ipv4", "Leave the family out"),
        ("tcp6://127.0.0.1:1", "is no address of the family ipv6", "Leave the family out"),
        ("prefix+prefix2+tcp://h:1", "there is no layer 'prefix2'", "Did you mean prefix?"),
    ],
)
def test_urls_that_are_refused(url: str, message: str, mend: str) -> None:
    with pytest.raises(StackError) as caught:
        parse_url(url)
    assert message in str(caught.value)
    assert (caught.value.mend or "").startswith(mend)


def test_the_mode_of_a_file_is_octal() -> None:
    assert parse_url("unix:///run/s?unix.mode=0o600").layers == (Unix("/run/s", mode=0o600),)


def test_a_url_is_checked_like_any_stack() -> None:
    with pytest.raises(StackError, match="needs an ordered, reliable byte stream"):
        parse_url("prefix+inproc://name")


@pytest.mark.parametrize(
    ("stack", "where", "url"),
    [
        (Sp() | Tcp("*:0"), "[::]:9", "tcp://[::]:9"),
        (Sp() | Tls() | Tcp("*:0", family="ipv4"), "0.0.0.0:9", "tls+tcp4://0.0.0.0:9"),
        (Sp() | Tcp("*:0", family="ipv6"), "[::]:9", "tcp6://[::]:9"),
        (Sp() | Unix("a%20b"), "a%20b", "ipc://a%20b"),
        (Sp() | Inproc("a b"), "a b", "inproc://a b"),
        (
            Sp() | Unix("a b?%\0é\udcff", abstract=True),
            "a b?%\0é\udcff",
            "abstract://a%20b%3F%25%00%C3%A9%FF",
        ),
    ],
)
def test_the_url_of_a_place(stack: Stack[Any, Any], where: str, url: str) -> None:
    assert url_of(stack.layers, where) == url
    there = parse_url(url, Sp()).layers
    assert [spec.name for spec in there] == [spec.name for spec in stack.layers]
    assert url_of(there, where) == url


@given(st.binary(min_size=1, max_size=107))
def test_an_abstract_name_is_any_octets(name: bytes) -> None:
    spec = Unix(os.fsdecode(name), abstract=True)
    url = url_of([spec], spec.path)
    assert url.isascii()
    assert parse_url(url).layers == (spec,)


# Names.


def test_registered_layers_have_names_and_schemes() -> None:
    @dataclass(frozen=True)
    class Pigeon(Wire):
        address: str = ""
        name: ClassVar[str] = "pigeon"

    register(Pigeon, "pigeon", "ip-over-avian")
    register(Pigeon, "pigeon")
    assert layer_class("pigeon") is Pigeon
    assert parse("prefix | pigeon").layers[1] == Pigeon()

    class Other(Wire):
        name = "pigeon"

    with pytest.raises(ValueError, match="the name pigeon is taken"):
        register(Other)
    with pytest.raises(ValueError, match="the scheme tcp is taken by tcp"):
        register(Bare, "tcp")


def test_a_scheme_gives_the_first_option() -> None:
    @dataclass(frozen=True)
    class Numbered(LayerSpec):
        number: int = 0
        name: ClassVar[str] = "numbered"
        kind: ClassVar[Kind] = Kind.TRANSPORT

        def derive(self, below: Any) -> Any:
            return Wire().record

    register(Numbered, "numbered")
    assert parse_url("numbered://7") == Stack((Numbered(7),))
    register(Named, "named")
    with pytest.raises(StackError, match="named has no address"):
        parse_url("named://x")


def test_a_layer_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry._CLASSES, "extra", "sockstack.layers.no_such_module:Extra")
    with pytest.raises(StackError, match="the layer extra cannot be loaded") as caught:
        layer_class("extra")
    assert caught.value.layer == "extra"


def spec_classes() -> dict[str, type[LayerSpec]]:
    """Every spec of one layer in the package, by name."""
    found: dict[str, type[LayerSpec]] = {}
    for room in ("layers", "patterns", "transports", "mux", "zmtp"):
        try:
            package = importlib.import_module(f"sockstack.{room}")
        except ModuleNotFoundError:
            continue
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            for value in vars(importlib.import_module(info.name)).values():
                if (
                    isinstance(value, type)
                    and issubclass(value, LayerSpec)
                    and "name" in vars(value)
                ):
                    found[value.name] = value
    return found


def test_every_layer_of_the_package_has_its_name() -> None:
    classes = spec_classes()
    assert {"prefix", "tcp", "req"} <= classes.keys()
    for name, spec_class in classes.items():
        assert layer_class(name) is spec_class, f"{name} is not in the table of core/registry.py"


@pytest.mark.parametrize(
    ("text", "topics"),
    [
        ("sub", ()),
        ("sub(weather.)", (b"weather.",)),
        ("sub(a, b, recv_buffer=10)", (b"a", b"b")),
        ('sub(b"", b"\\x00\\xff", "1")', (b"", b"\0\xff", b"1")),
        ("sub(recv_buffer=10)", ()),
    ],
)
def test_any_number_of_values_without_a_name(text: str, topics: tuple[bytes, ...]) -> None:
    (spec,) = parse(text).layers
    assert spec == Sub(*topics, recv_buffer=10 if "recv_buffer" in text else 8192)
    assert parse(str(spec)).layers == (spec,)


def test_values_without_a_name_come_first() -> None:
    with pytest.raises(StackError, match="only the first option goes without its name"):
        parse("sub(a, recv_buffer=10, b)")
    with pytest.raises(StackError, match="topics are given without their name"):
        parse("sub(topics=a)")
