"""A lockout appears on pages that are open, and no click gets past it once the command has returned."""

import os
import signal

from playwright.sync_api import expect

from tests.browser.conftest import Opens
from tests.browser.stage import REPORT, Demo, Presenter, Visitor, ask, children


def test_an_incident_reaches_an_open_page_and_stops_clicks_at_once(
    visitor: Visitor, presenter: Presenter
) -> None:
    visitor.log_in("Sanne de Vries")
    visitor.open(REPORT)
    access = visitor.page.locator("#toegang")
    content = visitor.page.locator(".content")
    expect(access).to_be_empty()

    presenter.declare(nature="verdachte inlogpogingen")
    expect(presenter.page.locator("#opdracht")).to_contain_text("pdp incident declare --portal")
    assert presenter.page.locator("#token").inner_text()
    assert int(presenter.page.locator("#duur").inner_text()) >= 0
    # The declaration has returned: no request that begins now is allowed.
    assert visitor.page.request.get(visitor.page.url).status == 403
    expect(access.get_by_role("heading")).to_have_text("Uw toegang is onderbroken")
    expect(access).to_contain_text("De toegang tot het portaal is tijdelijk onderbroken")
    expect(access).to_contain_text("verdachte inlogpogingen")
    expect(content).to_have_attribute("inert", "")
    visitor.follow("Overzicht")
    expect(visitor.heading).to_have_text("U hebt nu geen toegang")
    assert visitor.reasons()[0].startswith("De toegang tot het portaal is tijdelijk onderbroken")

    presenter.end()
    assert visitor.open("/") == 200


def test_an_open_page_goes_on_when_the_incident_ends(visitor: Visitor, presenter: Presenter) -> None:
    visitor.log_in("Sanne de Vries")
    visitor.open(REPORT)
    visitor.page.get_by_label("Naam van de werknemer").fill("Kees")
    presenter.declare("Webdienst: Ziek- en herstelmeldingen doen en inzien (ZW en WAZO)")
    access = visitor.page.locator("#toegang")
    expect(access).to_contain_text("Uw toegang is onderbroken")
    presenter.end()
    expect(access).to_contain_text("U hebt weer toegang")
    expect(visitor.page.get_by_label("Naam van de werknemer")).to_have_value("Kees")
    expect(visitor.page.locator(".content")).not_to_have_attribute("inert", "")


def test_an_incident_of_one_webdienst_leaves_the_rest_open(visitor: Visitor, presenter: Presenter) -> None:
    visitor.log_in("Sanne de Vries")
    presenter.declare("Webdienst: Bezwaar maken met een formulier")
    assert visitor.open("/webdiensten/bezwaar") == 403
    assert visitor.open(REPORT) == 200


def test_an_incident_of_one_employer_leaves_others_in(window: Opens, presenter: Presenter) -> None:
    bakery, plumber = window("nl-NL"), window("nl-NL")
    bakery.log_in("Yusuf Demir")
    plumber.log_in("Ines Mulder")
    presenter.declare("Werkgever: Bakkerij De Korenschoof B.V.")
    assert bakery.open("/") == 403
    assert plumber.open("/") == 200


def test_a_block_reaches_only_whom_it_is_about(window: Opens, presenter: Presenter) -> None:
    blocked, colleague = window("nl-NL"), window("nl-NL")
    blocked.log_in("Sanne de Vries")
    colleague.log_in("Yusuf Demir")
    presenter.block("Sanne de Vries")
    assert blocked.page.request.get(blocked.page.url).status == 403
    expect(blocked.page.locator("#toegang")).to_contain_text("De toegang is geblokkeerd")
    assert colleague.open("/") == 200
    presenter.unblock("Sanne de Vries")
    assert blocked.open("/") == 200


def test_a_sidecar_that_does_not_answer_closes_the_page(visitor: Visitor, demo: Demo) -> None:
    visitor.log_in("Sanne de Vries")
    access = visitor.page.locator("#toegang")
    sidecar = children(demo.process.pid)["sidecar"]
    os.kill(sidecar, signal.SIGSTOP)
    try:
        assert visitor.page.request.get(visitor.page.url).status == 503
        expect(access).to_contain_text("Wij kunnen nu niet controleren of u toegang hebt")
    finally:
        os.kill(sidecar, signal.SIGCONT)
    expect(access).to_contain_text("U hebt weer toegang")


def test_without_scripts_the_next_page_says_it(visitor: Visitor, presenter: Presenter) -> None:
    browser = visitor.page.context.browser
    assert browser is not None
    context = browser.new_context(java_script_enabled=False, locale="nl-NL")
    plain = Visitor(context.new_page(), visitor.demo)
    plain.log_in("Sanne de Vries")
    expect(plain.heading).to_have_text("Goedendag, Sanne de Vries")
    presenter.declare()
    plain.page.reload()
    expect(plain.heading).to_have_text("U hebt nu geen toegang")
    context.close()


def test_the_presenter_s_page_takes_its_own_forms_only(demo: Demo) -> None:
    for headers in ({}, {"Origin": "http://elders.example"}, {"Origin": demo.portal}):
        form = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        status, _ = ask(
            demo.regie, "/incident/melden", method="POST", body="bereik=portal&aard=proef", headers=form
        )
        assert status == 403, headers
