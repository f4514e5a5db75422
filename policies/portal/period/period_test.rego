package portal.period_test

in_force(period, time) if data.portal.period.in_force(period) with input.time as time

out_of_force(period, time) if data.portal.period.out_of_force(period) with input.time as time

test_from_is_included_and_until_is_not if {
	period := {"from": 10, "until": 20}
	not in_force(period, 9)
	in_force(period, 10)
	in_force(period, 19)
	not in_force(period, 20)
	out_of_force(period, 9)
	not out_of_force(period, 10)
	not out_of_force(period, 19)
	out_of_force(period, 20)
}

test_without_until_it_has_no_end if {
	in_force({"from": 10}, data.portal.period.never)
	not in_force({"from": 10}, 9)
	not out_of_force({"from": 10}, 11)
	out_of_force({"from": 10}, 9)
}

test_a_time_of_another_type_answers_nothing if {
	every value in data.portal.example.not_times {
		not in_force({"from": value}, 10)
		not out_of_force({"from": value}, 10)
		not in_force({"from": 10, "until": value}, 10)
		not out_of_force({"from": 10, "until": value}, 10)
	}
	every period in [{}, {"until": 20}, null, "", 5] {
		not in_force(period, 10)
		not out_of_force(period, 10)
	}
}

spans(periods) := data.portal.period.spans(periods)

test_spans if {
	spans([{"from": 10, "until": 20}, {"from": 10}]) == {[10, 20], [10, data.portal.period.never]}
	spans([{"from": 10, "until": null}, {"from": "", "until": 20}, {"from": ""}, {}]) == set()
}

running(periods, time) if data.portal.period.running(spans(periods)) with input.time as time

test_a_span_runs_like_its_period if {
	not running([{"from": 10, "until": 20}], 9)
	running([{"from": 10, "until": 20}], 10)
	not running([{"from": 10, "until": 20}], 20)
	running([{"from": 10}], 20)
	not running([{"from": 10}], 9)
}

lapse(periods) := moment if moment := data.portal.period.lapse(spans(periods)) with input.time as 10

test_periods_lapse_when_the_last_ends if {
	lapse([{"from": 1, "until": 20}]) == 20
	lapse([{"from": 1, "until": 20}, {"from": 1, "until": 30}]) == 30
	lapse([{"from": 1, "until": 20}, {"from": 1}]) == data.portal.period.never
}

test_a_period_that_begins_in_time_takes_over if {
	lapse([{"from": 1, "until": 20}, {"from": 20, "until": 30}]) == 30
	lapse([{"from": 1, "until": 20}, {"from": 15}]) == data.portal.period.never
	lapse([{"from": 1, "until": 20}, {"from": 21}]) == 20
}
