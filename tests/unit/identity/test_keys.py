"""Issuers' keys from a real server and from files: what changes them, and what leaves them as they were."""

import gzip
import json
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pdp.errors import ConfigError
from pdp.identity import keys as keys_module
from pdp.identity.declaration import Declared, load_identity
from pdp.identity.keys import KeysError, KeysUrl
from pdp.identity.refresh import KeysRefresher, read_all, read_keys
from tests.servers.certificates import Authority
from tests.servers.issuer import Issuer, ec, ed, key_set, rsa, running, token

ONE, TWO = ec("one"), ec("two")


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running() as issuer:
        issuer.body = key_set(ONE)
        yield issuer


@pytest.fixture
def declared(issuer: Issuer, tmp_path: Path) -> Declared:
    return load_identity(issuer.declare(tmp_path))


def outcome(declared: Declared, text: str) -> str | None:
    """The code of the problem with a token; None when somebody is logged in."""
    answer = declared.identity.identify([("Authorization", f"Bearer {text}".encode())], trusted=False)
    found: Any = json.loads(answer)
    if found["problem"] is None:
        assert found["subject"]["id"] == "PSEUDO@ORG"
        return None
    assert found["subject"] == {"type": "user", "id": "anonymous"}
    code: str = found["problem"]["code"]
    return code


def place(declared: Declared) -> KeysUrl:
    (only,) = declared.places
    assert isinstance(only, KeysUrl)
    return only


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [(rsa("r"), "RS256"), (ec("e"), "ES256"), (ed("d"), "Ed25519")],
    ids=["rsa", "ec", "ed"],
)
def test_tokens_that_another_library_signs_are_verified(
    issuer: Issuer, declared: Declared, key: Any, algorithm: str
) -> None:
    issuer.body = key_set(key)
    assert read_keys(declared.identity, place(declared)) == 1
    assert outcome(declared, token(issuer.url, key, algorithm=algorithm)) is None
    assert outcome(declared, token(issuer.url, key, algorithm=algorithm, exp=1)) == "token_expired"
    assert outcome(declared, token(issuer.url, key, algorithm=algorithm, aud="other")) == "token_audience"
    assert outcome(declared, token(issuer.url, ONE)) == "token_key_unknown"


def test_a_rotation_is_followed_and_the_old_key_counts_no_more(issuer: Issuer, declared: Declared) -> None:
    read_keys(declared.identity, place(declared))
    old, new = token(issuer.url, ONE), token(issuer.url, TWO)
    assert (outcome(declared, old), outcome(declared, new)) == (None, "token_key_unknown")
    issuer.body = key_set(ONE, TWO)
    read_keys(declared.identity, place(declared))
    assert (outcome(declared, old), outcome(declared, new)) == (None, None)
    issuer.body = key_set(TWO)
    read_keys(declared.identity, place(declared))
    assert (outcome(declared, old), outcome(declared, new)) == ("token_key_unknown", None)


def test_an_unchanged_set_is_confirmed_by_its_tag(issuer: Issuer, declared: Declared) -> None:
    issuer.headers = {"ETag": '"v1"'}
    read_keys(declared.identity, place(declared))
    assert read_keys(declared.identity, place(declared)) == 1
    assert [asked.get("If-None-Match") for asked in issuer.asked] == [None, '"v1"']
    assert outcome(declared, token(issuer.url, ONE)) is None


def test_a_refused_set_is_not_confirmed_by_its_tag(issuer: Issuer, declared: Declared) -> None:
    issuer.headers = {"ETag": '"broken"'}
    issuer.body = b'{"keys": ['
    for _ in range(2):
        with pytest.raises(KeysError, match="are refused"):
            read_keys(declared.identity, place(declared))
    assert [asked.get("If-None-Match") for asked in issuer.asked] == [None, None]


def _status(issuer: Issuer) -> None:
    issuer.status = 500


def _broken(issuer: Issuer) -> None:
    issuer.body = b"<html>Maintenance</html>"


def _empty(issuer: Issuer) -> None:
    issuer.body = b'{"keys": []}'


def _redirect(issuer: Issuer) -> None:
    issuer.status, issuer.headers = 302, {"Location": issuer.keys}


def _large(issuer: Issuer) -> None:
    issuer.body = b" " * 300_000 + key_set(TWO)


def _slow(issuer: Issuer) -> None:
    issuer.drip_seconds = 0.2


def _cut(issuer: Issuer) -> None:
    issuer.headers = {"Content-Length": str(len(issuer.body) + 10)}


def _packed(issuer: Issuer) -> None:
    issuer.body, issuer.headers = gzip.compress(issuer.body), {"Content-Encoding": "gzip"}


