"""The portal: which path is which page. The bundle's routes.yaml says what each of them asks the sidecar."""

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from demo.portal import login, own_pages, webdiensten
from demo.portal.advice import UntoldError
from demo.portal.protection import HOSTS, Protection
from demo.portal.site import FOLDER, Site
from pdp.errors import RecordsError

Page = Callable[[Site, Request], Awaitable[Response]]
_NUMBERED = "/webdiensten/{service}/nummers/{number}"


def build(site: Site) -> Starlette:
    """The portal as an ASGI application, to be reached through the gateway only."""
    return Starlette(
        routes=[*_public(site), *_own(site), *_services(site)],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS), Middleware(Protection)],
        exception_handlers={
            UntoldError: _failed(site, 403, "Deze pagina is niet via de toegangscontrole opgevraagd."),
            LookupError: _failed(site, 409, "Er is geen account om te wijzigen."),
            RecordsError: _failed(site, 503, "Uw wijziging is niet zeker opgeslagen. Probeer het opnieuw."),
            404: _failed(site, 404, "Deze pagina bestaat niet."),
            405: _failed(site, 405, "Dat kan hier niet."),
        },
    )


def _public(site: Site) -> list[Route | Mount]:
    async def show_login(request: Request) -> Response:
        return login.show(site, request)

    async def log_in(request: Request) -> Response:
        return await login.log_in(site, request)

    async def log_out(_: Request) -> Response:
        return login.log_out()

    async def icon(_: Request) -> Response:
        return FileResponse(FOLDER / "static" / "icoon.svg")

    async def robots(_: Request) -> Response:
        return PlainTextResponse("User-agent: *\nDisallow: /\n")

    return [
        Route("/inloggen", show_login),
        Route("/inloggen", log_in, methods=["POST"]),
        Route("/uitloggen", log_out, methods=["POST"]),
        Route("/favicon.ico", icon),
        Route("/robots.txt", robots),
        Mount("/static", StaticFiles(directory=FOLDER / "static")),
    ]


def _own(site: Site) -> list[Route]:
    return [
        _get(site, "/", own_pages.home),
        _get(site, "/status", own_pages.status),
        _get(site, "/profiel", own_pages.profile),
        _post(site, "/profiel", own_pages.update_profile),
        _get(site, "/accounts", own_pages.accounts),
        _post(site, "/accounts", own_pages.review_accounts),
        _post(site, "/account/sluiten", own_pages.close_account),
        _get(site, "/voorwaarden", own_pages.terms),
        _post(site, "/voorwaarden/akkoord", own_pages.accept_terms),
        _post(site, "/voorwaarden/weigeren", own_pages.reject_terms),
    ]


def _services(site: Site) -> list[Route]:
    routes = [
        _get(site, "/webdiensten", webdiensten.overview),
        _get(site, "/webdiensten/ziekmelden/nummers/{number}/verzuim", webdiensten.absence),
    ]
    routes.append(_post(site, f"{_NUMBERED}/activeren", webdiensten.activate))
    for base in ("/webdiensten/{service}", _NUMBERED):
        routes += [
            _get(site, base, webdiensten.service),
            _post(site, base, webdiensten.submit),
            _get(site, f"{base}/berichten", webdiensten.messages),
            _post(site, f"{base}/berichten", webdiensten.send_message),
        ]
    return routes


def _get(site: Site, path: str, page: Page) -> Route:
    return _route(site, path, page, "GET")


def _post(site: Site, path: str, page: Page) -> Route:
    return _route(site, path, page, "POST")


def _route(site: Site, path: str, page: Page, method: str) -> Route:
    async def answer(request: Request) -> Response:
        return await page(site, request)

    return Route(path, answer, methods=[method])


def _failed(site: Site, status: int, sentence: str) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(_: Request, __: Exception) -> Response:
        return site.page("fout", status=status, sentence=sentence)

    return answer
