"""Which built-in functions may stand where.

Beneath `allow` only those that cannot fail on values whose kind the host has checked (`TOTAL_ON`); whatever
is not named here is refused. In the whole policy only those that OPA compiles into the WebAssembly itself
(`NATIVE`), because the core provides none.
"""

from collections.abc import Mapping

ANY = frozenset({"null", "boolean", "number", "string", "array", "object", "set"})
_NUMBER = frozenset({"number"})
_STRING = frozenset({"string"})
_ARRAY = frozenset({"array"})
_SET = frozenset({"set"})
_OBJECT = frozenset({"object"})
_COUNTABLE = _ARRAY | _SET | _OBJECT | _STRING

COMPARISONS = frozenset({"equal", "eq", "neq", "lt", "lte", "gt", "gte"})
MEMBERSHIP = frozenset({"internal.member_2", "internal.member_3"})
TYPE_TESTS = frozenset({"is_array", "is_boolean", "is_null", "is_number", "is_object", "is_set", "is_string"})
"""Total on anything, with one argument."""

_TEXT_BY_TEXT = ("contains", "endswith", "indexof", "split", "startswith", "trim", "trim_left", "trim_prefix",
                 "trim_right", "trim_suffix")  # fmt: skip

TOTAL_ON: Mapping[str, tuple[tuple[frozenset[str], ...], ...]] = {
    **dict.fromkeys(["abs", "ceil", "floor", "round"], ((_NUMBER,),)),
    **dict.fromkeys(["div", "mul", "plus"], ((_NUMBER, _NUMBER),)),
    **dict.fromkeys(["and", "or"], ((_SET, _SET),)),
    **dict.fromkeys(["lower", "strings.reverse", "trim_space", "upper"], ((_STRING,),)),
    **dict.fromkeys(_TEXT_BY_TEXT, ((_STRING, _STRING),)),
    "minus": ((_NUMBER, _NUMBER), (_SET, _SET)),
    "array.concat": ((_ARRAY, _ARRAY),),
    "array.reverse": ((_ARRAY,),),
    "count": ((_COUNTABLE,),),
    "object.get": ((_OBJECT, ANY, ANY),),
    "object.keys": ((_OBJECT,),),
    "replace": ((_STRING, _STRING, _STRING),),
    "substring": ((_STRING, _NUMBER, _NUMBER),),
}
"""Name → the kinds of its arguments, in each of its forms. `div`, `substring` and `indexof` ask for more
(`kinds`). Not here on purpose: `object.union` and the like, whose first value stands in for what is missing
in the second; `%`, which fails on fractions; what gives a text or a collection of anything, such as
`json.marshal` or `type_name`, whose difference from something would say nothing."""

RESULTS: Mapping[str, str] = {
    **dict.fromkeys(["abs", "ceil", "count", "div", "floor", "indexof", "mul", "plus", "round"], "number"),
    **dict.fromkeys(["contains", "endswith", "startswith"], "boolean"),
    **dict.fromkeys(["lower", "replace", "substring", "strings.reverse", "trim_space", "upper"], "string"),
    **dict.fromkeys(["trim", "trim_left", "trim_prefix", "trim_right", "trim_suffix"], "string"),
}
"""The kind of what a function gives, unless `calls` says more of it."""

_NATIVE_NAMES = """
abs all and any array.concat array.flatten array.reverse array.slice assign base64.decode base64.encode
base64.is_valid base64url.decode base64url.encode bits.and bits.lsh bits.negate bits.or bits.rsh bits.xor
ceil concat contains count div endswith eq equal floor format_int glob.match graph.reachable gt gte indexof
internal.member_2 internal.member_3 internal.template_string intersection is_array is_boolean is_null
is_number is_object is_set is_string json.filter json.is_valid json.marshal json.remove json.unmarshal lower
lt lte max min minus mul neq net.cidr_contains net.cidr_intersects net.cidr_overlap numbers.range
object.filter object.get object.keys object.remove object.union object.union_n or plus product re_match
regex.find_all_string_submatch_n regex.is_valid regex.match rem replace round sort split startswith
strings.replace_n strings.reverse substring sum to_number trim trim_left trim_prefix trim_right trim_space
trim_suffix type_name union upper walk
"""

NATIVE = frozenset(_NATIVE_NAMES.split())
"""OPA 1.22.2, internal/compiler/wasm: `builtinsFunctions`."""

ERASED = frozenset({"print"})
"""OPA leaves these out when it builds."""

INSTEAD: Mapping[str, str] = {
    "sprintf": 'put texts in the bundle\'s data, or use a template string ($"…{x}…") in a reason',
    "http.send": "bring the facts in as records: a decision asks nobody",
    "time.now_ns": "use input.time, the moment of the decision in epoch milliseconds",
    "time.parse_rfc3339_ns": "give the field `format: date-time` in its schema: it arrives as a number",
    "regex.match": "give the field a `pattern` in its schema: the host asserts it",
    "to_number": "give the field its type in the schema: the host asserts it",
    "object.subset": "use `every x in needed { x in given }`",
    "object.union": 'a rule for each case: `x := a.f`, and `x := b.f if { every k, _ in a { k != "f" } }`',
    "rem": "have the host check it, with `multipleOf` in the schema",
    "opa.runtime": "put settings in the bundle's data",
}
