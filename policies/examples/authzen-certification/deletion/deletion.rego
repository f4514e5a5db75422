# METADATA
# title: Deleting (rules 7 and 8)
# description: >-
#   Only a soft deletion is possible. A deletion that does not say that it is soft counts as a hard one.
# custom:
#   rules: 7-8
#   codes: [HARD_DELETE_REFUSED]
package certification.deletion

holds if input.action.name != "delete"

holds if input.action.properties.soft == true

reasons contains {
	"code": "HARD_DELETE_REFUSED",
	"article": "7-8",
	"message": {
		"nl": "Voorgoed verwijderen kan niet. U kunt het dossier wel in de prullenbak doen.",
		"en": "Deleting for good is not possible. You can move the record to the bin.",
	},
	"details": {},
} if {
	not holds
}
