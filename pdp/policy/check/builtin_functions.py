"""Which built-in functions may stand where.

Beneath `allow` only those that cannot fail: on any value (`TOTAL`), or on values whose kind the host has
checked (`TOTAL_ON`). In the whole policy only those that OPA compiles into the WebAssembly itself (`NATIVE`),
because the core provides none.
"""

from collections.abc import Mapping

ANY = frozenset({"null", "boolean", "number", "string", "array", "object", "set"})
_NUMBER = frozenset({"number"})
_STRING = frozenset({"string"})
_ARRAY = frozenset({"array"})
_SET = frozenset({"set"})
_OBJECT = frozenset({"object"})
_LIST = _ARRAY | _SET

COMPARISONS = frozenset({"equal", "eq", "neq", "lt", "lte", "gt", "gte"})
MEMBERSHIP = frozenset({"internal.member_2", "internal.member_3"})

TOTAL = frozenset(
    {
        "is_array",
        "is_boolean",
        "is_null",
        "is_number",
        "is_object",
        "is_set",
        "is_string",
        "json.marshal",
        "type_name",
    }
)

TOTAL_ON: Mapping[str, tuple[frozenset[str], ...]] = {
    "abs": (_NUMBER,),
    "and": (_SET, _SET),
    "array.concat": (_ARRAY, _ARRAY),
    "array.reverse": (_ARRAY,),
    "ceil": (_NUMBER,),
    "contains": (_STRING, _STRING),
    "count": (_ARRAY | _SET | _OBJECT | _STRING,),
    "endswith": (_STRING, _STRING),
    "floor": (_NUMBER,),
    "indexof": (_STRING, _STRING),
    "lower": (_STRING,),
    "mul": (_NUMBER, _NUMBER),
    "object.get": (_OBJECT, ANY, ANY),
    "object.keys": (_OBJECT,),
    "object.remove": (_OBJECT, _LIST | _OBJECT),
    "object.union": (_OBJECT, _OBJECT),
    "or": (_SET, _SET),
    "plus": (_NUMBER, _NUMBER),
    "replace": (_STRING, _STRING, _STRING),
    "round": (_NUMBER,),
    "split": (_STRING, _STRING),
    "startswith": (_STRING, _STRING),
    "strings.reverse": (_STRING,),
    "trim": (_STRING, _STRING),
    "trim_left": (_STRING, _STRING),
    "trim_prefix": (_STRING, _STRING),
    "trim_right": (_STRING, _STRING),
    "trim_space": (_STRING,),
    "trim_suffix": (_STRING, _STRING),
    "upper": (_STRING,),
}
"""`minus` is in neither: it is total on two numbers and on two sets, and takes care of itself."""

RESULTS: Mapping[str, str] = {
    **dict.fromkeys(["abs", "ceil", "count", "floor", "indexof", "mul", "plus", "round"], "number"),
    **dict.fromkeys(["contains", "endswith", "startswith"], "boolean"),
    **dict.fromkeys([name for name in TOTAL if name.startswith("is_")], "boolean"),
    **dict.fromkeys(
        [
            "json.marshal",
            "lower",
            "replace",
            "substring",
            "strings.reverse",
            "trim",
            "trim_left",
            "trim_prefix",
            "trim_right",
            "trim_space",
            "trim_suffix",
            "type_name",
            "upper",
        ],
        "string",
    ),
    **dict.fromkeys(["and", "object.keys", "or"], "set"),
    **dict.fromkeys(["array.concat", "array.reverse", "split"], "array"),
    **dict.fromkeys(["object.remove", "object.union"], "object"),
}

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
    "opa.runtime": "put settings in the bundle's data",
}
