"""The portal's own pages: overview, terms, profile, accounts."""

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from demo.portal.login import log_out
from demo.portal.people import BY_SUBJECT
from demo.portal.records import Document, now_stamp
from demo.portal.site import Site, Visit


async def home(site: Site, request: Request) -> Response:
    """Who one works for, what must be done, what is told."""
    return site.page("overzicht", visit=site.visit(request), done=request.query_params.get("gedaan", ""))


async def status(site: Site, request: Request) -> Response:
    """Whether access goes on: an open page asks this every few seconds."""
    site.visit(request)
    return JSONResponse({"toegang": True})


async def terms(site: Site, request: Request) -> Response:
    """The terms of use, to be accepted or rejected."""
    visit = site.visit(request)
    versions = await run_in_threadpool(site.records.all, "terms")
    in_force = await run_in_threadpool(site.records.terms_in_force)
    account = await run_in_threadpool(site.records.get, "account", visit.login.person.subject) or {}
    return site.page(
        "voorwaarden",
        visit=visit,
        versions={version: versions[version] for version in sorted(versions, reverse=True)},
        in_force=in_force,
        said={entry["version"]: entry for entry in account.get("terms", ())},
        failed=request.query_params.get("fout") == "akkoord",
    )


async def accept_terms(site: Site, request: Request) -> Response:
    """Accepts the version that the form shows."""
    visit = site.visit(request)
    async with request.form() as form:
        version, agreed = form.get("versie"), form.get("akkoord")
    if agreed != "ja" or not isinstance(version, str):
        return RedirectResponse("/voorwaarden?fout=akkoord", 303)
    return await _say(site, visit, version, "accepted_at")


async def reject_terms(site: Site, request: Request) -> Response:
    """Rejects the version that the form shows."""
    visit = site.visit(request)
    async with request.form() as form:
        version = form.get("versie")
    if not isinstance(version, str):
        return RedirectResponse("/voorwaarden", 303)
    return await _say(site, visit, version, "rejected_at")


async def _say(site: Site, visit: Visit, version: str, what: str) -> Response:
    if await run_in_threadpool(site.records.get, "terms", version) is None:
        return RedirectResponse("/voorwaarden", 303)

    def say(account: Document) -> None:
        others = [entry for entry in account.get("terms", ()) if entry["version"] != version]
        account["terms"] = [*others, {"version": version, what: now_stamp()}]

    await _change(site, "account", visit.login.person.subject, say)
    return RedirectResponse("/?gedaan=voorwaarden", 303)


async def profile(site: Site, request: Request) -> Response:
    """What the portal knows of the account."""
    visit = site.visit(request)
    account = await run_in_threadpool(site.records.get, "account", visit.login.person.subject) or {}
    open_ = [entry["id"] for entry in account.get("instructions", ()) if "acknowledged_at" not in entry]
    return site.page(
        "profiel",
        visit=visit,
        account=account,
        instructions=open_,
        failed=request.query_params.get("fout") == "email",
    )


async def update_profile(site: Site, request: Request) -> Response:
    """Supplies the e-mail address, or confirms an instruction."""
    visit = site.visit(request)
    async with request.form() as form:
        email, instruction = form.get("email"), form.get("instructie")
    subject = visit.login.person.subject
    if isinstance(instruction, str):

        def acknowledge(account: Document) -> None:
            for entry in account.get("instructions", ()):
                if entry["id"] == instruction:
                    entry.setdefault("acknowledged_at", now_stamp())

        await _change(site, "account", subject, acknowledge)
        return RedirectResponse("/?gedaan=instructie", 303)
    # The demo keeps no address: the account state knows only that there is one.
    if not isinstance(email, str) or not 3 <= len(email) <= 254 or "@" not in email[1:-1]:
        return RedirectResponse("/profiel?fout=email", 303)
    await _change(site, "account", subject, lambda account: account.update(notification_email=True))
    return RedirectResponse("/?gedaan=email", 303)


async def accounts(site: Site, request: Request) -> Response:
    """The accounts of the employer that is acted for."""
    visit = site.visit(request)
    found = await run_in_threadpool(site.records.all, "account")
    own = {
        BY_SUBJECT[subject].name if subject in BY_SUBJECT else subject: account
        for subject, account in found.items()
        if account["employer"] == visit.decision.accountable
    }
    return site.page("accounts", visit=visit, accounts=own)


async def review_accounts(site: Site, request: Request) -> Response:
    """Notes that the accounts were reviewed."""
    visit = site.visit(request)
    kvk = visit.decision.accountable
    await _change(site, "employer", kvk, lambda employer: employer.update(account_review_at=now_stamp()))
    return RedirectResponse("/?gedaan=accounts", 303)


async def close_account(site: Site, request: Request) -> Response:
    """Closes one's own account, and logs out."""
    visit = site.visit(request)
    await _change(
        site, "account", visit.login.person.subject, lambda account: account.update(status="closed")
    )
    return log_out()


async def _change(site: Site, kind: str, key: str, how: Callable[[Document], None]) -> None:
    await run_in_threadpool(site.records.change, kind, key, how)
