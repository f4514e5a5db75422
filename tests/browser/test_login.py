"""Who is not logged in, or not well enough, is sent to log in and comes back."""

from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from demo.portal.people import PEOPLE
from demo.portal.tokens import COOKIE, LEVELS, Issuer, Login
from tests.browser.stage import REPORT, Demo, Visitor

EH3 = next(level for level, name in LEVELS.items() if name == "EH3")


def test_without_a_login_one_is_sent_to_it_and_back(visitor: Visitor) -> None:
    visitor.open(f"{REPORT}?vestiging=")
    assert urlsplit(visitor.path).path == "/inloggen"
    assert parse_qs(urlsplit(visitor.path).query)["terug"] == [f"{REPORT}?vestiging="]
    expect(visitor.page.get_by_role("heading", name="Dit is geen echte eHerkenning")).to_be_visible()
    visitor.open(REPORT)
    visitor.log_in("Sanne de Vries")
    assert visitor.path == REPORT


def test_the_overview_names_the_employer(visitor: Visitor) -> None:
    visitor.log_in("Sanne de Vries")
    assert visitor.path == "/"
    expect(visitor.heading).to_have_text("Goedendag, Sanne de Vries")
    expect(visitor.page.locator("#accountable")).to_have_text("Bakkerij De Korenschoof B.V. (KvK 68750110)")


def test_a_level_too_low_is_stepped_up(visitor: Visitor) -> None:
    visitor.log_in("Sanne de Vries", "EH3")
    visitor.follow("Naar de webdiensten")
    visitor.follow("Voor 687501106L01 bij Controle eigenrisicodragers")
    assert urlsplit(visitor.path).path == "/inloggen"
    expect(visitor.page.get_by_role("status")).to_contain_text("niveau EH4 of hoger")
    expect(visitor.page.get_by_role("radio", name="Sanne de Vries")).to_be_checked()
    visitor.log_in("Sanne de Vries", level=None)
    assert visitor.path == "/webdiensten/eigenrisico-controle/nummers/687501106L01"
    expect(visitor.heading).to_have_text("Controle eigenrisicodragers")


@pytest.mark.parametrize(("level", "let_in"), [("EH2", False), ("EH2+", False), ("EH3", True), ("EH4", True)])
def test_levels(visitor: Visitor, level: str, let_in: bool) -> None:
    visitor.log_in("Sanne de Vries", level)
    assert (urlsplit(visitor.path).path == "/") is let_in


@pytest.mark.parametrize("who", ["another key", "no token", "another algorithm"])
def test_a_forged_cookie_is_no_login(visitor: Visitor, demo: Demo, who: str) -> None:
    forged = Issuer().token(Login(PEOPLE["sanne"], EH3))
    if who == "no token":
        forged = "eyJhbGciOiJub25lIn0.e30."
    elif who == "another algorithm":
        forged = "eyJhbGciOiJub25lIn0." + forged.split(".")[1] + "."
    visitor.page.context.add_cookies([{"name": COOKIE, "value": forged, "url": demo.portal}])
    visitor.open("/profiel")
    assert visitor.path.startswith("/inloggen")


def test_a_login_with_digid_does_not_count(visitor: Visitor) -> None:
    visitor.log_in("Sanne de Vries", means="DigiD")
    assert visitor.path.startswith("/inloggen")
    expect(visitor.page.get_by_role("alert")).to_contain_text("accepteert uw login niet")


def test_an_intermediary_without_any_mandate_is_not_logged_in(visitor: Visitor) -> None:
    visitor.open("/inloggen")
    for service in ("Ziek- en herstelmeldingen", "Bezwaar"):
        visitor.page.get_by_role("checkbox", name=service).uncheck()
    visitor.log_in("Yusuf Demir")
    expect(visitor.page.get_by_role("alert")).to_contain_text("accepteert uw login niet")


def test_a_mandate_for_another_service_does_not_count(visitor: Visitor) -> None:
    visitor.open("/inloggen")
    visitor.page.get_by_role("checkbox", name="Ziek- en herstelmeldingen").uncheck()
    visitor.log_in("Yusuf Demir")
    assert visitor.open("/webdiensten/bezwaar") == 200
    assert visitor.open(REPORT) == 403
    assert [reason.split(".")[0] for reason in visitor.reasons()] == [
        "U bent in eHerkenning niet gemachtigd voor deze dienst"
    ]


def test_logging_out(visitor: Visitor) -> None:
    visitor.log_in("Sanne de Vries")
    visitor.press("Uitloggen")
    assert visitor.path == "/inloggen"
    visitor.open("/")
    assert visitor.path.startswith("/inloggen")


def test_the_login_leads_to_pages_of_the_portal_only(visitor: Visitor) -> None:
    visitor.open("/inloggen?terug=https%3A%2F%2Felders.example%2F")
    visitor.log_in("Sanne de Vries")
    assert visitor.path == "/"


def test_scripts_cannot_read_the_login(visitor: Visitor) -> None:
    visitor.log_in("Sanne de Vries")
    assert visitor.page.evaluate("document.cookie") == ""
    (cookie,) = visitor.page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
