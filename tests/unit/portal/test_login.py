"""The stand-in's tokens, and where a login may lead."""

import base64
import json
from typing import Any

import pytest

from demo.portal.login import own_path
from demo.portal.people import PEOPLE
from demo.portal.tokens import LEVELS, Issuer, Login

EH3 = next(level for level, name in LEVELS.items() if name == "EH3")


@pytest.mark.parametrize(
    "path", ["/", "/webdiensten", "/webdiensten/bezwaar?vestiging=000012345678", "/a%2F%2Fb"]
)
def test_paths_of_the_portal(path: str) -> None:
    assert own_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        None,
        "",
        "//elders.example/",
        "/\\elders.example/",
        "https://elders.example/",
        "javascript:alert(1)",
        "webdiensten",
        "/\r\nset-cookie: a=b",
        "/\tx",
        "/é",
    ],
)
def test_what_leads_elsewhere_leads_home(path: str | None) -> None:
    assert own_path(path) == "/"


def test_only_its_own_tokens_are_logins() -> None:
    issuer, other = Issuer(), Issuer()
    login = Login(PEOPLE["yusuf"], EH3, mandate=("ziekmelden",))
    token = issuer.token(login)
    found = issuer.read(token)
    assert found is not None
    assert (found.person, found.level) == (login.person, EH3)
    for wrong in (None, "", "a.b.c", other.token(login), token[:-2], "eyJhbGciOiJub25lIn0.e30."):
        assert issuer.read(wrong) is None


def test_a_chain_names_the_intermediary_and_the_mandate() -> None:
    own, chain = (
        _claims(Issuer().token(Login(PEOPLE[who], EH3, mandate=("ziekmelden",))))
        for who in ("sanne", "yusuf")
    )
    assert own["chamberOfCommerce"] == chain["chamberOfCommerce"] == "68750110"
    assert "eherkenningIntermediatekvkNr" not in own
    assert chain["eherkenningIntermediatekvkNr"] == "34102875"
    assert len(chain["eherkenningServiceUUID"]) == 1


def _claims(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    return claims
