"""`pdp ingest`: applies what a system of record puts into a Redis stream."""

import json
import logging
import queue
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

import click

from pdp.cli.account_state import account_state, json_option, state_options
from pdp.cli.config import settings_of
from pdp.config import without_password
from pdp.errors import RecordsError

if TYPE_CHECKING:
    from pdp.records.ingest_dead import DeadLetters
    from pdp.records.ingest_stream import SourceStream
    from pdp.records.ingest_write import Writer

log = logging.getLogger(__name__)

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_TELL_EVERY_SECONDS = 60.0


def _source_options(*, required: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Gives a command `--from` and `--stream`."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        command = click.option("--stream", metavar="NAME", required=required, help="Name of the stream.")(
            command
        )
        return click.option(
            "--from",
            "url",
            metavar="URL",
            required=required,
            help="Redis of the stream, as redis://HOST:PORT/0.",
        )(command)

    return decorate


@click.group(invoke_without_command=True)
@_source_options(required=False)
@click.option(
    "--group", default="poortwachter", show_default=True, metavar="NAME", help="The consumer group."
)
@click.option(
    "--consumer", metavar="NAME", help="Name of this process in its group; default: the host's name."
)
@click.option("--once", is_flag=True, help="End when the stream holds nothing more.")
@click.option(
    "--batch",
    type=click.IntRange(1, 1_000),
    default=100,
    show_default=True,
    metavar="NUMBER",
    help="Most messages to read, and to write together, at a time.",
)
@click.option(
    "--idle-seconds",
    type=click.FloatRange(0.1, 86_400),
    default=60.0,
    show_default=True,
    metavar="NUMBER",
    help="Take over what another consumer got so long ago and did not apply.",
)
@click.option(
    "--dead-letters",
    type=click.IntRange(1, 10_000_000),
    default=10_000,
    show_default=True,
    metavar="NUMBER",
    help="How many dead letters to keep, approximately; the oldest go first.",
)
@state_options
def ingest(url: str | None, stream: str | None, **options: Any) -> None:
    """Apply what a system of record puts into a Redis stream.

    A message has the fields kind, key, value (JSON; absent or empty deletes), version (the number that the
    system of record gives this state of the record) and optionally id. It is acknowledged once its change is
    durable; an older version never overwrites a newer one. What can never be applied goes to the stream
    NAME:dead with the reason. Runs until SIGTERM or SIGINT; several processes share the load. See
    docs/ingest.md.

    \b
    Examples:
      pdp ingest --from redis://127.0.0.1:6379/0 --stream accounts --records redis://127.0.0.1:6380/0
      pdp ingest --from redis://127.0.0.1:6379/0 --stream accounts --admin 127.0.0.1:7082 --once
      pdp ingest dead --from redis://127.0.0.1:6379/0 --stream accounts
    """  # noqa: D301 - click's mark for "keep these lines"
    subcommand = click.get_current_context().invoked_subcommand
    if subcommand is not None:
        if url is not None or stream is not None:
            raise click.UsageError(f"Options go after the word: pdp ingest {subcommand} --from …")
        return
    if url is None or stream is None:
        raise click.UsageError(f"Missing option '{'--from' if url is None else '--stream'}'.")
    _run(url, stream, options)


def _run(url: str, stream: str, options: dict[str, Any]) -> None:
    from pdp.records.ingest import Ingest, Limits  # noqa: PLC0415 - not needed to show help
    from pdp.records.ingest_stream import Source, SourceStream, dead_letters_of  # noqa: PLC0415

    counted, consumer = _Counted(), options["consumer"] or socket.gethostname()
    source = Source(url, stream, options["group"], consumer, options["dead_letters"])
    limits = Limits(batch=options["batch"], idle_ms=round(options["idle_seconds"] * 1_000))
    with (
        _log_on_stderr(settings_of(options).log_level),
        _StopSignal() as stop,
        _writer(options) as writer,
        _closing(SourceStream(source)) as messages,
    ):
        messages.join()
        log.info("Reading %s of %s as %s in %s.", stream, without_password(url), consumer, source.group)
        work = Ingest(messages, writer, stop=stop, count=counted, limits=limits)
        if options["once"]:
            work.drain()
        else:
            work.run()
        left = _leave(messages)
    dead = f"; {counted['dead']:,} went to {dead_letters_of(stream)}" if counted["dead"] else ""
    click.echo(f"Applied {counted['applied']:,} messages; {counted['repeated']:,} changed nothing{dead}.")
    if left:
        click.echo(f"{left:,} messages are with consumers that have not applied them yet.")


