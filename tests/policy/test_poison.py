"""One article at a time is poisoned, past the check: by no way does a broken article let anybody in.

Each poisoned bundle is compiled by OPA itself, and the core and a real OPA server decide by it: requests that
the whole portal allows, and requests that it denies.
"""

import json
import re
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest

from pdp.policy.bundle import Bundle
from pdp.policy.deciders import CoreDecider, OpaServer, encode
from pdp.policy.opa import Opa
from pdp.policy.tables import Case, Invalid, load_table
from tests.policy.bundles import PORTAL, TABLES, Compiled, by_opa, compile_unchecked

ARTICLES = sorted(set(re.findall(r"data\.portal\.(\w+)\.holds", (PORTAL / "decision.rego").read_text())))

# A case of the tables that the article denies, it alone. Articles that are missing here deny nothing.
DENIED_BY = {
    "account": ("article-2.10-accounts.yaml", "ACCOUNT_CLOSED"),
    "activation": ("article-2.6-use.yaml", "FISCAL_NUMBER_NOT_ACTIVATED"),
    "block": ("article-4.5-4.6-blocks.yaml", "ACCOUNT_BLOCKED"),
    "branch": ("article-4.1-branch.yaml", "BRANCH_NOT_AUTHORISED"),
    "delegation": ("article-2.9-delegation.yaml", "DELEGATION_MISSING"),
    "incident": ("article-4.2-incidents.yaml", "INCIDENT_LOCKOUT"),
    "login": ("article-2.2-assurance.yaml", "ASSURANCE_LEVEL_TOO_LOW"),
    "purpose": ("article-2.7-purpose.yaml", "PURPOSE_NOT_OF_SERVICE"),
    "termination": ("article-5.1-terminations.yaml", "ACCESS_TERMINATED"),
    "terms": ("article-2.3-acceptance.yaml", "TERMS_NOT_ACCEPTED"),
}


def conflicting_rule(folder: Path, article: str) -> None:
    """Two values at once."""
    with rego(folder, article).open("a") as file:
        file.write('\nholds := "one" if input.time > 0\n\nholds := "other" if input.time > 0\n')


def conflict_with_itself(folder: Path, article: str) -> None:
    """Another value at once, where the article holds."""
    with rego(folder, article).open("a") as file:
        file.write("\nholds := false if input.time > 0\n")


def failing_builtin(folder: Path, article: str) -> None:
    """Nothing but a built-in function that fails."""
    rename(folder, article, "holds", "holds if to_number(input.action.name) >= 0")


def missing_package(folder: Path, article: str) -> None:
    shutil.rmtree(folder / article)


def wrong_type(folder: Path, article: str) -> None:
    """A text. One that OPA can see when it compiles, it refuses itself."""
    rename(folder, article, "holds", "holds := input.action.name")


def number_for_truth(folder: Path, article: str) -> None:
    rename(folder, article, "holds", "holds := input.time")


def reasons_undefined(folder: Path, article: str) -> None:
    rename(folder, article, "reasons", "reasons := {input.action} if input.time < 0")


# How → whether the article no longer holds where it did; otherwise it only no longer says why it does not.
POISONS: dict[Callable[[Path, str], None], bool] = {
    conflicting_rule: True,
    conflict_with_itself: True,
    failing_builtin: True,
    missing_package: True,
    wrong_type: True,
    number_for_truth: True,
    reasons_undefined: False,
}


def rego(folder: Path, article: str) -> Path:
    return folder / article / f"{article}.rego"


def rename(folder: Path, article: str, rule: str, instead: str) -> None:
    """Puts one definition in the place of all that a rule has."""
    file = rego(folder, article)
    text, number = re.subn(rf"^{rule}\b", f"untouched_{rule}", file.read_text(), flags=re.MULTILINE)
    assert number > 0, f"{article} has no rule {rule}"
    file.write_text(f"{text}\n{instead}\n")


@cache
def case_of(file: str, *codes: str) -> Case:
    """The first case of a table that is allowed (no codes) or denied for exactly these codes."""
    for case in load_table(TABLES / file):
        if case.want.get("allow") is (not codes) and case.want.get("codes", list(codes)) == list(codes):
            return case
    raise AssertionError(f"no such case in {file}: {codes}")


def allowed_cases() -> list[Case]:
    """A user of the employer itself, an intermediary, and the portal's own pages."""
    return [
        case_of("article-2.6-use.yaml"),
        case_of("article-2.9-scope.yaml"),
        case_of("article-2.10-accounts.yaml"),
    ]


