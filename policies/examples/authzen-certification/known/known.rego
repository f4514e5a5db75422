# METADATA
# title: What the scenario knows
# description: >-
#   Subjects, resources and actions of the fixture. An unknown one is denied, whatever its properties say.
# custom:
#   rules: fixture
#   codes: [ACTION_UNKNOWN, RECORD_UNKNOWN, SUBJECT_UNKNOWN]
package certification.known

actions := {"read", "write", "delete"}

holds if {
	subject_known
	record_known
	action_known
}

subject_known if {
	input.subject.type == "user"
	input.records.user.id == input.subject.id
}

record_known if {
	input.resource.type == "record"
	input.records.record.id == input.resource.id
}

action_known if input.action.name in actions

reasons contains {
	"code": "SUBJECT_UNKNOWN",
	"article": "fixture",
	"message": {
		"nl": "Deze gebruiker is niet bekend.",
		"en": "This user is not known.",
	},
	"details": {},
} if {
	not subject_known
}

reasons contains {
	"code": "RECORD_UNKNOWN",
	"article": "fixture",
	"message": {
		"nl": "Dit dossier is niet bekend.",
		"en": "This record is not known.",
	},
	"details": {},
} if {
	not record_known
}

reasons contains {
	"code": "ACTION_UNKNOWN",
	"article": "fixture",
	"message": {
		"nl": "Deze handeling bestaat hier niet.",
		"en": "There is no such action here.",
	},
	"details": {},
} if {
	not action_known
}
