# METADATA
# title: Who may do what to the shared list
# description: >-
#   Everyone who is known reads. Editors create, and change and delete what is their own. An administrator deletes
#   what is anyone's, an evil genius changes what is anyone's.
# custom:
#   rules: roles
#   codes: [ROLE_MISSING, USER_UNKNOWN]
package todo.permission

# What each role may do whosever it is.
anywhere := {
	"viewer": {"can_read_user", "can_read_todos"},
	"editor": {"can_read_user", "can_read_todos", "can_create_todo"},
	"admin": {"can_read_user", "can_read_todos", "can_create_todo", "can_delete_todo"},
	"evil_genius": {"can_read_user", "can_read_todos", "can_create_todo", "can_update_todo"},
}

own := {"can_update_todo", "can_delete_todo"}

editing := {"editor", "admin", "evil_genius"}

holds if {
	some role in input.records.user.roles
	input.action.name in anywhere[role]
}

holds if {
	input.action.name in own
	input.resource.properties.ownerID == input.records.user.email
	some role in input.records.user.roles
	role in editing
}

reasons contains {
	"code": "USER_UNKNOWN",
	"article": "roles",
	"message": {
		"nl": "Deze gebruiker is niet bekend.",
		"en": "This user is not known.",
	},
	"details": {},
} if {
	input.records.user == null
}

reasons contains {
	"code": "ROLE_MISSING",
	"article": "roles",
	"message": {
		"nl": "Uw rol laat dit niet toe.",
		"en": "Your role does not allow this.",
	},
	"details": {"action": input.action.name},
} if {
	input.records.user != null
	not holds
}
