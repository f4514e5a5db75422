"""The same small portal in each framework, on a real server: what the doors are tried on.

Routes: /verzuim (may be read), /submit (posted), /nowhere (a service that no catalogue has), /fiscal (names a
fiscal number from the query), /public, /undeclared. The login is a stand-in: a header.
"""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any
from urllib.parse import parse_qs

import django
import uvicorn
from django.conf import settings as django_settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.test.utils import override_settings
from fastapi import Depends, FastAPI, Request, WebSocket
from waitress.server import create_server

from poortwachter_client import AsyncClient, Client, Decision, asgi, fastapi, wsgi
from poortwachter_client.refusal import Refusals
from poortwachter_client.requirement import PUBLIC, Requirement, current_decision
from tests.end_to_end.portal import PURPOSE, SERVICE

LOGIN = "/inloggen"
REFUSALS = Refusals(login_url=LOGIN + "?terug={url}", step_up_url=LOGIN + "?niveau={acr_values}&terug={url}")
READ: dict[str, Any] = {"service": SERVICE, "action": "read", "purpose": PURPOSE}
SUBMIT: dict[str, Any] = {"service": SERVICE, "action": "submit", "purpose": PURPOSE}
NOWHERE: dict[str, Any] = {"service": "nowhere", "action": "read", "purpose": PURPOSE}


def told(decision: Decision | None) -> dict[str, Any]:
    """What a view makes of its decision."""
    now = current_decision()
    return {
        "decision_id": decision.decision_id if decision else None,
        "accountable": dict(decision.accountable or {}) if decision else None,
        "obligations": [each.type for each in decision.obligations] if decision else None,
        "the same": now is decision,
    }


def fiscal_number(query: str) -> Mapping[str, Any]:
    """Of the resource, as the query names it."""
    return {"fiscal_number": parse_qs(query)["number"][0]}


REQUIREMENTS: dict[str, dict[str, Any]] = {"/verzuim": READ, "/submit": SUBMIT, "/nowhere": NOWHERE}


def requirement(path: str, properties: Callable[[Any], Mapping[str, Any]]) -> Any:
    """For doors that ask what a path requires."""
    if path == "/public":
        return PUBLIC
    if path == "/fiscal":
        return Requirement(**READ, properties=properties)
    return Requirement(**REQUIREMENTS[path]) if path in REQUIREMENTS else None


# ── the apps ───────────────────────────────────────────────────────────────────────────────────────────────


def _logged_in(app: Any) -> Any:
    """Stands for a session middleware."""

    async def with_session(scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope.get("headers", ()))
        login = headers.get(b"x-login")
        scope["session"] = {"authentication": json.loads(login)} if login else {}
        await app(scope, receive, send)

    return with_session


def asgi_app(address: str) -> Any:
    """A bare ASGI application behind the middleware."""
    door = asgi.Door(AsyncClient([address], timeout=5.0), refusals=REFUSALS)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while True:
                event = await receive()
                await send({"type": f"{event['type']}.complete"})
                if event["type"] == "lifespan.shutdown":
                    return
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            text = json.dumps(told(scope["state"]["decision"]))
            await send({"type": "websocket.send", "text": text})
            await send({"type": "websocket.close"})
            return
        body = json.dumps(told(scope["state"]["decision"])).encode()
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def properties(scope: Any) -> Mapping[str, Any]:
        return fiscal_number(scope["query_string"].decode())

    return _logged_in(door.middleware(app, lambda scope: requirement(scope["path"], properties)))


def wsgi_app(address: str) -> Any:
    """A bare WSGI application behind the middleware."""
    door = wsgi.Door(Client([address], timeout=5.0), refusals=REFUSALS)

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "application/json")])
        yield json.dumps(told(environ[wsgi.ENVIRON])).encode()

    def properties(environ: Any) -> Mapping[str, Any]:
        return fiscal_number(environ["QUERY_STRING"])

    guarded = door.middleware(app, lambda environ: requirement(environ["PATH_INFO"], properties))

    def with_session(environ: Any, start_response: Any) -> Any:
        login = environ.get("HTTP_X_LOGIN")
        environ["session"] = {"authentication": json.loads(login)} if login else {}
        return guarded(environ, start_response)

    return with_session


