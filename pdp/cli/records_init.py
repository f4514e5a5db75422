"""`pdp records init`: makes an empty store usable, and changes what its sidecars must agree on."""

from dataclasses import replace
from typing import Any

import click

from pdp.cli.config import setting_options, settings_of
from pdp.config import without_password
from pdp.errors import RecordsError
from pdp.records.store import (
    LeaseMismatchError,
    Parameters,
    RecordStore,
    StoreError,
    UninitialisedError,
    open_store,
)
from pdp.records.timing import Timing

_PER_PERCENT = 10_000


@click.command()
@click.option(
    "--max-staleness",
    type=click.FloatRange(0.5, 3600),
    metavar="SECONDS",
    help="How old the state of a decision may be: without news for so long a sidecar denies.  [default: 4]",
)
@click.option(
    "--clock-rate-error",
    type=click.FloatRange(0, 50),
    metavar="PERCENT",
    help="How much faster or slower than real time any clock may run, slewing included.  [default: 10]",
)
@click.option(
    "--shards",
    type=click.IntRange(1, 1024),
    metavar="N",
    help="Into how many histories records are spread, for Redis Cluster.  [default: 1]",
)
@click.option("--change", is_flag=True, help="Change a store that was initialised with other values.")
@setting_options("records")
def init(change: bool, **options: Any) -> None:
    """Initialise an empty store, once; a SQLite store is made.

    What is given here belongs to the store, and every sidecar on it goes by it. On a store that is
    initialised it changes nothing, unless with --change; the number of shards stays for ever. While the
    values change no sidecar decides, as old proofs of freshness must run out first; then each sidecar has to
    be started again.

    After a restore from a backup, or a loss of all data: initialise again, import, and issue again what the
    backup lacks (docs/operations.md).

    \b
    Examples:
      pdp records init --records redis://redis.example:6379
      pdp records init --records redis+cluster://a.example:6379,b.example:6379 --shards 16
      pdp records init --max-staleness 10 --change
    """  # noqa: D301 - click's mark for "keep these lines"
    url = settings_of(options).records
    store, made = _opened(url)
    try:
        sentence = _initialised(store, options, made=made, change=change)
    finally:
        store.close()
    click.echo(f"{without_password(url)}: {sentence}")


def _opened(url: str) -> tuple[RecordStore, bool]:
    """The store, and whether it was made by this call."""
    try:
        return open_store(url, create=False), False
    except StoreError:
        return open_store(url), True


def _initialised(store: RecordStore, options: dict[str, Any], *, made: bool, change: bool) -> str:
    """Does it; gives a sentence that says what was done."""
    try:
        standing = store.parameters()
    except UninitialisedError:
        wanted = _wanted(options, Parameters())
        store.initialise(wanted)
        return f"initialised with {_described(wanted)}."
    except LeaseMismatchError as error:
        if not change:
            raise RecordsError(
                f"{error} Where that was broken off, finish it with --change and all values."
            ) from error
        wanted = _wanted(options, Parameters())
        return _changed(store, wanted, wanted)
    wanted = _wanted(options, standing)
    if wanted == standing:
        return f"initialised {'' if made else 'already, '}with {_described(standing)}."
    if wanted.shards != standing.shards:
        raise RecordsError(
            f"The number of shards stays {standing.shards}; to have another, export the records and import "
            "them into a new store."
        )
    if not (change or made):
        raise RecordsError(
            f"The store was initialised with {_described(standing)}. With --change it gets "
            f"{_described(wanted)}: every sidecar denies meanwhile, and has to be started again."
        )
    return _changed(store, standing, wanted)


def _changed(store: RecordStore, standing: Parameters, wanted: Parameters) -> str:
    seconds = Timing.of(standing, store.promotion_seconds).settle_ns / 1e9
    click.echo(f"Waiting about {seconds:.0f} s, until old proofs of freshness have run out.", err=True)
    store.change_lease(wanted)
    return f"initialised with {_described(wanted)}."


def _wanted(options: dict[str, Any], otherwise: Parameters) -> Parameters:
    """What the options ask for; what they do not name is as in `otherwise`."""
    wanted = otherwise
    if options["max_staleness"] is not None:
        wanted = replace(wanted, lease_ms=round(options["max_staleness"] * 1000))
    if options["clock_rate_error"] is not None:
        wanted = replace(wanted, clock_rate_ppm=round(options["clock_rate_error"] * _PER_PERCENT))
    if options["shards"] is not None:
        wanted = replace(wanted, shards=options["shards"])
    return wanted


def _described(parameters: Parameters) -> str:
    shards = "1 shard" if parameters.shards == 1 else f"{parameters.shards} shards"
    return (
        f"a staleness of at most {parameters.lease_ms / 1000:g} s, a clock rate error of at most "
        f"{parameters.clock_rate_ppm / _PER_PERCENT:g} %, and {shards}"
    )
