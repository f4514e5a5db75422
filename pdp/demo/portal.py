"""The made-up portal: employers, their accounts, intermediaries, delegations and all that befalls them.

An employer is computed from its position and the seed alone, so a portal of a million accounts takes no
memory and requests can be made for it without reading it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from pdp.demo import accounts, delegations, events
from pdp.demo.catalogue import SERVICES, incidents, terms
from pdp.demo.moments import DAY, stamp, today
from pdp.demo.numbers import kvk_number, rsins

Record = tuple[str, str, dict[str, Any]]
"""Kind, key and document."""

MAX_EMPLOYERS = 12_000_000
_ORGANISATIONS_PER_INTERMEDIARY = 200
_FIRST_INTERMEDIARY = 57


@dataclass(slots=True)
class Employer:
    """One employer and all that hangs on it.

    `accounts`: subject id → document; `delegations`: KvK of the intermediary → document; `others`: the rest.
    """

    kvk: str
    document: dict[str, Any]
    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)
    delegations: dict[str, dict[str, Any]] = field(default_factory=dict)
    others: list[Record] = field(default_factory=list)

    def records(self) -> Iterator[Record]:
        """Every record of this employer."""
        yield "employer", self.kvk, self.document
        for subject, account in self.accounts.items():
            yield "account", subject, account
        for intermediary, delegation in self.delegations.items():
            yield "delegation", f"{self.kvk}:{intermediary}", delegation
        yield from self.others


class Portal:
    """A portal of `size` employers at a moment (`at`, epoch seconds; the beginning of today unless given)."""

    def __init__(self, size: int, seed: int, at: int | None = None) -> None:
        if not 1 <= size <= MAX_EMPLOYERS:
            raise ValueError(f"a portal has 1 to {MAX_EMPLOYERS} employers, not {size}")
        self.size = size
        self.seed = seed
        self.at = today() if at is None else at
        self._offset = Random(f"numbers {seed}").randrange(100_000_000)
        self._streams = Random(f"streams {seed}").getrandbits(64)
        self.intermediaries = max(1, round(size / _ORGANISATIONS_PER_INTERMEDIARY))

    def kvk(self, position: int) -> str:
        """The KvK number of the employer at a position (from 0)."""
        return kvk_number(position, self._offset)

    def intermediary(self, rank: int) -> int:
        """The position of the intermediary of a rank (from 0, which has the most clients)."""
        return min(rank * _ORGANISATIONS_PER_INTERMEDIARY + _FIRST_INTERMEDIARY, self.size - 1)

    def employer(self, position: int) -> Employer:
        """The employer at a position (from 0)."""
        # Another stream of numbers for every employer and seed.
        random = Random((self._streams + position * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF)
        kvk = self.kvk(position)
        document, others = self._document(random, kvk, position)
        found = Employer(kvk, document, others=others)
        clerks = self._clerks(random, position)
        direct = accounts.head_count(random, has_intermediary=bool(clerks))
        for _ in range(direct):
            subject = accounts.pseudonym(random)
            found.accounts[subject] = accounts.account(random, document, kvk, self.at)
        for intermediary in clerks:
            found.delegations[intermediary] = delegations.delegation(random, document, intermediary, self.at)
            for _ in range(1 + (random.random() < 0.25)):
                subject = accounts.pseudonym(random)
                found.accounts[subject] = accounts.account(random, document, intermediary, self.at)
        _activated_by(document, found.accounts)
        found.others += events.of_employer(random, kvk, list(found.accounts), self.at)
        return found

    def shared(self) -> Iterator[Record]:
        """The records that are of no employer: terms, services, incidents."""
        for version, document in terms(self.at):
            yield "terms", version, document
        for service in SERVICES:
            yield "service", service.id, service.document()
        locked_out = [self.kvk(self.size // 3)] if self.size >= 100 else []
        for key, document in incidents(self.at, locked_out):
            yield "incident", key, document

    def records(self) -> Iterator[Record]:
        """Every record of the portal, one employer after another."""
        yield from self.shared()
        for position in range(self.size):
            yield from self.employer(position).records()

    def _clerks(self, random: Random, position: int) -> list[str]:
        """KvK numbers of the intermediaries of an employer: a few offices have most of the clients."""
        luck = random.random()
        count = 0 if luck < 0.62 else 1 if luck < 0.96 else 2
        ranks = {int(self.intermediaries * random.random() ** 3) for _ in range(count)}
        positions = sorted({self.intermediary(rank) for rank in ranks} - {position})
        return [self.kvk(other) for other in positions]

    def _document(self, random: Random, kvk: str, position: int) -> tuple[dict[str, Any], list[Record]]:
        """The employer's record, and the letters with verification codes for numbers that wait."""
        candidates = rsins(position, self._offset)
        rsin = next(candidates)
        numbers = [rsin if random.random() < 0.4 else f"{rsin}L01"]
        if random.random() < 0.18:
            numbers.append(f"{rsin}L02")
        if random.random() < 0.07:
            numbers.append(f"{next(candidates)}L01")
        entries: list[dict[str, Any]] = []
        letters: list[Record] = []
        for place, number in enumerate(numbers):
            entry: dict[str, Any] = {"number": number}
            if random.random() < (0.985 if place == 0 else 0.8):
                entry["activated_at"] = stamp(self.at - random.randrange(30 * DAY, 3_000 * DAY))
            elif random.random() < 0.8:
                letters.append(("activation_code", number, events.letter(random, kvk, self.at)))
            entries.append(entry)
        # Most employers review their accounts once a year; some forget.
        document = {
            "kvk": kvk,
            "rsin": rsin,
            "fiscal_numbers": entries,
            "account_review_at": stamp(self.at - random.randrange(DAY, 420 * DAY)),
        }
        return document, letters


def _activated_by(document: dict[str, Any], subjects: dict[str, Any]) -> None:
    first = next(iter(subjects), None)
    for entry in document["fiscal_numbers"]:
        if first is not None and "activated_at" in entry:
            entry["activated_by"] = first
