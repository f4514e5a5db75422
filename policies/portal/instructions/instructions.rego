# METADATA
# title: Instructions are followed
# description: An instruction that UWV gave and that the user has not acknowledged is an obligation.
# custom:
#   article: "2.4"
#   text_nl: >-
#     Bij gebruik van het werkgeversportaal dient de gebruiker te handelen overeenkomstig de gebruiksvoorwaarden en
#     door UWV gegeven aanwijzingen.
#   codes: []
package portal.instructions

# METADATA
# description: Without an account or a login there is nobody to instruct.
presumes := {"ACCOUNT_UNKNOWN", "AUTHENTICATION_INVALID", "LOGIN_NOT_EHERKENNING"}

# METADATA
# description: This article gives no reasons.
reasons := set()

# Each instruction is settled or asked for: an obligation cannot get lost.
holds if {
	every instruction in input.records.account.instructions {
		answered_for(instruction)
	}
}

holds if "instructions" in data.portal.account.unsaid

answered_for(instruction) if data.portal.period.passed(instruction.acknowledged_at)

answered_for(instruction) if data.portal.period.coming(instruction.issued_at)

answered_for(instruction) if acknowledge(instruction.id) in obligations

is_open(instruction) if data.portal.period.coming(instruction.acknowledged_at)

is_open(instruction) if {
	every member, _ in instruction {
		member != "acknowledged_at"
	}
}

acknowledge(id) := {"type": "acknowledge_instruction", "article": "2.4", "id": id}

obligations contains acknowledge(id) if {
	data.portal.login.employer
	some instruction in input.records.account.instructions
	data.portal.period.passed(instruction.issued_at)
	is_open(instruction)
	id := instruction.id
}

changes contains moment if {
	data.portal.login.employer
	some instruction in input.records.account.instructions
	some name in ["issued_at", "acknowledged_at"]
	moment := instruction[name]
	data.portal.period.coming(moment)
}
