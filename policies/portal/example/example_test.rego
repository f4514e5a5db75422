# METADATA
# title: Requests that the tests begin with
# description: >-
#   Each is allowed, with nothing to tell. A test changes one thing with `edit` or `without` and says what follows.
package portal.example

# 2 March 2026, 09:00 UTC.
now := 1772442000000

day := 86400000

purpose := "https://register.example.nl/verwerkingen/ziekmelding"

# METADATA
# description: A user reports sick leave for its own organisation.
direct := {
	"subject": {
		"type": "user",
		"id": "pseudonym-1",
		"properties": {"authentication": {
			"source": "eherkenning",
			"levelOfAssurance": "urn:etoegang:core:assurance-class:loa3",
			"authorizee": {
				"legalSubject": {"identifierType": "kvkNummer", "identifier": "12345678"},
				"actingSubject": {"identifierType": "opaque", "identifier": "pseudonym-1"},
			},
		}},
	},
	"action": {"name": "submit", "properties": {"processing_activity_id": purpose}},
	"resource": {"type": "webdienst", "id": "ziekmelden", "properties": {"fiscal_number": "123456782L01"}},
	"context": {},
	"time": now,
	"records": {
		"account": {
			"employer": "12345678",
			"organisation": "12345678",
			"status": "active",
			"notification_email": true,
			"terms": [{"version": "4.1", "accepted_at": now - (300 * day)}],
			"grants": [{
				"service": "ziekmelden",
				"purposes": [purpose],
				"fiscal_numbers": ["123456782"],
				"from": now - (200 * day),
			}],
			"consulted_at": now,
			"instructions": [],
		},
		"employer": {
			"kvk": "12345678",
			"fiscal_numbers": [{"number": "123456782", "activated_at": now - day}, {"number": "111222333"}],
			"account_review_at": now,
		},
		"service": {
			"name": "Ziekmelden",
			"service_uuid": "0f2f5b52-8a9f-4c0c-9a7e-5a0d1e6b7c11",
			"minimum_assurance": "urn:etoegang:core:assurance-class:loa3",
			"purposes": [purpose],
			"actions": ["read", "submit", "activate"],
			"fiscal_number_required": true,
			"activation_required": true,
			"personal_data": true,
		},
		"delegation": null,
		"account_block": null,
		"organisation_block": null,
		"employer_block": null,
		"account_termination": null,
		"organisation_termination": null,
		"employer_termination": null,
		"terms": {
			"4.1": {
				"version": "4.1",
				"url": "https://www.example.nl/voorwaarden/4.1",
				"published_at": now - (1000 * day),
				"effective_at": now - (950 * day),
			},
			"4.2": {
				"version": "4.2",
				"url": "https://www.example.nl/voorwaarden/4.2",
				"published_at": now - (100 * day),
				"effective_at": now - (50 * day),
			},
		},
		"incidents": {},
		"activation_code": null,
	},
}

# METADATA
# description: The same for another employer, 87654321, with a mandate and a delegation.
mediated := json.patch(direct, [
	{
		"op": "add",
		"path": "/subject/properties/authentication/representee",
		"value": {"identifierType": "kvkNummer", "identifier": "87654321"},
	},
	{
		"op": "add",
		"path": "/subject/properties/authentication/mandate",
		"value": {"services": [{
			"id": "urn:etoegang:DV:00000001003214345000:services:9009",
			"uuid": "0f2f5b52-8a9f-4c0c-9a7e-5a0d1e6b7c11",
		}]},
	},
	{"op": "replace", "path": "/records/account/employer", "value": "87654321"},
	{"op": "replace", "path": "/records/employer/kvk", "value": "87654321"},
	{
		"op": "replace",
		"path": "/records/delegation",
		"value": {"employer": "87654321", "intermediary": "12345678", "scopes": [{
			"services": ["ziekmelden"],
			"purposes": [purpose],
			"fiscal_numbers": ["123456782"],
			"from": now - (10 * day),
		}]},
	},
])

# METADATA
# description: A visit to one of the portal's own pages.
own_page(action) := json.patch(direct, [
	{"op": "replace", "path": "/action", "value": {"name": action, "properties": {}}},
	{"op": "replace", "path": "/resource", "value": {"type": "portal", "id": "werkgeversportaal", "properties": {}}},
	{"op": "replace", "path": "/records/service", "value": null},
])

# METADATA
# description: A request with the value at a path put in.
edit(request, path, value) := json.patch(request, [{"op": "add", "path": path, "value": value}])

# METADATA
# description: A request with the value at a path left out.
without(request, path) := json.patch(request, [{"op": "remove", "path": path}])

# METADATA
# description: The codes of reasons, in order.
codes(reasons) := [reason.code | some reason in reasons]

# METADATA
# description: Values of every type that is not a time, and not a text with something in it.
not_times := [null, false, true, "", "2026-03-02T09:00:00Z", [], {}]

test_examples_are_allowed_with_nothing_to_tell if {
	every request in [direct, mediated, own_page("read"), own_page("manage_accounts")] {
		decision := data.portal.decision with input as request
		decision.allow == true
		decision.reasons == []
		decision.obligations == []
		decision.notices == []
	}
}
