"""Every setting of the sidecar, once: name, type, default, environment name, one sentence.

A value comes from, each stronger than the one before: the default, the TOML file (`--config` or
`PDP_CONFIG`), the environment (`PDP_…`), the command line. `Settings.origins` remembers which. Only this file
reads the environment.

A small dataclass rather than a settings library: those merge their sources before they check them, and then
can no longer say which file or variable holds the bad value.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from pdp.errors import ConfigError

PREFIX = "PDP_"
CONFIG_VARIABLE = "PDP_CONFIG"
# What a request that is one long text was measured to take in an evaluation, in times its size.
_REQUEST_IN_EVALUATION = 4
# Kubernetes announces a Service called "pdp" to every pod under these names; they are not ours to refuse.
_SERVICE_LINK = re.compile(
    r"^PDP_(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$"
)


@dataclass(frozen=True, slots=True)
class Kind:
    """What values a setting takes: `means` reads as "must be …"; the functions raise ValueError."""

    means: str
    metavar: str
    from_text: Callable[[str], Any]
    from_toml: Callable[[object], Any]


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(value)
    return value


def _any_text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise ValueError(value)


def _address(value: object) -> str:
    host, _, port = _text(value).rpartition(":")
    if not host or not port.isascii() or not port.isdecimal() or int(port) > 65_535:
        raise ValueError(value)
    return _text(value)


def _door(value: object) -> str:
    return _address(value) if value != "" else ""


def _url(value: object) -> str:
    if not re.match(r"^[a-z]+(\+[a-z]+)?:.", _text(value)):
        raise ValueError(value)
    return _text(value)


TEXT = Kind("a text", "TEXT", _text, _text)
PATH = Kind("a path", "PATH", _text, _text)
PROGRAM = Kind("a program's path or name, or empty", "PATH", _any_text, _any_text)
ADDRESS = Kind("an address HOST:PORT", "HOST:PORT", _address, _address)
DOOR = Kind("an address HOST:PORT, or empty", "HOST:PORT", _door, _door)
OPTIONAL = Kind("a text, or empty", "TEXT", _any_text, _any_text)
OPTIONAL_PATH = Kind("a path, or empty", "PATH", _any_text, _any_text)
URL = Kind("a store's URL such as sqlite:poortwachter.db or redis://HOST:PORT", "URL", _url, _url)


def _whole(minimum: int, maximum: int | None = None) -> Kind:
    most = 2**63 - 1 if maximum is None else maximum

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= most:
            raise ValueError(value)
        return value

    span = f"{minimum} or more" if maximum is None else f"from {minimum} to {maximum}"
    return Kind(f"a whole number, {span}", "NUMBER", lambda text: read(int(text)), read)


def _number(minimum: float) -> Kind:
    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not minimum <= value < 1e9:
            raise ValueError(value)
        return float(value)

    return Kind(f"a number, {minimum:g} or more", "NUMBER", lambda text: read(float(text)), read)


def _choice(*choices: str) -> Kind:
    def read(value: object) -> str:
        if not isinstance(value, str) or value not in choices:
            raise ValueError(value)
        return value

    return Kind("one of " + ", ".join(choices), "|".join(choices), read, read)


def _setting(default: object, kind: Kind, meaning: str) -> Any:
    return field(default=default, metadata={"kind": kind, "meaning": meaning})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one process. Durations and sizes carry their unit in their name."""

    grpc: str = _setting(
        "127.0.0.1:7081", ADDRESS, "Where gateways ask for decisions over gRPC; port 0 takes a free one."
    )
    http: str = _setting(
        "127.0.0.1:7080", ADDRESS, "Where /healthz/live and /healthz/ready answer over HTTP."
    )
    admin: str = _setting(
        "127.0.0.1:7082",
        ADDRESS,
        "Where records are read and changed over gRPC; reachable by operators only.",
    )
    metrics: str = _setting("127.0.0.1:7083", ADDRESS, "Where Prometheus reads /metrics.")
    forward_auth: str = _setting(
        "",
        DOOR,
        "Where gateways ask over HTTP (nginx, Caddy, HAProxy, Traefik); empty: nowhere. Envoy asks on grpc.",
    )
    authzen: str = _setting(
        "", DOOR, "Where the AuthZEN API answers, by HTTPS or on loopback also by HTTP; empty: nowhere."
    )
    authzen_url: str = _setting(
        "",
        OPTIONAL,
        "The base URL that clients know the AuthZEN API by, for its metadata document; empty: it gives none.",
    )
    authzen_time: str = _setting(
        "logical",
        _choice("logical", "ignored"),
        "What context.time of an AuthZEN request says: its logical time, near the clock; or nothing.",
    )
    trusted_peers: str = _setting(
        "127.0.0.0/8, ::1",
        OPTIONAL,
        "Gateways whose word about a request counts: addresses, networks, and name:NAME of a client "
        "certificate, with commas.",
    )
    identity: str = _setting(
        "",
        OPTIONAL_PATH,
        "The declaration of whose tokens and headers are logins (identity.yaml); empty: only what a request "
        "says itself.",
    )
    tls_certificate: str = _setting(
        "", OPTIONAL_PATH, "Certificate (PEM) of forward_auth and authzen; empty: they speak plain HTTP."
    )
    tls_key: str = _setting("", OPTIONAL_PATH, "Private key (PEM) of tls_certificate.")
    tls_client_ca: str = _setting(
        "", OPTIONAL_PATH, "Authorities (PEM) whose client certificates count; empty: none is asked for."
    )
    records: str = _setting(
        "sqlite:poortwachter.db",
        URL,
        "The store of the account state: sqlite:PATH, or redis://, rediss:// (TLS), redis+sentinel:// or "
        "redis+cluster:// and addresses.",
    )
    records_mode: str = _setting(
        "replica",
        _choice("replica", "on_demand"),
        "What this sidecar holds in memory: all records, or replicated kinds whole and others as used.",
    )
    on_demand_mib: int = _setting(
        256, _whole(1), "Memory for the records that are held as they are used, with records_mode on_demand."
    )
    max_staleness_seconds: float = _setting(
        0.0,
        _number(0),
        "How old the state of a decision may be; 0 takes what the store was initialised with, another number "
        "must equal that.",
    )
    gateway_timeout_ms: int = _setting(
        1_000,
        _whole(0),
        "How long gateways wait for an answer; a write that settles waits this long in addition.",
    )
    policy: str = _setting(
        "policies/portal", PATH, "The bundle that decides: a folder with its sources or a built bundle."
    )
    policy_cache: str = _setting(
        "~/.cache/poortwachter",
        PATH,
        "The folder that keeps compiled bundles, so that each is compiled once.",
    )
    opa: str = _setting(
        "", PROGRAM, "The opa that compiles a bundle's sources; empty takes the one on the PATH."
    )
    cache_bytes: int = _setting(
        67_108_864, _whole(0), "Memory for decisions that can be reused; 0 reuses none."
    )
    clock_skew_seconds: float = _setting(
        10.0, _number(0), "How far a request's context.time may lie from this machine's clock."
    )
    freshness_wait_ms: int = _setting(
        500, _whole(0), "How long a request waits for the state that its at_least_as_fresh names."
    )
    evaluation_limit_ms: int = _setting(
        100, _whole(1), "Time that one evaluation of the policy may take before it is a denial."
    )
    evaluation_memory_mib: int = _setting(
        64, _whole(1), "Memory that one evaluation of the policy may take before it is a denial."
    )
    max_request_bytes: int = _setting(
        65_536,
        _whole(1_024, 16_777_216),  # less holds no login; more could not be sent in a batch
        "Size above which a request is refused as invalid; a message with several has room for 64 of them, "
        "within 4 and 64 MiB.",
    )
    threads: int = _setting(
        0, _whole(0), "Threads that answer requests; 0 means one for each processor core."
    )
    shutdown_grace_seconds: float = _setting(
        10.0, _number(0), "How long calls in flight get to finish once the process is told to stop."
    )
    log_level: str = _setting(
        "info", _choice("debug", "info", "warning", "error"), "The least important message that is logged."
    )
    origins: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    """Where each value came from: "default", a file's name, a variable's name or a flag."""


