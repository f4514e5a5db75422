"""TLS with certificates for both sides, and a user with no more rights than are documented."""

import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

import pdp.records.redis_url
from pdp.records.redis_changes import Limit
from pdp.records.store import Beat, Change, Parameters, RecordStore, StoreError, Written, open_store
from tests.contract.records.conftest import confirmed
from tests.servers.certificates import Authority
from tests.servers.redis import RedisServer, redis_server, redis_with_replicas

A = Change("employer", "1", b'{"a":1}')


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two authorities, and what the first one signed."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = Authority(folder)
    Authority(folder, "other-ca")
    for name in ("server", "client"):
        authority.sign(name)
    authority.sign("elsewhere", "DNS:elsewhere.example")
    return folder


def _tls(folder: Path, certificates: Path, name: str = "server") -> Iterator[RedisServer]:
    with redis_server(
        folder,
        tls_cert_file=str(certificates / f"{name}.crt"),
        tls_key_file=str(certificates / f"{name}.key"),
        tls_ca_cert_file=str(certificates / "ca.crt"),
        tls_auth_clients="yes",
    ) as server:
        yield server


@pytest.fixture
def server(tmp_path: Path, certificates: Path) -> Iterator[RedisServer]:
    yield from _tls(tmp_path, certificates)


@pytest.fixture
def misnamed(tmp_path: Path, certificates: Path) -> Iterator[RedisServer]:
    """A server whose certificate is for another name."""
    yield from _tls(tmp_path, certificates, "elsewhere")


def _url(
    server: RedisServer, certificates: Path, ca: str = "ca", *, client: bool = True, more: str = ""
) -> str:
    own = f"&ssl_certfile={certificates}/client.crt&ssl_keyfile={certificates}/client.key" if client else ""
    return f"rediss://{server.address}?ssl_ca_certs={certificates}/{ca}.crt{own}{more}"


def test_both_sides_show_a_certificate(server: RedisServer, certificates: Path) -> None:
    store = open_store(_url(server, certificates))
    store.initialise(Parameters())
    assert store.write([A]).position.seq == 1
    store.close()


def test_certificates_that_are_missing_or_not_trusted(server: RedisServer, certificates: Path) -> None:
    for url, sentence in (
        (_url(server, certificates, "other-ca"), r"certificate of Redis at .* is not trusted: .*"),
        (f"rediss://{server.address}", r"is not trusted"),
        (_url(server, certificates, client=False), r"TLS with Redis at .* fails|was lost|cannot be reached"),
        (f"redis://{server.address}", r"cannot be reached|is no Redis server"),
    ):
        with pytest.raises(StoreError, match=sentence):
            open_store(url)


def test_a_certificate_for_another_name(misnamed: RedisServer, certificates: Path) -> None:
    with pytest.raises(StoreError, match=r"is not trusted: .*127\.0\.0\.1"):
        open_store(_url(misnamed, certificates))
    open_store(_url(misnamed, certificates, more="&ssl_check_hostname=no")).close()


def test_a_server_without_tls(redis: RedisServer, certificates: Path) -> None:
    with pytest.raises(StoreError, match=r"does not answer, or does not speak TLS"):
        open_store(_url(redis, certificates))


def _documented_rule() -> list[str]:
    documentation = pdp.records.redis_url.__doc__ or ""
    (rule,) = re.findall(r"ACL SETUSER pdp (.*?)\n\n", documentation + "\n\n", re.DOTALL)
    return [part for part in rule.split() if part not in {"on", ">PASSWORD"}]


def _use_everything(store: RecordStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(changes: list[Change]) -> Written:
        write_id = secrets.token_hex(8)
        return confirmed(lambda: store.write(changes, write_id, barrier=True))

    store.parameters()
    zero = store.head().position
    kept = write([A, A._replace(key="2", source_version=3)])
    write([A._replace(value=None), A._replace(expected_version=0), A._replace(key="3")])
    store.get("employer", "1")
    store.page("employer", "1")
    store.counts()
    with store.snapshot() as snapshot:
        list(snapshot.chunks())
        list(snapshot.chunks(in_order=True))
    store.changes_since(kept.position)
    store.news(zero)
    confirmed(lambda: store.beat(Beat("one", 1, kept.position, 1, 4_000)))
    store.view(9)
    store.members()
    store.forget("one", 1)
    monkeypatch.setattr("pdp.records.redis.wait_until_proofs_ran_out", lambda *_: None)
    confirmed(lambda: store.change_lease(Parameters(5_000)))
    monkeypatch.setattr("pdp.records.redis_write.KEPT_ENTRIES", 1)
    monkeypatch.setattr("pdp.records.redis_write.RETENTION_MS", 0)
    write([A])
    monkeypatch.setattr("pdp.records.redis_write.LARGEST", Limit(3, 1_000_000))
    monkeypatch.setattr("pdp.records.redis_write.PIECE", Limit(2, 1_000_000))
    stands = store.get("employer", "2")
    assert stands is not None

    def changes() -> Iterator[Change]:
        yield A._replace(key="2", value=None, source_version=9, expected_version=stands.version)
        yield A._replace(key="2", source_version=10, expected_version=0)
        yield from (A._replace(key=str(number)) for number in range(5, 9))
        write([A._replace(key="4", source_version=7), A._replace(key="3", value=None)])

    confirmed(lambda: store.write(changes(), "large"))
    assert store.get("employer", "6") is not None


def test_the_documented_rights_are_enough_and_none_is_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with redis_with_replicas(tmp_path, 1) as (server, _), server.client() as client:
        url = f"{server.address}/3?acks=1"
        setup = open_store(f"redis://{url}")
        confirmed(lambda: setup.initialise(Parameters()))
        setup.close()
        rule = _documented_rule()
        client.execute_command("ACL", "SETUSER", "pdp", "on", ">p@ss", *rule)
        client.config_resetstat()
        store = open_store(f"redis://pdp:p%40ss@{url}")
        _use_everything(store, monkeypatch)
        store.close()
        assert client.execute_command("ACL", "LOG") == []
        used = {name.removeprefix("cmdstat_") for name in client.info("commandstats")}
        granted = {part[1:] for part in rule if part.startswith("+")}
        assert granted - used == set()


def test_a_right_that_is_missing(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server, server.client() as client:
        client.execute_command("ACL", "SETUSER", "pdp", "on", ">p@ss", "~other:*", "+@all")
        store = open_store(f"redis://pdp:p%40ss@{server.address}")
        with pytest.raises(StoreError, match=r"forbids this user what the record store needs: .*keys"):
            store.head()
        client.execute_command("ACL", "SETUSER", "pdp", "~*", "-info")
        with pytest.raises(StoreError, match=r"forbids this user what the record store needs: .*info"):
            open_store(f"redis://pdp:p%40ss@{server.address}")
        store.close()