def fastapi_app(address: str) -> Any:
    """A FastAPI application with dependencies."""
    app = FastAPI()
    door = fastapi.Door(app, AsyncClient([address], timeout=5.0), refusals=REFUSALS)

    def properties(scope: Any) -> Mapping[str, Any]:
        return fiscal_number(scope["query_string"].decode())

    fiscal = door.requires(**READ, properties=properties)

    Read = Annotated[Decision, Depends(door.requires(**READ))]  # noqa: N806
    Submit = Annotated[Decision, Depends(door.requires(**SUBMIT))]  # noqa: N806

    @app.get("/verzuim")
    @app.head("/verzuim")
    async def read(request: Request, decision: Read) -> dict[str, Any]:
        assert request.state.decision is decision
        return told(decision)

    @app.post("/submit")
    def submit(decision: Submit) -> dict[str, Any]:
        return told(decision)

    @app.get("/nowhere", dependencies=[Depends(door.requires(**NOWHERE))])
    async def nowhere() -> dict[str, Any]:
        return told(current_decision())

    @app.get("/fiscal", dependencies=[Depends(fiscal)])
    async def with_number() -> dict[str, Any]:
        return told(current_decision())

    @app.get("/public")
    async def public() -> dict[str, Any]:
        return told(current_decision())

    @app.websocket("/verzuim")
    async def live(websocket: WebSocket, decision: Read) -> None:
        await websocket.accept()
        await websocket.send_text(json.dumps(told(decision)))
        await websocket.close()

    return _logged_in(app)


@contextmanager
def _django(address: str, get_application: Callable[[], Any]) -> Iterator[Any]:
    if not django_settings.configured:
        django_settings.configure(
            ALLOWED_HOSTS=["127.0.0.1"],
            MIDDLEWARE=[
                "tests.adapters.python.portal_django.stand_in_for_sessions",
                "poortwachter_client.django.Middleware",
            ],
            ROOT_URLCONF="tests.adapters.python.portal_django",
            USE_TZ=True,
            LOGGING_CONFIG=None,
        )
        django.setup()
    own = {"addresses": [address], "timeout": 5.0, "refusals": REFUSALS}
    with override_settings(POORTWACHTER=own):
        yield get_application()


# ── the servers ────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def on_uvicorn(app: Any) -> Iterator[str]:
    """Serves an ASGI application; gives `HOST:PORT`."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="auto")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        ends = time.monotonic() + 20
        while not server.started:
            assert time.monotonic() < ends
            assert thread.is_alive()
            time.sleep(0.01)
        yield f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)


@contextmanager
def on_waitress(app: Any) -> Iterator[str]:
    """Serves a WSGI application; gives `HOST:PORT`."""
    server: Any = create_server(app, host="127.0.0.1", port=0, threads=2)
    thread = threading.Thread(target=_run, args=(server,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.effective_port}"
    finally:
        server.close()
        server.task_dispatcher.shutdown(timeout=5)
        thread.join(timeout=20)


def _run(server: Any) -> None:
    with contextlib.suppress(OSError):  # its socket was closed
        server.run()


@contextmanager
def portal_in(framework: str, address: str) -> Iterator[str]:
    """The portal in a framework, asking the PDP at an address; gives `HOST:PORT`."""
    with contextlib.ExitStack() as stack:
        if framework == "django-wsgi":
            app = stack.enter_context(_django(address, get_wsgi_application))
        elif framework == "django-asgi":
            app = stack.enter_context(_django(address, get_asgi_application))
        else:
            app = {"asgi": asgi_app, "wsgi": wsgi_app, "fastapi": fastapi_app}[framework](address)
        server = on_waitress if framework in ("wsgi", "django-wsgi") else on_uvicorn
        yield stack.enter_context(server(app))


FRAMEWORKS = ("asgi", "wsgi", "fastapi", "django-wsgi", "django-asgi")
