"""What the client's README prints works as printed, against a real sidecar; only its address is another."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import httpx
import pytest
from django.http import HttpResponse

from poortwachter_client.django import Middleware
from poortwachter_client.requirement import PUBLIC, Requirement, declared
from tests.adapters.python.portal_apps import _logged_in, on_uvicorn
from tests.end_to_end.sidecar import PORTAL, ROOT, Sidecar, Starter

README = (ROOT / "adapters/python/README.md").read_text(encoding="utf-8")
REQUEST = json.loads((ROOT / "docs/example/request.json").read_text(encoding="utf-8"))
AUTHENTICATION = REQUEST["subject"]["properties"]["authentication"]
LOGGED_IN = {"X-Login": json.dumps(AUTHENTICATION)}


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    """A sidecar with the records of the README's example."""
    starter = Starter(tmp_path_factory.mktemp("readme"))
    try:
        yield starter(policy=PORTAL, records=ROOT / "docs/example/records.jsonl")
    finally:
        starter.close()


def _run(containing: str, sidecar: Sidecar, **more: Any) -> dict[str, Any]:
    """Runs the block with these words; gives the names that it leaves."""
    (block,) = (
        b for b in re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL) if containing in b
    )
    names: dict[str, Any] = {
        "authentication": AUTHENTICATION,
        "purpose": REQUEST["action"]["properties"]["processing_activity_id"],
        "fiscal_number": lambda request: REQUEST["resource"]["properties"],
        **more,
    }
    # A busy machine needs longer than the quarter of a second that is printed.
    block = block.replace("127.0.0.1:7081", sidecar.grpc).replace("timeout=0.25", "timeout=10")
    exec(compile(block, "README.md", "exec"), names)  # noqa: S102 - our own text
    return names


def test_the_first_example(portal: Sidecar, capsys: pytest.CaptureFixture[str]) -> None:
    names = _run("pdp.check(", portal)
    names["pdp"].close()
    assert "allowed; accountable: {'kvk': '12345678'}" in capsys.readouterr().out


@pytest.mark.parametrize(("containing", "app"), [("FastAPI()", "app"), ("async def app", "application")])
def test_applications_of_asgi(portal: Sidecar, containing: str, app: str) -> None:
    names = _run(containing, portal)
    with on_uvicorn(_logged_in(names[app])) as address, httpx.Client(timeout=30, trust_env=False) as client:
        url = f"http://{address}/ziekmeldingen"
        # The first call also connects, and its time-out is the default.
        answers = [client.get(url, headers=LOGGED_IN).status_code for _ in range(5)]
        assert answers[-1] == 200
        assert client.get(url).status_code == 401


def test_views_of_django(portal: Sidecar) -> None:
    names = _run("from poortwachter_client.django", portal, HttpResponse=HttpResponse)
    assert isinstance(declared(names["ziekmeldingen"]), Requirement)
    assert declared(names["about"]) is PUBLIC
    assert "poortwachter_client.django.Middleware" in README
    assert Middleware.__module__ == "poortwachter_client.django"


def test_a_grpc_server(portal: Sidecar) -> None:
    names = _run(
        "class Absence",
        portal,
        grpc=grpc,
        ThreadPoolExecutor=ThreadPoolExecutor,
        subject_of_call=lambda context: REQUEST["subject"],
    )
    server = names["server"]
    handler: Any = grpc.unary_unary_rpc_method_handler(names["Absence"]().Read)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("x.Absence", {"Read": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            read: Any = channel.unary_unary("/x.Absence/Read")
            for _ in range(5):
                try:
                    answer = read(b"hello", timeout=20)
                    break
                except grpc.RpcError:  # the first call also connects, and its time-out is the default
                    continue
            assert answer == b"hello"
    finally:
        server.stop(0).wait(10)


def test_every_setting_is_described() -> None:
    from poortwachter_client import Settings

    described = set(re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE))
    assert described == set(Settings.__annotations__) - {"clock"}
