"""What the pages of the portal share: who visits, what was decided, how a page is made."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from demo.portal.advice import Decision, UntoldError, day, decision_of
from demo.portal.people import COMPANIES
from demo.portal.records import Records
from demo.portal.tokens import COOKIE, LEVELS, Issuer, Login

FOLDER = Path(__file__).parent


def templates() -> Environment:
    """The templates of both applications; everything filled in is escaped."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["day"] = day
    environment.filters["company"] = lambda kvk: COMPANIES.get(kvk, f"KvK {kvk}")
    environment.filters["level"] = lambda urn: LEVELS.get(urn, urn)
    return environment


@dataclass(frozen=True, slots=True)
class Visit:
    """A request that the gateway let through: who is logged in, and the decision."""

    login: Login
    decision: Decision


Sent = dict[str, str]
"""What somebody sent in: its parts by their names."""


@dataclass(slots=True)
class Site:
    """The portal: its login, its records, and what was sent in (gone when the demo ends).

    `sent`: employer, service, number ("" without) and kind ("aanvragen", "berichten") → oldest first.
    """

    issuer: Issuer
    records: Records
    control_url: str
    pages: Environment = field(default_factory=templates)
    sent: dict[tuple[str, str, str, str], list[Sent]] = field(default_factory=dict)

    def login(self, request: Request) -> Login | None:
        """Who is logged in."""
        return self.issuer.read(request.cookies.get(COOKIE))

    def visit(self, request: Request) -> Visit:
        """The visit of a page that is not public. The gateway adds the decision; without it there is no page.

        Raises:
            UntoldError: it did not come by the gateway.
        """
        decision, login = decision_of(request.headers), self.login(request)
        if login is None:
            raise UntoldError
        return Visit(login, decision)

    def page(
        self, name: str, *, visit: Visit | None = None, status: int = 200, watch: str = "/status", **told: Any
    ) -> Response:
        """A page.

        Args:
            name: of the template, without its ending.
            visit: None for a page that is open to everybody.
            status: of HTTP.
            watch: the path that the page asks whether access goes on; only with a visit.
            told: what the template is told besides.
        """
        text = self.pages.get_template(f"{name}.html").render(
            visit=visit, watch=watch, control_url=self.control_url, **told
        )
        return HTMLResponse(text, status)
