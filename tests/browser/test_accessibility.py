"""WCAG 2.2 level AA as far as axe-core sees it, on every page; and all of it by keyboard alone."""

import json

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Opens
from tests.browser.stage import AXE, REPORT, Presenter, Visitor

_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(page: Page) -> list[str]:
    """What axe-core finds: rule and element."""
    if not AXE.is_file():
        pytest.skip("axe-core is not here; make setup gets it")
    # Not as a script element, which the pages' own policy would refuse.
    page.evaluate(AXE.read_text(encoding="utf-8") + "; true")
    found = page.evaluate(f"axe.run({{runOnly: {{type: 'tag', values: {json.dumps(_TAGS)}}}}})")
    return [f"{each['id']}: {node['html'][:200]}" for each in found["violations"] for node in each["nodes"]]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/webdiensten",
        "/webdiensten?fout=687501106L02",
        REPORT,
        f"{REPORT}/berichten",
        "/webdiensten/bezwaar",
        "/voorwaarden",
        "/voorwaarden?fout=akkoord",
        "/profiel?fout=email",
        "/accounts",
        "/inloggen?niveau=urn%3Aetoegang%3Acore%3Aassurance-class%3Aloa4",
        f"{REPORT}/verzuim",  # the sidecar's own page of a denial
    ],
)
def test_pages(visitor: Visitor, path: str) -> None:
    visitor.log_in("Sanne de Vries")
    visitor.open(path)
    assert violations(visitor.page) == []


def test_a_narrow_window_needs_no_scrolling_sideways(visitor: Visitor) -> None:
    visitor.log_in("Sanne de Vries")
    # 1280 pixels at 400 %: WCAG 1.4.10.
    visitor.page.set_viewport_size({"width": 320, "height": 640})
    for path in ("/", "/webdiensten", REPORT, "/voorwaarden", "/profiel", "/accounts", "/inloggen"):
        visitor.open(path)
        assert visitor.page.evaluate("document.documentElement.scrollWidth") <= 320, path


def test_a_form_with_mistakes(visitor: Visitor) -> None:
    visitor.log_in("Sanne de Vries")
    visitor.open(REPORT)
    visitor.press("Ziekmelding versturen")
    assert visitor.page.title().startswith("Fout: ")
    assert violations(visitor.page) == []
    name = visitor.page.get_by_label("Naam van de werknemer")
    expect(name).to_have_attribute("aria-invalid", "true")
    expect(name).to_have_accessible_description("Vul de naam van de werknemer in.")


def test_an_interrupted_page_and_the_presenter_s(visitor: Visitor, presenter: Presenter) -> None:
    visitor.log_in("Sanne de Vries")
    presenter.declare()
    expect(visitor.page.get_by_role("alert")).to_contain_text("Uw toegang is onderbroken")
    assert violations(visitor.page) == []
    assert violations(presenter.page) == []


def test_english_denials(window: Opens) -> None:
    visitor = window("en-GB")
    visitor.log_in("Ruud van Vliet")
    expect(visitor.heading).to_have_text("You do not have access now")
    assert violations(visitor.page) == []
    visitor.open("/inloggen")
    visitor.log_in("Femke Jansen")
    visitor.open("/webdiensten/bezwaar")
    expect(visitor.page.get_by_text("You can go on here:")).to_be_visible()
    assert violations(visitor.page) == []


def test_all_of_it_by_keyboard(visitor: Visitor) -> None:
    page = visitor.page
    visitor.open(REPORT)
    _tab_to(page, "Sanne de Vries")
    page.keyboard.press("Space")
    _tab_to(page, "Inloggen", "BUTTON")
    page.keyboard.press("Enter")
    expect(visitor.heading).to_contain_text("Ziek- en herstelmeldingen")
    # The first stop leads past the menu.
    page.keyboard.press("Tab")
    assert _focused(page)[1] == "Naar de inhoud"
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    _tab_to(page, "Naam van de werknemer")
    page.keyboard.type("Kees Jansen")
    _tab_to(page, "Eerste ziektedag")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.type("02032026")
    _tab_to(page, "Ziekmelding versturen", "BUTTON")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Uw melding is ontvangen")


def _focused(page: Page) -> tuple[str, str]:
    """Kind and name of what has the focus."""
    kind, name = page.evaluate(
        "(() => { const e = document.activeElement; const l = e.labels && e.labels[0];"
        " return [e.tagName, (l || e).textContent.trim()] })()"
    )
    return kind, name


def _tab_to(page: Page, name: str, kind: str = "") -> None:
    """Presses Tab until what is called so has the focus."""
    for _ in range(80):
        page.keyboard.press("Tab")
        found = _focused(page)
        if found[1].startswith(name) and kind in ("", found[0]):
            return
    raise AssertionError(f"Tab does not lead to {name}")
