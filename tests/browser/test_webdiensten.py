"""What people may do, what they are told when they may not, and what they can do about it."""

import pytest
from playwright.sync_api import expect

from demo.portal.people import CODE
from tests.browser.conftest import Opens
from tests.browser.stage import REPORT, Visitor


def test_a_report_of_sickness_is_sent_in(visitor: Visitor) -> None:
    visitor.log_in("Sanne de Vries")
    visitor.open(REPORT)
    visitor.press("Ziekmelding versturen")
    expect(visitor.page.get_by_role("alert").get_by_role("link")).to_have_count(2)
    visitor.page.get_by_role("link", name="Vul de naam van de werknemer in.").click()
    expect(visitor.page.get_by_label("Naam van de werknemer")).to_be_focused()
    visitor.page.get_by_label("Naam van de werknemer").fill("Kees Jansen <b>")
    visitor.page.get_by_label("Eerste ziektedag").fill("2026-03-02")
    visitor.press("Ziekmelding versturen")
    expect(visitor.page.get_by_role("status")).to_contain_text("Uw melding is ontvangen")
    expect(visitor.page.get_by_role("cell", name="Kees Jansen <b>")).to_be_visible()
    expect(visitor.page.get_by_role("cell", name="2 maart 2026")).to_be_visible()


def test_a_message(visitor: Visitor) -> None:
    visitor.log_in("Sanne de Vries")
    visitor.open(REPORT)
    visitor.follow("Berichten")
    visitor.page.get_by_label("Bericht", exact=True).fill("Wanneer hoor ik iets?")
    visitor.press("Bericht versturen")
    expect(visitor.page.get_by_role("status")).to_contain_text("Uw bericht is ontvangen")


def test_for_an_intermediary_the_employer_is_accountable(visitor: Visitor) -> None:
    visitor.log_in("Yusuf Demir")
    expect(visitor.page.locator("#accountable")).to_have_text("Bakkerij De Korenschoof B.V. (KvK 68750110)")
    expect(visitor.page.get_by_text("Administratiekantoor Duinzicht (KvK 34102875)")).to_be_visible()
    assert visitor.open(REPORT) == 200
    assert visitor.open("/webdiensten/ontslagaanvraag") == 403
    # Neither the employer's delegation nor the mandate in eHerkenning covers it.
    assert [reason.split(".")[0] for reason in visitor.reasons()] == [
        "De machtiging van de werkgever geldt niet hiervoor",
        "U bent in eHerkenning niet gemachtigd voor deze dienst",
    ]


@pytest.mark.parametrize(
    ("person", "path", "dutch", "english"),
    [
        ("Ruud van Vliet", "/", "De toegang is geblokkeerd", "Access is blocked"),
        ("Tom Visser", "/", "Uw account is gesloten", "Your account is closed"),
        ("Noor Willems", "/", "Wij kennen uw account niet", "We do not know your account"),
        (
            "Ines Mulder",
            "/webdiensten/bezwaar",
            "U hebt de nieuwe gebruiksvoorwaarden afgewezen",
            "You rejected the changed terms of use",
        ),
        (
            "Femke Jansen",
            "/webdiensten/bezwaar",
            "U hebt de gebruiksvoorwaarden nog niet geaccepteerd",
            "You have not yet accepted the terms of use",
        ),
        (
            "Sanne de Vries",
            f"{REPORT}/verzuim",
            "U hebt geen toestemming om deze dienst hiervoor te gebruiken",
            "You have no permission to use this service for this purpose",
        ),
        (
            "Sanne de Vries",
            "/webdiensten/ziekmelden/nummers/687501106L02",
            "Er is geen geactiveerd fiscaal nummer voor deze dienst",
            "There is no activated fiscal number for this service",
        ),
        (
            "Sanne de Vries",
            "/webdiensten/ziekmelden/nummers/243109878L01",
            "Dit fiscaal nummer hoort niet bij deze werkgever",
            "This fiscal number does not belong to this employer",
        ),
    ],
)
def test_denials_say_why_in_the_language_of_the_user(
    window: Opens, person: str, path: str, dutch: str, english: str
) -> None:
    for language, heading, reason in (
        ("nl-NL", "U hebt nu geen toegang", dutch),
        ("en-GB", "You do not have access now", english),
    ):
        visitor = window(language)
        visitor.log_in(person)
        assert visitor.open(path) == 403
        expect(visitor.heading).to_have_text(heading)
        assert any(each.startswith(reason) for each in visitor.reasons()), visitor.reasons()
        assert visitor.page.locator("html").get_attribute("lang") == language[:2]


