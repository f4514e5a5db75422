"""URLs of stores in Redis: what they mean, and one clear sentence for each that means nothing."""

from pathlib import Path

import pytest

from pdp.records.redis_url import Login, Tls, parse_redis_url
from pdp.records.store import StoreError, open_store


def test_one_server() -> None:
    url = parse_redis_url("redis://example.nl")
    assert (url.setup, url.addresses, url.db, url.tls) == ("", (("example.nl", 6379),), 0, None)
    assert (url.login, url.acks, url.promotion_seconds, url.namespace) == (Login(), 0, 0.0, "pdp")
    url = parse_redis_url("redis://pdp:p%40ss%3Aword@[::1]:7000/3?acks=2&promotion_seconds=1.5&namespace=a-b")
    assert (url.addresses, url.db) == ((("::1", 7000),), 3)
    assert url.login == Login("pdp", "p@ss:word")
    assert (url.acks, url.promotion_seconds, url.namespace) == (2, 1.5, "a-b")
    assert "p@ss" not in repr(url)
    assert parse_redis_url("redis://:only@h").login == Login("", "only")


def test_sentinels() -> None:
    url = parse_redis_url(
        "redis+sentinel://u:p@a:1,b,[::1]:2/my%20service/4?acks=1&sentinel_username=s&sentinel_password=q%26"
    )
    assert url.setup == "sentinel"
    assert url.addresses == (("a", 1), ("b", 26379), ("::1", 2))
    assert (url.service, url.db) == ("my service", 4)
    assert (url.login, url.sentinel_login) == (Login("u", "p"), Login("s", "q&"))


def test_a_cluster() -> None:
    url = parse_redis_url("rediss+cluster://a:1,b?acks=0&ssl_check_hostname=no")
    assert (url.setup, url.addresses) == ("cluster", (("a", 1), ("b", 6379)))
    assert url.tls == Tls(check_hostname=False)


def test_tls(tmp_path: Path) -> None:
    for name in ("ca", "crt", "key"):
        (tmp_path / name).touch()
    url = parse_redis_url(
        f"rediss://a?ssl_ca_certs={tmp_path}/ca&ssl_certfile={tmp_path}/crt&ssl_keyfile={tmp_path}/key"
    )
    assert url.tls == Tls(f"{tmp_path}/ca", f"{tmp_path}/crt", f"{tmp_path}/key")
    assert parse_redis_url("rediss://a").tls == Tls()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("redis://", "'' is no host"),
        ("redis://:6379", "':6379' is no host"),
        ("redis://u:secret@", "'' is no host"),
        ("redis://h:port", "'h:port' is no host"),
        ("redis://h:70000", "'h:70000' is no host"),
        ("redis://h:0", "'h:0' is no host"),
        ("redis://[::1", "is not one"),
        ("redis://a,b", r"Several hosts need redis\+sentinel"),
        ("redis+other://u:secret@h", r"'redis\+other' is no kind of record store"),
        ("redis://h/one", "path '/one'; a database is a number"),
        ("redis://h/1/2", "path '/1/2'"),
        ("redis://h/-1", "path '/-1'"),
        ("redis://u:sec#ret@h", "'#'"),
        ("redis://h?timeout=3", "redis has no option 'timeout'; there are acks,"),
        ("redis://h?ssl_ca_certs=x", r"no option 'ssl_ca_certs' \(only with rediss\)"),
        ("redis://h?acks=1&acks=2", "option 'acks' twice"),
        ("redis://h?acks=-1", "acks must be a number of replicas, not '-1'"),
        ("redis://h?acks=all", "acks must be a number of replicas, not 'all'"),
        ("redis://h?promotion_seconds=nan", "promotion_seconds must be a number of seconds, not 'nan'"),
        ("redis://h?promotion_seconds=-1", "promotion_seconds must be a number of seconds, not '-1'"),
        ("redis://h?namespace=a{b}", "namespace must be"),
        ("redis://h?namespace=*", "namespace must be"),
        ("redis+sentinel://h?acks=1", "names no service"),
        ("redis+sentinel://h/service", r"redis\+sentinel needs the option acks"),
        ("redis+sentinel://h/service/x?acks=1", "path '/service/x'"),
        ("redis+cluster://h", r"redis\+cluster needs the option acks"),
        ("redis+cluster://h/1?acks=0", "one database only"),
        ("redis+cluster://h?acks=0&sentinel_password=x", "no option 'sentinel_password'"),
        ("rediss://h?ssl_ca_certs=/none/ca.crt", "ssl_ca_certs: there is no file /none/ca.crt"),
        ("rediss://h?ssl_certfile=/dev/stdin", "there is no file"),
        ("rediss://h?ssl_check_hostname=perhaps", "ssl_check_hostname must be yes or no, not 'perhaps'"),
    ],
)
def test_a_url_that_names_no_store(url: str, sentence: str) -> None:
    with pytest.raises(StoreError, match=sentence) as caught:
        open_store(url)
    assert "sec" not in str(caught.value).replace("seconds", "")
    assert str(caught.value).endswith(".")


def test_a_certificate_without_its_key(tmp_path: Path) -> None:
    (tmp_path / "crt").touch()
    with pytest.raises(StoreError, match="go together"):
        parse_redis_url(f"rediss://h?ssl_certfile={tmp_path}/crt")
