"""Settings: where each value comes from, and one clear sentence for each mistake."""

import dataclasses
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from pdp.cli.config import config as config_command
from pdp.config import SETTINGS, Settings, load_settings, shown, without_password
from pdp.errors import ConfigError


def _file(folder: Path, text: str) -> Path:
    path = folder / "pdp.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_anything_every_setting_has_its_default() -> None:
    settings = load_settings(environment={})
    assert settings == Settings()
    assert set(settings.origins) == set(SETTINGS)
    assert set(settings.origins.values()) == {"default"}


def test_every_setting_is_described_once() -> None:
    assert list(SETTINGS) == [f.name for f in dataclasses.fields(Settings) if f.name != "origins"]
    for setting in SETTINGS.values():
        assert setting.meaning.endswith("."), setting.name
        assert setting.kind.from_toml(setting.default) == setting.default
        assert setting.kind.from_text(str(setting.default)) == setting.default


def test_each_source_is_stronger_than_the_one_before(tmp_path: Path) -> None:
    path = _file(tmp_path, 'grpc = "127.0.0.1:1"\nhttp = "127.0.0.1:1"\nadmin = "127.0.0.1:1"\nthreads = 1')
    environment = {"PDP_HTTP": "127.0.0.1:2", "PDP_ADMIN": "127.0.0.1:2", "PATH": "/bin"}
    settings = load_settings({"admin": "127.0.0.1:3", "grpc": None}, config=path, environment=environment)
    assert (settings.grpc, settings.origins["grpc"]) == ("127.0.0.1:1", str(path))
    assert (settings.http, settings.origins["http"]) == ("127.0.0.1:2", "PDP_HTTP")
    assert (settings.admin, settings.origins["admin"]) == ("127.0.0.1:3", "--admin")
    assert (settings.metrics, settings.origins["metrics"]) == (Settings().metrics, "default")
    assert settings.threads == 1


def test_the_environment_names_the_file_unless_the_command_line_does(tmp_path: Path) -> None:
    path = _file(tmp_path, "threads = 3")
    assert load_settings(environment={"PDP_CONFIG": str(path)}).threads == 3
    other = tmp_path / "other.toml"
    other.write_text("threads = 4", encoding="utf-8")
    assert load_settings(config=other, environment={"PDP_CONFIG": str(path)}).threads == 4


LARGE = 'Setting "max_request_bytes" must be a whole number, from 1024 to 16777216, but {path} says '
NO_ROOM = (
    'Setting "max_request_bytes" is 300000 ({path}), but an evaluation that may take 1 MiB '
    '("evaluation_memory_mib", {path}) has no room for a request larger than 262144 bytes.'
)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("max_request_bytes = 1023", LARGE + "1023."),
        ("max_request_bytes = 16777217", LARGE + "16777217."),
        ("evaluation_memory_mib = 1\nmax_request_bytes = 300000", NO_ROOM),
        ('grcp = "127.0.0.1:1"', 'Unknown setting "grcp" in {path}; did you mean grpc?'),
        ("zzzz = 1", 'Unknown setting "zzzz" in {path}; `pdp config show` lists them all.'),
        ('threads = "4"', "Setting \"threads\" must be a whole number, 0 or more, but {path} says '4'."),
        ("threads = true", 'Setting "threads" must be a whole number, 0 or more, but {path} says True.'),
        ("threads = 1.5", 'Setting "threads" must be a whole number, 0 or more, but {path} says 1.5.'),
        ("threads = -1", 'Setting "threads" must be a whole number, 0 or more, but {path} says -1.'),
        (
            "clock_skew_seconds = nan",
            'Setting "clock_skew_seconds" must be a number, 0 or more, but {path} says nan.',
        ),
        ("grpc = 7081", 'Setting "grpc" must be an address HOST:PORT, but {path} says 7081.'),
        ('grpc = "localhost"', "Setting \"grpc\" must be an address HOST:PORT, but {path} says 'localhost'."),
        ('grpc = "h:65536"', "Setting \"grpc\" must be an address HOST:PORT, but {path} says 'h:65536'."),
        ('policy = ""', "Setting \"policy\" must be a path, but {path} says ''."),
        (
            'log_level = "loud"',
            "Setting \"log_level\" must be one of debug, info, warning, error, but {path} says 'loud'.",
        ),
    ],
)
def test_a_mistake_in_the_file_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = _file(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_settings(config=path, environment={})
    assert str(caught.value) == sentence.format(path=path)


@pytest.mark.parametrize("content", [b"threads = ", b"\xff", b"threads = 1\nthreads = 2"])
def test_a_file_that_is_no_toml_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "pdp.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"^The configuration file .*pdp\.toml is not valid TOML: "):
        load_settings(config=path, environment={})


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"^Cannot read the configuration file .*: No such file or directory\.$"
    ):
        load_settings(config=tmp_path / "none.toml", environment={})


