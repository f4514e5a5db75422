"""`pdp identity`: a declaration checked against a real server, and whom a token or headers stand for."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pdp.cli import main
from tests.servers.issuer import Issuer, ec, key_set, running, token

ONE = ec("one")


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running() as issuer:
        issuer.body = key_set(ONE)
        yield issuer


def _run(*words: str | Path) -> int:
    try:
        return main.run(["identity", *map(str, words)])
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else main.FAILED


def test_check_reads_every_issuers_keys(
    issuer: Issuer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = issuer.declare(tmp_path)
    assert _run("check", file) == 0
    assert capsys.readouterr().out == (f"{file} is valid.\n{issuer.url}: 1 usable keys from {issuer.keys}.\n")
    issuer.status = 404
    assert _run("check", file) == 1
    assert "HTTP status 404" in capsys.readouterr().err
    file.write_text("tokens: [{issuer: a}]")
    assert _run("check", file) == main.FAILED
    assert capsys.readouterr().err.startswith(f"Error: {file}: tokens[0]")


def test_show_tells_whom_a_token_stands_for(
    issuer: Issuer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, sent = issuer.declare(tmp_path), tmp_path / "token"
    sent.write_text(token(issuer.url, ONE) + "\n")
    assert _run("show", file, "--token-file", sent) == 0
    assert json.loads(capsys.readouterr().out)["subject"]["id"] == "PSEUDO@ORG"
    sent.write_text(token(issuer.url, ONE, exp=1))
    assert _run("show", file, "--token-file", sent) == 1
    shown = json.loads(capsys.readouterr().out)
    assert (shown["subject"]["id"], shown["problem"]["code"]) == ("anonymous", "token_expired")


def test_show_believes_headers_as_of_a_gateway_only_when_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "identity.yaml"
    file.write_text("gateway: {header: x-login, mapping: eherkenning-camel, source: eherkenning}")
    claims = {
        "acr": "urn:etoegang:core:assurance-class:loa3",
        "chamberOfCommerce": "12345678",
        "eherkenningPseudo": "P@O",
    }
    header = f"X-Login: {json.dumps(claims)}"
    assert _run("show", file, "-H", header) == 1
    assert json.loads(capsys.readouterr().out)["problem"]["code"] == "header_untrusted"
    assert _run("show", file, "-H", header, "--trusted") == 0
    assert json.loads(capsys.readouterr().out)["subject"]["id"] == "P@O"
    assert _run("show", file, "-H", "no header") == main.FAILED
    assert _run("show", file, "-H", "bad name: x") == main.FAILED