@dataclass(frozen=True, slots=True)
class Setting:
    """The description of one setting, as `pdp config show` and the options of `pdp serve` need it."""

    name: str
    default: str | int | float
    kind: Kind
    meaning: str

    @property
    def environment(self) -> str:
        """The environment variable that sets it."""
        return PREFIX + self.name.upper()

    @property
    def flag(self) -> str:
        """The command line option that sets it."""
        return "--" + self.name.replace("_", "-")


SETTINGS: dict[str, Setting] = {
    f.name: Setting(f.name, f.default, f.metadata["kind"], f.metadata["meaning"])  # type: ignore[arg-type]
    for f in fields(Settings)
    if f.name != "origins"
}


def load_settings(
    flags: Mapping[str, str | None] | None = None,
    *,
    config: str | os.PathLike[str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """The settings of this process, each from its strongest source.

    Args:
        flags: setting name → text from the command line, None where not given.
        config: the TOML file; without it the one that PDP_CONFIG names, if any.
        environment: instead of the process's own, for tests.

    Raises:
        ConfigError: names the setting and where the bad value stands.
    """
    variables = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    origins = dict.fromkeys(SETTINGS, "default")
    path = config or variables.get(CONFIG_VARIABLE)
    for name, value, origin in (
        *(_from_file(Path(path)) if path else ()),
        *_from_environment(variables),
        *_from_flags(flags or {}),
    ):
        values[name] = value
        origins[name] = origin
    settings = Settings(**values, origins=origins)
    _refuse_what_cannot_work(settings)
    _refuse_half_of_tls(settings)
    return settings


def _refuse_what_cannot_work(settings: Settings) -> None:
    """Settings that are each fine alone. Raises ConfigError."""
    memory, request = settings.evaluation_memory_mib, settings.max_request_bytes
    if request * _REQUEST_IN_EVALUATION > memory << 20:
        where = [settings.origins[name] for name in ("max_request_bytes", "evaluation_memory_mib")]
        raise ConfigError(
            f'Setting "max_request_bytes" is {request} ({where[0]}), but an evaluation that may take '
            f'{memory} MiB ("evaluation_memory_mib", {where[1]}) has no room for a request larger than '
            f"{(memory << 20) // _REQUEST_IN_EVALUATION} bytes."
        )


def _refuse_half_of_tls(settings: Settings) -> None:
    """Raises ConfigError for a certificate without its key, and the like."""
    if bool(settings.tls_certificate) != bool(settings.tls_key):
        raise ConfigError('Settings "tls_certificate" and "tls_key" go together; only one of them is set.')
    if settings.tls_client_ca and not settings.tls_certificate:
        raise ConfigError(
            'Setting "tls_client_ca" says whose clients count under TLS, but "tls_certificate" is not set.'
        )


def shown(settings: Settings, name: str) -> str | int | float:
    """A setting's value fit to print: without the password that a store's URL may hold."""
    value: str | int | float = getattr(settings, name)
    return without_password(value) if isinstance(value, str) else value


# Up to the last "@", as a password that is not escaped may hold any character; and options such as
# `sentinel_password`.
_PASSWORD = re.compile(r"(?<=://)([^/@:]*):.*@")
_PASSWORD_OPTION = re.compile(r"([?&][^=&]*(?:password|passphrase|secret|token)[^=&]*=)[^&]*", re.IGNORECASE)


def without_password(url: str) -> str:
    """A URL with the passwords in it, if any, replaced by stars: also those in its options."""
    return _PASSWORD_OPTION.sub(r"\1***", _PASSWORD.sub(r"\1:***@", url))


def _from_file(path: Path) -> Iterable[tuple[str, Any, str]]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"Cannot read the configuration file {path}: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"The configuration file {path} is not valid TOML: {error}.") from error
    for name, value in document.items():
        if name not in SETTINGS:
            raise ConfigError(f'Unknown setting "{name}" in {path}{_nearest(name, SETTINGS)}')
        try:
            yield name, SETTINGS[name].kind.from_toml(value), str(path)
        except ValueError:
            raise _wrong(name, value, str(path)) from None


def _from_environment(variables: Mapping[str, str]) -> Iterable[tuple[str, Any, str]]:
    known = {setting.environment: setting for setting in SETTINGS.values()}
    for variable, text in variables.items():
        if not variable.startswith(PREFIX) or variable == CONFIG_VARIABLE or _SERVICE_LINK.match(variable):
            continue
        if variable not in known:
            nearest = _nearest(variable, [*known, CONFIG_VARIABLE])
            raise ConfigError(f"Unknown environment variable {variable}{nearest}")
        yield known[variable].name, _from_text(known[variable], text, variable), variable


def _from_flags(flags: Mapping[str, str | None]) -> Iterable[tuple[str, Any, str]]:
    for name, text in flags.items():
        if text is not None:
            setting = SETTINGS[name]
            yield name, _from_text(setting, text, setting.flag), setting.flag


def _from_text(setting: Setting, text: str, origin: str) -> Any:
    try:
        return setting.kind.from_text(text)
    except ValueError:
        raise _wrong(setting.name, text, origin) from None


def _wrong(name: str, value: object, origin: str) -> ConfigError:
    text = without_password(value) if isinstance(value, str) else value
    return ConfigError(f'Setting "{name}" must be {SETTINGS[name].kind.means}, but {origin} says {text!r}.')


def _nearest(name: str, known: Iterable[str]) -> str:
    matches = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {matches[0]}?" if matches else "; `pdp config show` lists them all."