def test_obligations_disappear_once_they_are_met(visitor: Visitor) -> None:
    visitor.log_in("Femke Jansen")
    to_do = visitor.page.get_by_role("region", name="Dit moet u nog doen")
    expect(to_do).to_contain_text("e-mailadres")
    expect(to_do).to_contain_text("INS-2026-07")
    assert visitor.open("/webdiensten/bezwaar") == 403

    visitor.follow("/voorwaarden")
    visitor.press("Versie 4.2 accepteren")
    expect(visitor.page.get_by_role("alert").last).to_contain_text("Vink aan")
    visitor.page.get_by_label("Ik heb versie 4.2 gelezen").check()
    visitor.press("Versie 4.2 accepteren")
    expect(visitor.page.get_by_role("status")).to_be_visible()
    assert visitor.open("/webdiensten/bezwaar") == 200

    visitor.open("/profiel")
    visitor.press("Ik heb dit gelezen")
    expect(to_do).not_to_contain_text("INS-2026-07")
    visitor.follow("E-mailadres opgeven")
    visitor.page.get_by_label("E-mailadres").fill("femke@voorbeeld.example")
    visitor.press("E-mailadres opslaan")
    expect(visitor.heading).to_be_visible()
    expect(to_do).to_have_count(0)


def test_a_number_is_activated_with_the_code(visitor: Visitor) -> None:
    visitor.log_in("Sanne de Vries")
    visitor.open("/webdiensten")
    code = visitor.page.get_by_label("Code uit de brief")
    for _ in range(2):
        code.fill("1111")
        visitor.press("Nummer 687501106L02 activeren")
        expect(visitor.page.get_by_text("Deze code is niet goed")).to_be_visible()
    code.fill(CODE)
    visitor.press("Nummer 687501106L02 activeren")
    expect(visitor.page.get_by_role("status")).to_contain_text("is geactiveerd")
    assert visitor.open("/webdiensten/ziekmelden/nummers/687501106L02") == 200


def test_a_code_has_three_attempts(visitor: Visitor) -> None:
    visitor.log_in("Sanne de Vries")
    visitor.open("/webdiensten")
    for code in ("1111", "2222", "3333", CODE):
        visitor.page.get_by_label("Code uit de brief").fill(code)
        visitor.press("Nummer 687501106L02 activeren")
    assert visitor.reasons()[0].startswith("Met deze code kunt u het fiscaal nummer niet activeren")
    assert visitor.open("/webdiensten/ziekmelden/nummers/687501106L02") == 403


def test_who_rejected_the_terms_may_accept_them_yet(visitor: Visitor) -> None:
    visitor.log_in("Ines Mulder")
    expect(visitor.page.get_by_role("region", name="Dit moet u nog doen")).to_contain_text("Controleer welke")
    assert visitor.open("/webdiensten/bezwaar") == 403
    visitor.open("/voorwaarden")
    visitor.page.get_by_label("Ik heb versie 4.3 gelezen").check()
    visitor.press("Versie 4.3 accepteren")
    assert visitor.open("/webdiensten/bezwaar") == 200
    visitor.open("/accounts")
    expect(visitor.page.get_by_role("row", name="Tom Visser")).to_contain_text("gesloten")
    visitor.press("Ik heb de accounts gecontroleerd")
    expect(visitor.page.get_by_role("region", name="Dit moet u nog doen")).to_have_count(0)


def test_a_closed_account_lets_nobody_in(visitor: Visitor) -> None:
    visitor.log_in("Sanne de Vries")
    visitor.open("/profiel")
    visitor.press("Mijn account sluiten")
    assert visitor.path == "/inloggen"
    visitor.log_in("Sanne de Vries")
    expect(visitor.heading).to_have_text("U hebt nu geen toegang")
    assert visitor.reasons()[0].startswith("Uw account is gesloten")
