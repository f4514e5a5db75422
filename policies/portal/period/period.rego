# METADATA
# title: Periods
# description: >-
#   When something is in force: from `from` (included) until `until` (not included), open-ended without `until`.
#   All times are epoch milliseconds. Each question has its own positive answer, so that a time of another type or
#   a missing `from` answers none of them.
package portal.period

# METADATA
# description: A moment that never comes (9999-12-31), the end of what is open-ended.
never := 253402300799999

# METADATA
# description: A moment that has come.
passed(moment) if {
	is_number(moment)
	moment <= input.time
}

# METADATA
# description: A moment that has not come yet.
coming(moment) if {
	is_number(moment)
	moment > input.time
}

# METADATA
# description: No end was set.
open_ended(period) if {
	every member, _ in period {
		member != "until"
	}
}

# METADATA
# description: In force now.
in_force(period) if {
	passed(period.from)
	coming(period.until)
}

in_force(period) if {
	passed(period.from)
	open_ended(period)
}

# METADATA
# description: Over and done.
ended(period) if passed(period.until)

# METADATA
# description: Ended, or not begun yet.
out_of_force(period) if ended(period)

out_of_force(period) if coming(period.from)

# METADATA
# description: >-
#   Periods as pairs of their first moment and the first moment after them. A period with a malformed time is left
#   out: ask only whether something is in here.
spans(periods) := bounded(periods) | unbounded(periods)

bounded(periods) := {[period.from, period.until] |
	some period in periods
	is_number(period.from)
	is_number(period.until)
}

unbounded(periods) := {[period.from, never] |
	some period in periods
	is_number(period.from)
	open_ended(period)
}

# METADATA
# description: One of these spans runs now.
running(spans_) if {
	some [first, after] in spans_
	first <= input.time
	input.time < after
}

# METADATA
# description: >-
#   The first moment on which none of these spans runs, when one of them runs now. Asked for what may be told, never
#   for what is allowed.
lapse(spans_) := min({after |
	some [_, after] in spans_
	after > input.time
	not runs_at(spans_, after)
})

runs_at(spans_, moment) if {
	some [first, after] in spans_
	first <= moment
	moment < after
}
