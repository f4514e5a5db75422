"""The presenter's page: what an operator does with `pdp`, by buttons, with what the command answers.

It is an application of its own on a port of its own and does not stand behind the sidecar: whoever locks the
portal must be able to open it again. It asks for no login, and so listens on loopback only and takes forms of
its own pages only.
"""

import shlex
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from demo.portal.people import COMPANIES, PEOPLE
from demo.portal.protection import HOSTS, Protection
from demo.portal.records import Records
from demo.portal.site import FOLDER, templates
from pdp.demo.catalogue import BY_ID, SERVICES
from pdp.demo.sidecar import Sidecar
from pdp.errors import PdpError

_WAIT = ("--wait", "all")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a command.

    Attributes:
        title: what was done, or was to be done.
        command: as one types it.
        problem: why it failed, "" when it did not.
        waited_ms: until it was in force everywhere; None when it did not wait for that.
        path: how the wait ended: "fast" or "timed".
        state_token: of the state that has it.
    """

    title: str
    command: str
    problem: str = ""
    waited_ms: int | None = None
    path: str = ""
    state_token: str = ""

    @property
    def done(self) -> bool:
        """Whether it succeeded."""
        return not self.problem


@dataclass(slots=True)
class Desk:
    """What the presenter works with; `outcome` is that of the last command."""

    sidecar: Sidecar
    records: Records
    portal_url: str
    pages: Environment = field(default_factory=templates)
    outcome: Outcome | None = None

    def run(self, title: str, *words: str) -> None:
        """Runs a command of `pdp` and keeps what came of it."""
        typed = shlex.join(["pdp", *words, "--yes"])
        try:
            said = self.sidecar.command(*words)
        except PdpError as error:
            self.outcome = Outcome(title, typed, problem=str(error))
            return
        barrier = said.get("barrier") or {}
        self.outcome = Outcome(
            title,
            typed,
            waited_ms=barrier.get("waited_ms"),
            path=barrier.get("path") or "",
            state_token=said["state_token"],
        )

    def running(self) -> dict[str, dict[str, Any]]:
        """The incidents that keep somebody out now, by id."""
        now = datetime.now(UTC)
        return {
            key: document
            for key, document in self.records.all("incident").items()
            if "ended_at" not in document and datetime.fromisoformat(document["from"]) <= now
        }


def build(desk: Desk) -> Starlette:
    """The presenter's page as an ASGI application."""
    actions: dict[str, Callable[[Desk, FormData], None]] = {
        "/incident/melden": _declare,
        "/incident/beeindigen": _end,
        "/blokkade/leggen": _block,
        "/blokkade/opheffen": _unblock,
    }

    async def show(_: Request) -> Response:
        return HTMLResponse(await run_in_threadpool(_page, desk))

    return Starlette(
        routes=[
            Route("/", show),
            *(Route(path, _action(desk, act), methods=["POST"]) for path, act in actions.items()),
            Mount("/static", StaticFiles(directory=FOLDER / "static")),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS), Middleware(Protection)],
    )


def _action(desk: Desk, act: Callable[[Desk, FormData], None]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        async with request.form() as form:
            try:
                await run_in_threadpool(act, desk, form)
            except (KeyError, ValueError):
                return PlainTextResponse("Dit formulier is niet compleet.", 422)
        return RedirectResponse("/", 303)

    return answer


def _page(desk: Desk) -> str:
    incidents = desk.running()
    blocks = desk.records.all("block")
    return desk.pages.get_template("regie/regie.html").render(
        outcome=desk.outcome,
        portal_url=desk.portal_url,
        incidents=incidents,
        scopes={key: _scope(document["scope"]) for key, document in incidents.items()},
        services=SERVICES,
        companies=COMPANIES,
        people=PEOPLE.values(),
        blocked={key.removeprefix("account:") for key in blocks if key.startswith("account:")},
    )


def _scope(scope: dict[str, Any]) -> str:
    if scope.get("portal"):
        return "het hele portaal"
    names = [BY_ID[key].name if key in BY_ID else key for key in scope.get("services", ())]
    return ", ".join([*names, *(COMPANIES.get(kvk, kvk) for kvk in scope.get("employers", ()))])


def _declare(desk: Desk, form: FormData) -> None:
    what, _, name = str(form["bereik"]).partition(":")
    known = {"portal": {""}, "service": set(BY_ID), "employer": set(COMPANIES)}[what]
    nature = str(form["aard"]).strip()
    if name not in known or not 0 < len(nature) <= 200:
        raise ValueError(name)
    # One word each, so that no text that is typed here becomes an option.
    scope = f"--{what}" if what == "portal" else f"--{what}={name}"
    desk.run("Het incident is gemeld", "incident", "declare", scope, f"--nature={nature}", *_WAIT)


def _end(desk: Desk, form: FormData) -> None:
    name = str(form["id"])
    if name not in desk.running():
        raise ValueError(name)
    desk.run("Het incident is beëindigd", "incident", "end", *_WAIT, name)


def _block(desk: Desk, form: FormData) -> None:
    person = PEOPLE[str(form["persoon"])]
    words = ("block", "account", person.subject, "--ground", "suspected_misuse", *_WAIT)
    desk.run(f"{person.name} is geblokkeerd", *words)


def _unblock(desk: Desk, form: FormData) -> None:
    person = PEOPLE[str(form["persoon"])]
    desk.run(f"{person.name} is niet meer geblokkeerd", "unblock", "account", person.subject, *_WAIT)