def other_denial(article: str) -> Case:
    """A request that another article denies, and for which nothing of this article is missing."""
    if article == "incident":
        return case_of("article-4.5-4.6-blocks.yaml", "ACCOUNT_BLOCKED")
    return case_of("article-4.2-incidents.yaml", "INCIDENT_LOCKOUT")


class Poisoned:
    """A poisoned bundle in both engines."""

    def __init__(self, compiled: Compiled, server: OpaServer) -> None:
        self._decider = CoreDecider(compiled.policy)
        self._server = server

    def codes(self, case: Case) -> list[str]:
        """The codes of the denial, the same in both engines. An allow fails the test."""
        ours = self._decider.decide(case)
        theirs = by_opa(self._decider, self._server, case.request, case.at_ms)
        found = []
        for answer in (ours, theirs):
            assert not isinstance(answer, Invalid)
            assert answer["allow"] is False, case.name
            found.append([reason["code"] for reason in answer["reasons"]])
        assert found[0] == found[1]
        return found[0]


def test_the_whole_portal_allows(decider: CoreDecider, portal: Bundle, portal_server: OpaServer) -> None:
    for case in allowed_cases():
        ours = decider.decide(case)
        theirs = by_opa(decider, portal_server, case.request, case.at_ms)
        assert not isinstance(ours, Invalid)
        assert not isinstance(theirs, Invalid)
        assert ours["allow"] is theirs["allow"] is True, case.name
    for article, (file, code) in DENIED_BY.items():
        answer = decider.decide(case_of(file, code))
        assert not isinstance(answer, Invalid)
        assert [reason["code"] for reason in answer["reasons"]] == [code], article


def test_the_core_says_it_as_the_portal_does(decider: CoreDecider, portal: Bundle) -> None:
    """A user cannot tell, and need not, which of the two found that something is broken."""
    case = allowed_cases()[0]
    decider.load(case)
    answer = json.loads(decider.core.finish(encode(case.request), None, case.at_ms))
    (reason,) = answer["reasons"]
    assert reason["code"] == "POLICY_ERROR"
    assert reason["message"] == json.loads(portal.data)["portal"]["messages"]["POLICY_ERROR"]


def test_every_article_is_poisoned() -> None:
    answers = re.compile(r"^holds\b", re.MULTILINE)
    folders = {path.parent.name for path in PORTAL.glob("*/*.rego") if answers.search(path.read_text())}
    assert set(ARTICLES) == folders
    assert len(ARTICLES) == 13


@pytest.mark.parametrize("article", ARTICLES)
def test_a_broken_article_lets_nobody_in(article: str, tmp_path: Path, opa: Opa) -> None:
    def poisoned(poison: Callable[[Path, str], None]) -> Compiled:
        folder = tmp_path / poison.__name__
        shutil.copytree(PORTAL, folder)
        poison(folder, article)
        return compile_unchecked(folder, opa)

    with ThreadPoolExecutor(2) as pool:
        bundles = dict(zip(POISONS, pool.map(poisoned, POISONS), strict=True))
    for poison, compiled in bundles.items():
        with OpaServer(opa, compiled.archive) as server:
            engines = Poisoned(compiled, server)
            if POISONS[poison]:
                for case in (*allowed_cases(), other_denial(article)):
                    assert "POLICY_ERROR" in engines.codes(case), f"{poison.__name__}: {case.name}"
            if article in DENIED_BY:
                file, code = DENIED_BY[article]
                codes = engines.codes(case_of(file, code))
                if poison is reasons_undefined:
                    assert codes == ["POLICY_ERROR"]


@pytest.mark.parametrize("lost", ["messages", "settings", "assurance_ranks", "own_pages"])
def test_lost_data_lets_nobody_in(lost: str, tmp_path: Path, opa: Opa, decider: CoreDecider) -> None:
    """A part of data.yaml that is gone: what was denied stays denied."""
    shutil.copytree(PORTAL, tmp_path / "portal")
    data = tmp_path / "portal" / "data.yaml"
    text, number = re.subn(rf"^  {lost}:\n(?:(?:    .*)?\n)+", "", data.read_text(), flags=re.MULTILINE)
    assert number == 1
    data.write_text(text)
    compiled = compile_unchecked(tmp_path / "portal", opa)
    with OpaServer(opa, compiled.archive) as server:
        engines = Poisoned(compiled, server)
        for file, code in DENIED_BY.values():
            assert engines.codes(case_of(file, code))
