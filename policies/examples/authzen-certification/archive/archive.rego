# METADATA
# title: Archived records (rules 5 and 6)
# description: >-
#   An archived record is not written to, except by an administrator. What a request says of status and role goes before
#   what is stored, so a status that is neither active nor archived refuses the writing.
# custom:
#   rules: 5-6
#   codes: [RECORD_ARCHIVED]
package certification.archive

# METADATA
# description: the status that counts; the request's own, and without one the stored one
status := input.resource.properties.status

status := input.records.record.properties.status if {
	every name, _ in input.resource.properties {
		name != "status"
	}
}

# METADATA
# description: the role that counts; the request's own, and without one the stored one
role := input.subject.properties.role

role := input.records.user.properties.role if {
	every name, _ in input.subject.properties {
		name != "role"
	}
}

holds if input.action.name != "write"

holds if status == "active"

holds if written_by_administrator

written_by_administrator if {
	input.action.name == "write"
	status == "archived"
	role == "admin"
}

reasons contains {
	"code": "RECORD_ARCHIVED",
	"article": "5-6",
	"message": {
		"nl": "Dit dossier is gearchiveerd. Alleen een beheerder kan het nog wijzigen.",
		"en": "This record is archived. Only an administrator can still change it.",
	},
	"details": {},
} if {
	data.certification.known.holds
	not holds
}
