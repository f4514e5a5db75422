"""The webdiensten: a list, and of each one pages with a form and with messages."""

import secrets
from datetime import date

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from demo.portal.people import CODE
from demo.portal.records import Document, now_stamp
from demo.portal.site import Sent, Site, Visit
from pdp.demo.catalogue import BY_ID, SERVICES, Service

_LONGEST = 2_000
# Field of a form → what to call it, and what is asked when it is missing.
_REPORT = {
    "werknemer": ("Naam van de werknemer", "Vul de naam van de werknemer in."),
    "eerste_dag": ("Eerste ziektedag", "Vul de eerste ziektedag in als datum, vandaag of eerder."),
}
_REQUEST = {"toelichting": ("Toelichting", "Vul een toelichting in.")}
_MESSAGE = {"bericht": ("Bericht", "Vul een bericht in.")}


async def overview(site: Site, request: Request) -> Response:
    """Every webdienst, with the fiscal numbers of the employer for those that need one."""
    visit = site.visit(request)
    employer = await run_in_threadpool(site.records.get, "employer", visit.decision.accountable) or {}
    numbers = {entry["number"]: "activated_at" in entry for entry in employer.get("fiscal_numbers", ())}
    return site.page(
        "webdiensten",
        visit=visit,
        services=SERVICES,
        numbers=numbers,
        code=CODE,
        activated=request.query_params.get("geactiveerd"),
        failed=request.query_params.get("fout"),
    )


async def activate(site: Site, request: Request) -> Response:
    """Activates a fiscal number with the code from the letter; a wrong one costs an attempt (article 2.6)."""
    visit, number = site.visit(request), _number(request)
    async with request.form() as form:
        code = _text(form, "code")
    if not secrets.compare_digest(code.encode(), CODE.encode()):

        def count(letter: Document) -> None:
            letter["attempts_left"] -= 1

        await run_in_threadpool(site.records.change, "activation_code", number, count)
        return RedirectResponse(f"/webdiensten?fout={number}", 303)

    def note(employer: Document) -> None:
        for entry in employer["fiscal_numbers"]:
            if entry["number"] == number:
                entry.update(activated_at=now_stamp(), activated_by=visit.login.person.subject)

    await run_in_threadpool(site.records.change, "employer", visit.decision.accountable, note)
    return RedirectResponse(f"/webdiensten?geactiveerd={number}", 303)


async def service(site: Site, request: Request) -> Response:
    """A webdienst: what was sent in, and the form."""
    return _page(site, request, site.visit(request), "aanvragen")


async def absence(site: Site, request: Request) -> Response:
    """Reports of sickness that still run: another purpose of the same webdienst."""
    visit = site.visit(request)
    return site.page("verzuim", visit=visit, watch=request.url.path, number=request.path_params["number"])


async def messages(site: Site, request: Request) -> Response:
    """The messages of a webdienst, and the form for a new one."""
    return _page(site, request, site.visit(request), "berichten")


async def submit(site: Site, request: Request) -> Response:
    """Sends in the form of a webdienst."""
    return await _take(site, request, "aanvragen")


async def send_message(site: Site, request: Request) -> Response:
    """Sends a message."""
    return await _take(site, request, "berichten")


async def _take(site: Site, request: Request, kind: str) -> Response:
    visit = site.visit(request)
    async with request.form() as form:
        given = {field: _text(form, field) for field in _fields(_service(request), kind)}
    problems = {
        field: asked
        for field, (_, asked) in _fields(_service(request), kind).items()
        if not _fits(field, given)
    }
    if problems:
        return _page(site, request, visit, kind, given=given, problems=problems)
    reference = f"{secrets.randbelow(10**8):08d}"
    site.sent.setdefault(_place(request, visit, kind), []).append({**given, "kenmerk": reference})
    return RedirectResponse(f"{request.url.path}?kenmerk={reference}", 303)


def _page(
    site: Site,
    request: Request,
    visit: Visit,
    kind: str,
    *,
    given: Sent | None = None,
    problems: dict[str, str] | None = None,
) -> Response:
    found = _service(request)
    base = f"/webdiensten/{found.id}" + (f"/nummers/{number}" if (number := _number(request)) else "")
    sent = site.sent.get(_place(request, visit, kind), [])
    asked = request.query_params.get("kenmerk")
    return site.page(
        "webdienst" if kind == "aanvragen" else "berichten",
        visit=visit,
        status=422 if problems else 200,
        watch=request.url.path,
        service=found,
        number=number,
        base=base,
        fields={name: label for name, (label, _) in _fields(found, kind).items()},
        sent=sent,
        received=next((each["kenmerk"] for each in sent if each["kenmerk"] == asked), None),
        given=given or {},
        problems=problems or {},
        today=date.today().isoformat(),  # noqa: DTZ011 - the user's day
    )


def _service(request: Request) -> Service:
    found = BY_ID.get(request.path_params["service"])
    if found is None:
        raise HTTPException(404)
    return found


def _number(request: Request) -> str:
    number: str = request.path_params.get("number", "")
    return number


def _place(request: Request, visit: Visit, kind: str) -> tuple[str, str, str, str]:
    return visit.decision.accountable, _service(request).id, _number(request), kind


def _fields(found: Service, kind: str) -> dict[str, tuple[str, str]]:
    if kind == "berichten":
        return _MESSAGE
    return _REPORT if found.id == "ziekmelden" else _REQUEST


def _fits(field: str, given: Sent) -> bool:
    if field != "eerste_dag":
        return 0 < len(given[field]) <= _LONGEST
    try:
        return date.fromisoformat(given[field]) <= date.today()  # noqa: DTZ011
    except ValueError:
        return False


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value.strip() if isinstance(value, str) else ""