@pytest.mark.parametrize("trouble", [_status, _broken, _empty, _redirect, _large, _slow, _cut, _packed])
def test_trouble_leaves_the_keys_of_before(
    issuer: Issuer, declared: Declared, trouble: Callable[[Issuer], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    read_keys(declared.identity, place(declared))
    monkeypatch.setattr(keys_module, "_WHOLE_SECONDS", 1.0)
    issuer.body = key_set(TWO)
    trouble(issuer)
    with pytest.raises(KeysError) as raised:
        read_keys(declared.identity, place(declared))
    assert issuer.url in str(raised.value)
    assert str(raised.value).count("\n") == 0
    assert outcome(declared, token(issuer.url, ONE)) is None


def test_a_server_that_is_down_is_one_clear_sentence(tmp_path: Path) -> None:
    with running() as issuer:
        declared = load_identity(issuer.declare(tmp_path))
    with pytest.raises(KeysError, match=r"^http://127\.0\.0\.1:\d+/certs cannot be read: .*refused"):
        read_keys(declared.identity, place(declared))
    assert outcome(declared, token(issuer.url, ONE)) == "keys_unavailable"


def test_only_servers_with_a_certificate_that_counts_are_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, unknown = Authority(tmp_path, "known"), Authority(tmp_path, "unknown")
    monkeypatch.setenv("SSL_CERT_FILE", str(known.certificate))
    for authority, name, expected in [
        (known, "IP:127.0.0.1", None),
        (unknown, "IP:127.0.0.1", "certificate verify failed"),
        (known, "DNS:elsewhere.example", "doesn't match|not valid for"),
    ]:
        with running(tls=authority.sign("issuer", name)) as issuer:
            issuer.body = key_set(ONE)
            declared = load_identity(issuer.declare(tmp_path))
            if expected is None:
                assert read_keys(declared.identity, place(declared)) == 1
            else:
                with pytest.raises(KeysError, match=expected):
                    read_keys(declared.identity, place(declared))


@pytest.mark.parametrize(
    ("cache_control", "seconds"),
    [
        ("", 300),
        ("max-age=60", 60),
        ("public, Max-Age = 60", 60),
        ("max-age=86400", 300),
        ("max-age=1", 10),
        ("no-store, max-age=100", 10),
        ("max-age=soon", 300),
        ("s-maxage=20", 300),
    ],
)
def test_the_servers_word_on_freshness_counts_within_bounds(
    issuer: Issuer, declared: Declared, cache_control: str, seconds: float
) -> None:
    issuer.headers = {"Cache-Control": cache_control}
    read_keys(declared.identity, place(declared))
    assert place(declared).fresh_seconds == seconds


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Waits for a condition; fails when it does not come true in time."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_the_thread_follows_a_rotation_that_a_token_tells_of(issuer: Issuer, declared: Declared) -> None:
    refresher = KeysRefresher(declared)
    try:
        assert refresher.start(20)
        assert outcome(declared, token(issuer.url, ONE)) is None
        issuer.body = key_set(TWO)
        new = token(issuer.url, TWO)
        until(lambda: outcome(declared, new) is None)
        assert len(issuer.asked) == 2
    finally:
        refresher.stop()


def test_the_thread_outlives_trouble_and_says_it_once(
    issuer: Issuer, declared: Declared, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="pdp.identity.refresh")
    issuer.status = 503
    refresher = KeysRefresher(declared)
    try:
        assert refresher.start(20)
        until(lambda: len(issuer.asked) >= 3)
        issuer.status = 200
        until(lambda: outcome(declared, token(issuer.url, ONE)) is None)
        until(lambda: "readable again" in caplog.text)
    finally:
        refresher.stop()
    assert caplog.text.count("status 503") == 1


def test_a_file_is_read_again_when_it_changed(tmp_path: Path) -> None:
    with running() as issuer:
        declared = load_identity(issuer.declare(tmp_path, keys="keys.json"))
    ((_, _, missing),) = read_all(declared)
    assert isinstance(missing, KeysError)
    assert "No such file" in str(missing)
    file = tmp_path / "keys.json"
    file.write_bytes(key_set(ONE))
    refresher = KeysRefresher(declared)
    refresher.look()
    assert outcome(declared, token(issuer.url, ONE)) is None
    (tmp_path / "next").write_bytes(key_set(TWO))
    (tmp_path / "next").rename(file)
    refresher.look()
    assert outcome(declared, token(issuer.url, TWO)) is None
    assert outcome(declared, token(issuer.url, ONE)) == "token_key_unknown"
    file.write_bytes(b"half")
    refresher.look()
    assert outcome(declared, token(issuer.url, TWO)) is None


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("tokens: [", "identity.yaml:1: "),
        ("tokens: []\ntokens: []", "twice"),
        ("gateway: {header: x-login, mapping: saml-json}", "gateway.source"),
        ("tokens: [{issuer: a, audience: [b], keys: 'http://c.example/d', mapping: authentication}]", "keys"),
        ("- a", "not one object"),
        ("x: .nan", "identity.yaml"),
    ],
)
def test_a_bad_declaration_names_the_file_and_the_place(tmp_path: Path, text: str, part: str) -> None:
    path = tmp_path / "identity.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as raised:
        load_identity(path)
    assert str(path) in str(raised.value)
    assert part in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_a_missing_declaration_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_identity(tmp_path / "none.yaml")
