"""What the portal makes of the sidecar's headers; without them, or with unknown duties, it shows nothing."""

import pytest

from demo.portal.advice import Task, UntoldError, decision_of

TOLD = {"x-pdp-decision-id": "d-1", "x-pdp-accountable": '{"kvk":"68750110"}'}


def test_who_is_accountable_and_what_is_to_be_done() -> None:
    decision = decision_of(
        TOLD
        | {
            "x-pdp-obligations": 'acknowledge_instruction;id="INS-1", supply_notification_email',
            "x-pdp-notices": "consult_portal, something_new;n=1",
        }
    )
    assert (decision.id, decision.accountable) == ("d-1", "68750110")
    assert [task.path for task in decision.obligations] == ["/profiel", "/profiel"]
    assert "INS-1" in decision.obligations[0].text
    assert len(decision.notices) == 2


def test_a_notice_of_an_interruption() -> None:
    header = (
        'interruption_announced;from="2026-01-02T12:00:00Z";'
        r'message="{\"nl\":\"Dicht voor caf\\u00e9 \\\"A\\\".\",\"en\":\"Closed.\"}"'
    )
    (notice,) = decision_of(TOLD | {"x-pdp-notices": header}).notices
    assert notice == Task('Dicht voor café "A". (Gepland vanaf 2 januari 2026 om 13:00 uur.)')


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-pdp-decision-id": "d-1"},
        {"x-pdp-accountable": '{"kvk":"68750110"}'},
        TOLD | {"x-pdp-accountable": "68750110"},
        TOLD | {"x-pdp-accountable": "{}"},
        TOLD | {"x-pdp-accountable": "nothing"},
        TOLD | {"x-pdp-obligations": "something_new"},
        TOLD | {"x-pdp-obligations": "accept_terms"},
        TOLD | {"x-pdp-obligations": "not a list"},
        TOLD | {"x-pdp-obligations": "(accept_terms)"},
        TOLD | {"x-pdp-notices": "consult_portal,"},
    ],
)
def test_what_was_not_told_well_shows_no_page(headers: dict[str, str]) -> None:
    with pytest.raises(UntoldError):
        decision_of(headers)
