# METADATA
# title: Managed accounts
# description: >-
#   The employer manages its accounts: one that is unknown, closed or removed has no access. A review of the
#   accounts longer ago than the setting is due; no review at all counts as longer ago.
# custom:
#   article: "2.10"
#   text_nl: >-
#     De werkgever is verplicht om gebruikersaccounts zorgvuldig te beheren (actief beheren van mutaties en tijdig
#     verwijderen van gebruikersaccounts).
#   codes: [ACCOUNT_CLOSED, ACCOUNT_UNKNOWN]
package portal.account

# METADATA
# description: Without an employer there is nobody whose review could be due.
presumes := {"AUTHENTICATION_INVALID", "LOGIN_NOT_EHERKENNING"}

holds if {
	input.records.account.status == "active"
	review_is_answered_for
}

# METADATA
# description: What the account's record leaves out of the things about which a user may be told.
unsaid := {"consulted_at", "instructions", "notification_email"} - object.keys(input.records.account) if {
	is_object(input.records.account)
}

# A review is recent, or it is asked for: an obligation cannot get lost.
review_is_answered_for if {
	input.records.employer.kvk == data.portal.login.employer
	data.portal.period.coming(review_due_at)
}

review_is_answered_for if review in obligations

review := {"type": "review_accounts", "article": "2.10"}

review_due_at := reviewed_at + data.portal.settings.account_review_ms if {
	reviewed_at := input.records.employer.account_review_at
	is_number(reviewed_at)
}

obligations contains review if {
	data.portal.login.employer
	review_is_due
}

review_is_due if data.portal.period.passed(review_due_at)

review_is_due if {
	every member, _ in input.records.employer {
		member != "account_review_at"
	}
}

review_is_due if input.records.employer == null

changes contains moment if {
	data.portal.login.employer
	moment := review_due_at
	data.portal.period.coming(moment)
}

reasons contains {
	"code": "ACCOUNT_UNKNOWN",
	"article": "2.10",
	"message": data.portal.messages.ACCOUNT_UNKNOWN,
	"details": {},
} if {
	input.records.account == null
}

reasons contains {
	"code": "ACCOUNT_CLOSED",
	"article": "2.10",
	"message": data.portal.messages.ACCOUNT_CLOSED,
	"details": {"status": input.records.account.status},
} if {
	input.records.account.status in {"closed", "removed"}
}