@ingest.command()
@_source_options(required=True)
@click.option(
    "--replay", "replayed", metavar="ID|all", multiple=True, help="Send this dead letter to the stream again."
)
@json_option
def dead(url: str, stream: str, replayed: tuple[str, ...], as_json: bool) -> None:
    """List the messages that could not be applied, or send them to the stream again.

    The list names each message's kind, key, version, the field at fault and the reason; with --json each is
    one line with all of its fields. A dead letter that is replayed leaves the list.

    \b
    Examples:
      pdp ingest dead --from redis://127.0.0.1:6379/0 --stream accounts
      pdp ingest dead --from redis://127.0.0.1:6379/0 --stream accounts --replay 1764054000000-0
    """  # noqa: D301
    from pdp.records.ingest_dead import DeadLetters  # noqa: PLC0415

    with _closing(DeadLetters(url, stream)) as letters:
        if replayed:
            _replay(letters, replayed, as_json=as_json)
        else:
            _list(letters, as_json=as_json)


def _list(letters: "DeadLetters", *, as_json: bool) -> None:
    number = 0
    for number, letter in enumerate(letters, 1):  # noqa: B007 - the last number is how many
        at = letter.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if as_json:
            document = {**letter._asdict(), "at": at, "fields": dict(letter.fields)}
            click.echo(json.dumps(document, ensure_ascii=False))
            continue
        fields = dict(letter.fields)
        record = f"{fields.get('kind', '?')}/{fields.get('key', '?')} version {fields.get('version', '?')}"
        click.echo(f"{letter.id}  {at}  {record}: {': '.join(filter(None, (letter.field, letter.reason)))}")
    if not number and not as_json:
        click.echo("There are no dead letters.")


def _replay(letters: "DeadLetters", chosen: tuple[str, ...], *, as_json: bool) -> None:
    for letter in [one.id for one in letters] if "all" in chosen else chosen:
        new = letters.replay(letter)
        click.echo(json.dumps({"id": letter, "message": new}) if as_json else f"Replayed {letter} as {new}.")


@contextmanager
def _writer(options: dict[str, Any]) -> Iterator["Writer"]:
    """Where the changes go: through the sidecar of `--admin`, or straight into the store."""
    from pdp.records.ingest_write import AdminWriter, StoreWriter  # noqa: PLC0415

    if options["admin"] is not None:
        with account_state(options) as state:
            yield AdminWriter(state.access)
        return
    from pdp.configured import configured_bundle  # noqa: PLC0415 - not needed with --admin
    from pdp.records.store import open_store  # noqa: PLC0415

    settings = settings_of(options)
    # A store that is made by mistake would swallow the messages.
    with _closing(open_store(settings.records, create=False)) as store:
        policy = configured_bundle(settings.policy, settings).policy
        yield StoreWriter(store, lambda: policy)


def _leave(messages: "SourceStream") -> int:
    """Leaves the group; gives how many messages are pending in it (0 when that cannot be told)."""
    with suppress(RecordsError):
        messages.leave()
        return messages.pending()
    return 0


class _Counted(Counter[str]):
    """Counts outcomes, and logs the counts now and then."""

    def __init__(self) -> None:
        super().__init__()
        self._told = time.monotonic()

    def __call__(self, outcome: str) -> None:
        self[outcome] += 1
        if time.monotonic() - self._told >= _TELL_EVERY_SECONDS:
            self._told = time.monotonic()
            log.info("Messages so far: %s.", ", ".join(f"{number:,} {name}" for name, number in self.items()))


class _StopSignal:
    """SIGTERM or SIGINT asks for an orderly stop; a second one ends the process at once."""

    def __init__(self) -> None:
        self._told = False
        # Of Python's queues and events only this one may be used in a signal handler.
        self._received: queue.SimpleQueue[int] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        """Takes the signals while this context is open."""
        self._before = [(number, signal.signal(number, self._receive)) for number in _SIGNALS]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._before:
            signal.signal(number, before)

    def is_set(self) -> bool:
        """Whether to stop."""
        return self._told

    def wait(self, timeout: float) -> bool:
        """Sleeps for some seconds, or until told to stop; True when told."""
        if not self._told:
            with suppress(queue.Empty):
                self._received.get(timeout=timeout)
        return self._told

    def _receive(self, number: int, _: FrameType | None) -> None:
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        self._told = True
        self._received.put(number)


@contextmanager
def _log_on_stderr(level: str) -> Iterator[None]:
    formatter = logging.Formatter(
        "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logger = logging.getLogger("pdp")
    logger.addHandler(handler)
    logger.setLevel(level.upper())
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _Closable(Protocol):
    def close(self) -> None: ...


_Closed = TypeVar("_Closed", bound=_Closable)


@contextmanager
def _closing(resource: _Closed) -> Iterator[_Closed]:
    try:
        yield resource
    finally:
        resource.close()
