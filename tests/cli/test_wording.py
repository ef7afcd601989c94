"""What the library advises, in the words of ``sockstack cat``."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import trustme

import sockstack
from sockstack.cli.cat_options import make_parser
from sockstack.cli.main import main
from sockstack.cli.wording import OPTIONS, in_options

LAYERS = Path(sockstack.__file__).parent / "layers"
ADVICE = sorted(
    {
        found
        for page in LAYERS.glob("*.py")
        for found in re.findall(r"\b(?:Tls|Sp)\(\w+=…[^()]*\)", page.read_text(encoding="utf-8"))
    }
)


@pytest.mark.parametrize("advice", ADVICE)
def test_no_advice_of_the_layers_is_left_in_python(advice: str) -> None:
    said = in_options(f"do this: {advice}, or that")
    assert said.startswith("do this: ")
    assert said.endswith(", or that")
    assert "(" not in said


def test_there_is_advice() -> None:
    assert {"Tls(ca=…)", "Tls(cert=…, key=…)", "Sp(max_size=…)"} <= set(ADVICE)


def test_the_options_exist() -> None:
    known = {name for action in make_parser()._actions for name in action.option_strings}
    assert set(OPTIONS.values()) <= known


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("give Tls(server_name=…)", "give ?tls.server_name=… in the URL"),
        ("Tls(cert=…, key=…)", "--cert and --key"),
        ("Tls(verify=False) takes any", "--insecure takes any"),
        ("or verify=False to take any", "or --insecure to take any"),
        ("connected at tls(ca=/a) | tcp(h:1?tls.ca=/b)",) * 2,
        ("Prefix(limit=…)",) * 2,
        ("nothing of the kind",) * 2,
    ],
)
def test_the_rest_stays_as_it_is(text: str, said: str) -> None:
    assert in_options(text) == said


def test_a_certificate_without_its_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cert = str(tmp_path / "cert.pem")
    trustme.CA().issue_cert("127.0.0.1").cert_chain_pems[0].write_to_path(cert)
    for more, told in (
        ([], "--key takes the key from another file"),
        (["--key", cert], "or the other no private key"),
    ):
        where = ["--listen", "tls+tcp://127.0.0.1:0", "--cert", cert, *more]
        assert main(["cat", "--rep", *where]) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"sockstack cat: --cert: {cert}")
        assert told in said
        assert "PEM lib" not in said
