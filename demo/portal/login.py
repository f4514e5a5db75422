"""The login: a stand-in for eHerkenning, on which one chooses who one is."""

from urllib.parse import urlsplit

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from demo.portal.people import PEOPLE
from demo.portal.site import Site
from demo.portal.tokens import COOKIE, LEVELS, MEANS, SECONDS, Login
from pdp.demo.catalogue import BY_ID

MANDATES = ("ziekmelden", "bezwaar", "ontslagaanvraag")
_DEFAULT_MANDATE = ("ziekmelden", "bezwaar")
_DEFAULT_LEVEL = next(level for level, name in LEVELS.items() if name == "EH3")


def own_path(target: str | None) -> str:
    """Where to go after the login: a path of this portal, "/" for anything else."""
    if not target or not target.isascii() or not target.isprintable() or "\\" in target:
        return "/"
    parts = urlsplit(target)
    is_ours = target.startswith("/") and not target.startswith("//") and not parts.scheme and not parts.netloc
    return target if is_ours else "/"


def show(site: Site, request: Request) -> Response:
    """The login page; `niveau` asks for a level, `terug` says where to go afterwards."""
    asked = request.query_params.get("niveau", "").split(" ")
    level = next((level for level in asked if level in LEVELS), None)
    back = request.query_params.get("terug")
    # Whoever is logged in here and is sent here all the same has a login that the sidecar does not accept.
    refused = back is not None and level is None and site.login(request) is not None
    return _page(site, request, level=level, back=own_path(back), refused=refused)


async def log_in(site: Site, request: Request) -> Response:
    """Logs in as was chosen."""
    async with request.form() as form:
        login = _chosen(form)
        back = own_path(_text(form, "terug"))
    if login is None:
        return _page(site, request, level=None, back=back, failed=True)
    answer = RedirectResponse(back, 303)
    # Not `secure`: the demo speaks plain HTTP, and only on loopback.
    answer.set_cookie(COOKIE, site.issuer.token(login), max_age=SECONDS, httponly=True, samesite="strict")
    return answer


def log_out() -> Response:
    """Forgets the login."""
    answer = RedirectResponse("/inloggen", 303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


def _page(
    site: Site,
    request: Request,
    *,
    level: str | None,
    back: str,
    failed: bool = False,
    refused: bool = False,
) -> Response:
    before = site.login(request)
    return site.page(
        "inloggen",
        status=422 if failed else 200,
        failed=failed,
        refused=refused,
        people=PEOPLE.values(),
        chosen=before.person.id if before else "sanne",
        levels=LEVELS,
        level=level or _DEFAULT_LEVEL,
        asked=level,
        means=MEANS,
        mandates=[BY_ID[service] for service in MANDATES],
        mandated=_DEFAULT_MANDATE,
        back=back,
    )


def _chosen(form: FormData) -> Login | None:
    person, level, means = PEOPLE.get(_text(form, "persoon")), _text(form, "niveau"), _text(form, "middel")
    if person is None or level not in LEVELS or means not in MEANS:
        return None
    mandate = tuple(service for service in form.getlist("machtiging") if isinstance(service, str))
    return Login(person, level, means, mandate) if set(mandate) <= set(MANDATES) else None


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""