@pytest.mark.parametrize(
    ("variable", "text", "sentence"),
    [
        ("PDP_GRCP", "1", "Unknown environment variable PDP_GRCP; did you mean PDP_GRPC?"),
        ("PDP_PORTAL", "1", "Unknown environment variable PDP_PORTAL"),
        (
            "PDP_THREADS",
            "many",
            "Setting \"threads\" must be a whole number, 0 or more, but PDP_THREADS says 'many'.",
        ),
        (
            "PDP_THREADS",
            "",
            "Setting \"threads\" must be a whole number, 0 or more, but PDP_THREADS says ''.",
        ),
        ("PDP_CACHE_BYTES", "9" * 30, 'Setting "cache_bytes" must be a whole number, 0 or more'),
        ("PDP_SHUTDOWN_GRACE_SECONDS", "inf", 'Setting "shutdown_grace_seconds" must be a number, 0 or more'),
    ],
)
def test_a_mistake_in_the_environment_is_one_sentence(variable: str, text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(environment={variable: text})
    assert str(caught.value).startswith(sentence)


def test_what_kubernetes_announces_of_a_service_named_pdp_is_not_refused() -> None:
    links = (
        "PDP_SERVICE_HOST",
        "PDP_SERVICE_PORT",
        "PDP_SERVICE_PORT_GRPC",
        "PDP_PORT",
        "PDP_PORT_7081_TCP",
        "PDP_PORT_7081_TCP_PROTO",
        "PDP_PORT_7081_TCP_PORT",
        "PDP_PORT_7081_TCP_ADDR",
    )
    assert load_settings(environment=dict.fromkeys(links, "x")) == Settings()


@pytest.mark.parametrize("scheme", ["sqlite", "redis", "rediss+sentinel", "redis+cluster"])
def test_urls_of_stores(scheme: str) -> None:
    assert load_settings(environment={"PDP_RECORDS": f"{scheme}://h:1"}).records == f"{scheme}://h:1"


def test_a_url_that_is_none_is_refused_without_its_password() -> None:
    with pytest.raises(ConfigError, match="must be a store's URL") as caught:
        load_settings(environment={"PDP_RECORDS": "Redis://u:geheim@h"})
    assert "geheim" not in str(caught.value)


def test_a_flag_with_a_wrong_value_is_named() -> None:
    with pytest.raises(ConfigError, match="but --threads says 'x'"):
        load_settings({"threads": "x"}, environment={})


@pytest.mark.parametrize(
    ("url", "printed"),
    [
        ("sqlite:/var/lib/pdp.db", "sqlite:/var/lib/pdp.db"),
        ("redis://h:6379/0", "redis://h:6379/0"),
        ("redis://:geheim@h:6379", "redis://:***@h:6379"),
        ("rediss://pdp:ge@heim@h:6379/1", "rediss://pdp:***@h:6379/1"),
        ("rediss://pdp:ge/he?im@h:6379/1", "rediss://pdp:***@h:6379/1"),
        ("redis+cluster://pdp:geheim@a:1,b:2?acks=1", "redis+cluster://pdp:***@a:1,b:2?acks=1"),
        (
            "redis+sentinel://u:geheim@a,b/main/0?sentinel_username=s&sentinel_password=geheim&acks=1",
            "redis+sentinel://u:***@a,b/main/0?sentinel_username=s&sentinel_password=***&acks=1",
        ),
    ],
)
def test_a_password_is_never_printed(url: str, printed: str) -> None:
    assert without_password(url) == printed
    assert shown(Settings(records=url), "records") == printed


def test_a_password_is_not_in_the_sentence_about_a_mistake() -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(environment={"PDP_GRPC": "redis://:geheim@h"})
    assert "geheim" not in str(caught.value)


def test_config_show_says_value_origin_and_meaning(tmp_path: Path) -> None:
    path = _file(tmp_path, "threads = 2")
    result = CliRunner().invoke(
        config_command,
        ["show", "--json", "--config", str(path), "--grpc", "127.0.0.1:0"],
        env={"PDP_HTTP": "h:1"},
    )
    assert result.exit_code == 0, result.output
    shown_settings = {entry["name"]: entry for entry in json.loads(result.output)}
    assert list(shown_settings) == list(SETTINGS)
    assert (shown_settings["threads"]["value"], shown_settings["threads"]["origin"]) == (2, str(path))
    assert (shown_settings["grpc"]["value"], shown_settings["grpc"]["origin"]) == ("127.0.0.1:0", "--grpc")
    assert (shown_settings["http"]["value"], shown_settings["http"]["origin"]) == ("h:1", "PDP_HTTP")
    assert shown_settings["admin"]["environment"] == "PDP_ADMIN"
    plain = CliRunner().invoke(config_command, ["show"], env={"PDP_HTTP": "h:1"})
    assert "h:1  (PDP_HTTP)" in plain.output
    for setting in SETTINGS.values():
        assert setting.meaning in plain.output
