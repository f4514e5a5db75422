"""A sidecar with a declaration of logins: it reads the issuers' keys, and starts also without them."""

from pathlib import Path

from tests.end_to_end.sidecar import EXAMPLE, Starter, pdp, until
from tests.servers.issuer import ec, key_set, running


def test_keys_are_read_before_it_is_ready(start: Starter, tmp_path: Path) -> None:
    with running() as issuer:
        issuer.body = key_set(ec("one"))
        start(PDP_IDENTITY=str(issuer.declare(tmp_path)))
        assert len(issuer.asked) == 1


def test_it_starts_without_an_issuer_and_keeps_trying(start: Starter, tmp_path: Path) -> None:
    with running() as issuer:
        issuer.status = 503
        sidecar = start(PDP_IDENTITY=str(issuer.declare(tmp_path)))
        assert f"{issuer.keys} answered with HTTP status 503." in sidecar.messages()
        issuer.status, issuer.body = 200, key_set(ec("one"))
        until(lambda: "readable again: 1 keys" in sidecar.messages())
    sidecar.signal()
    assert sidecar.ended() == 0


def test_a_bad_declaration_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "identity.yaml"
    file.write_text("tokens: [{issuer: a, audience: [b], keys: c, mapping: none, source: eherkenning}]")
    records = f"sqlite:{tmp_path / 'records.db'}"
    ended = pdp(
        "serve",
        "--policy",
        str(EXAMPLE),
        "--records",
        records,
        "--identity",
        str(file),
        "--grpc",
        "127.0.0.1:0",
    )
    assert ended.returncode == 3
    assert f"{file}: tokens[0].mapping names no mapping" in ended.stderr
