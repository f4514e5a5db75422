# METADATA
# title: Who may do what (rules 1 to 4)
# description: >-
#   alice may read and write record-1; bob may read it, and may not write it. The records say so themselves, in their
#   `access` list. Rule 6 grants an administrator the writing of archived records besides.
# custom:
#   rules: 1-4
#   codes: [ACTION_NOT_GRANTED]
package certification.access

holds if {
	some entry in input.records.record.access
	entry.user == input.subject.id
	input.action.name in entry.actions
}

holds if data.certification.archive.written_by_administrator

reasons contains {
	"code": "ACTION_NOT_GRANTED",
	"article": "1-4",
	"message": {
		"nl": "U mag dit niet doen met dit dossier.",
		"en": "You may not do this to this record.",
	},
	"details": {"action": input.action.name},
} if {
	data.certification.known.holds
	not holds
}
