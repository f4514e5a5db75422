package portal.incident_test

import data.portal.example

codes(request) := found if found := example.codes(data.portal.incident.reasons) with input as request

allowed(request) if {
	data.portal.incident.holds with input as request
	codes(request) == []
}

locked_out(request) if {
	not data.portal.incident.holds with input as request
	codes(request) == ["INCIDENT_LOCKOUT"]
}

running := {"scope": {"portal": true}, "kind": "incident", "from": example.now}

in_addition(more) := object.union(running, more)

one(request, incident) := example.edit(request, "/records/incidents", {"2026-001": incident})

here(incident) := one(example.direct, incident)

test_no_incidents if allowed(example.direct)

test_whole_portal if {
	locked_out(here(running))
	locked_out(one(example.own_page("close_account"), running))
}

test_some_webdiensten if {
	locked_out(here(only({"services": ["iets-anders", "ziekmelden"]})))
	allowed(here(only({"services": ["iets-anders"]})))
	allowed(one(example.own_page("read"), only({"services": ["ziekmelden"]})))
}

only(scope) := {"scope": scope, "kind": "threat", "from": example.now}

test_some_employers if {
	locked_out(here(only({"employers": ["12345678"]})))
	allowed(here(only({"employers": ["87654321"]})))
	locked_out(one(example.mediated, only({"employers": ["87654321"]})))
	allowed(one(example.mediated, only({"employers": ["12345678"]})))
}

test_from_its_beginning_to_its_end if {
	allowed(here(in_addition({"from": example.now + 1})))
	locked_out(here(in_addition({"from": example.now})))
	locked_out(here(in_addition({"ended_at": example.now + 1})))
	allowed(here(in_addition({"ended_at": example.now})))
}

test_until_it_is_ended_whatever_was_expected if {
	locked_out(here(in_addition({"from": 1, "expected_end": example.now - 1})))
}

test_details if {
	message := {"nl": "Wij herstellen dit.", "en": "We are repairing this."}
	incident := in_addition({"nature": "phishing", "expected_end": example.now + 5, "message": message, "announced_at": 1})
	details := {reason.details | some reason in data.portal.incident.reasons} with input as here(incident)
	details == {{
		"incident": "2026-001",
		"kind": "incident",
		"nature": "phishing",
		"expected_end": example.now + 5,
		"message": message,
	}}
	least := {reason.details | some reason in data.portal.incident.reasons} with input as here(running)
	least == {{"incident": "2026-001", "kind": "incident"}}
}

test_each_incident_is_a_reason if {
	request := example.edit(example.direct, "/records/incidents", {"a": running, "b": running})
	codes(request) == ["INCIDENT_LOCKOUT", "INCIDENT_LOCKOUT"]
}

test_malformed_incident_leaves_no_access if {
	every value in example.not_times {
		not data.portal.incident.holds with input as here(in_addition({"ended_at": value}))
		not data.portal.incident.holds with input as here(in_addition({"from": value}))
	}
	every scope in [null, "", [], {}, {"services": []}, {"services": ""}, {"services": [1]}, {"employers": []}, {"portal": false}] {
		not data.portal.incident.holds with input as here(only(scope))
	}
	every value in [null, "", 1, true, []] {
		not data.portal.incident.holds with input as example.edit(example.direct, "/records/incidents", value)
	}
	not data.portal.incident.holds with input as example.without(example.direct, "/records/incidents")
}

announced := {
	"scope": {"portal": true},
	"kind": "threat",
	"nature": "onderhoud",
	"announced_at": example.now,
	"from": example.now + 5,
	"expected_end": example.now + 9,
}

told(incident) := found if found := data.portal.incident.notices with input as here(incident)

test_announced_interruption_is_told if {
	told(announced) == {{
		"type": "interruption_announced",
		"article": "4.3",
		"incident": "2026-001",
		"nature": "onderhoud",
		"from": example.now + 5,
		"expected_end": example.now + 9,
	}}
	allowed(here(announced))
}

test_no_announcement if {
	told(object.union(announced, {"announced_at": example.now + 1})) == set()
	told(object.union(announced, {"from": example.now})) == set()
	told(object.union(announced, {"ended_at": example.now})) == set()
	told(object.remove(announced, ["announced_at"])) == set()
	told(object.union(object.remove(announced, ["scope"]), {"scope": {"services": ["iets-anders"]}})) == set()
}

changes(incident) := found if found := data.portal.incident.changes with input as here(incident)

test_moments if {
	changes(object.union(announced, {"announced_at": example.now + 1, "ended_at": example.now + 7})) == {
		example.now + 1,
		example.now + 5,
		example.now + 7,
	}
	changes(running) == set()
	changes(object.union(announced, {"ended_at": example.now})) == set()
	changes(object.union(only({"services": ["iets-anders"]}), {"from": example.now + 1})) == set()
}

test_employers_need_a_login if {
	request := example.edit(
		here(only({"employers": ["12345678"]})),
		"/subject/properties/authentication/source",
		"digid",
	)
	codes(request) == []
	not data.portal.incident.holds with input as request
	count(data.portal.incident.presumes) == 2
}
