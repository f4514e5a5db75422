# METADATA
# title: Blocked accounts, organisations and employers have no access
# description: >-
#   A block, temporary or not, stops all access, the sending and receiving of messages and specifications included:
#   a block of the account, of the organisation to which the user belongs, or of the employer that is served.
# custom:
#   article: "4.6"
#   articles: ["4.5", "4.6"]
#   text_nl: >-
#     4.5: Als de gebruiker kennis heeft van misbruik of oneigenlijk gebruik door een derde van het werkgeversportaal,
#     meldt de gebruiker dit onverwijld aan UWV via de UWV Werkgevers Telefoon. UWV kan als gevolg van deze melding de
#     toegang tot het werkgeversportaal met onmiddellijke ingang beëindigen.
#     4.6: Als UWV kennis heeft van een (vermoeden van) misbruik of oneigenlijk gebruik van het werkgeversportaal kan
#     UWV het account van de gebruiker (tijdelijk) blokkeren. Dit betekent dat de gebruiker geen toegang heeft tot
#     zijn account en dat de gebruiker geen berichten en of specificaties kan sturen of ontvangen.
#   codes: [ACCOUNT_BLOCKED]
package portal.block

# METADATA
# description: Without a login nothing says whose block it is.
presumes := {"AUTHENTICATION_INVALID", "LOGIN_NOT_EHERKENNING"}

holds if {
	leaves_access(input.records.account_block)
	leaves_access(input.records.organisation_block)
	leaves_access(input.records.employer_block)
}

# METADATA
# description: There is no block, or it has ended, or it has not begun.
leaves_access(block) if block == null

leaves_access(block) if data.portal.period.out_of_force(block)

# Reasons and changes: not beneath `holds`.

reasons contains {
	"code": "ACCOUNT_BLOCKED",
	"article": articles[block.ground],
	"message": data.portal.messages.ACCOUNT_BLOCKED,
	"details": object.union({"subject": subject, "ground": block.ground}, end),
} if {
	some subject, block in blocks
	data.portal.period.in_force(block)
	end := {name: block[name] | some name in ["until"]}
}

# After a report by a user (4.5), or because of what UWV knows itself (4.6).
articles := {"third_party_report": "4.5", "misuse": "4.6", "suspected_misuse": "4.6"}

blocks["account"] := input.records.account_block

blocks["organisation"] := input.records.organisation_block if data.portal.login.employer

blocks["employer"] := input.records.employer_block if data.portal.login.employer

changes contains moment if {
	some block in blocks
	not data.portal.period.ended(block)
	some name in ["from", "until"]
	moment := block[name]
	data.portal.period.coming(moment)
}
