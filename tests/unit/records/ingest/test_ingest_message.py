"""The form of a message: what is taken, and which field is at fault in what is not."""

import pytest

from pdp.records.documents import RefusedError
from pdp.records.ingest_message import LARGEST_BYTES, LARGEST_VERSION, Entry, Message, parse

GOOD = {"kind": "door", "key": "a", "value": "{}", "version": "7"}


def entry(fields: dict[str, str | bytes], **changed: str | bytes) -> Entry:
    parts = [part for pair in (fields | changed).items() for part in pair]
    encoded = [part.encode() if isinstance(part, str) else part for part in parts]
    return Entry("1-0", sum(map(len, encoded)), encoded)


def refusal(bad: Entry) -> tuple[str, str]:
    with pytest.raises(RefusedError) as caught:
        parse(bad)
    assert caught.value.place == "1-0"
    return caught.value.field, caught.value.message


def test_a_message() -> None:
    good = entry({**GOOD}, id="event 1")
    assert parse(good) == Message("1-0", "door", "a", b"{}", 7, good.size)


def test_without_a_value_it_deletes() -> None:
    absent = {name: value for name, value in GOOD.items() if name != "value"}
    assert parse(entry({**absent})).value is None
    assert parse(entry({**GOOD}, value="")).value is None


@pytest.mark.parametrize("number", ["0", "1", "007", str(2**53 + 1), str(LARGEST_VERSION)])
def test_versions(number: str) -> None:
    assert parse(entry({**GOOD}, version=number)).version == int(number)


@pytest.mark.parametrize(
    "number", ["-1", "+1", "1.0", "1e3", "one", " 1", "1 ", "٣", str(LARGEST_VERSION + 1), "9" * 5_000, "0x1"]
)
def test_what_is_no_version(number: str) -> None:
    field, message = refusal(entry({**GOOD}, version=number))
    assert field == "version"
    assert message.startswith("must be a whole number from 0 to 9223372036854775807, not ")
    assert len(message) < 200


@pytest.mark.parametrize("missing", ["kind", "key", "version"])
def test_a_required_field(missing: str) -> None:
    without = {name: value for name, value in GOOD.items() if name != missing}
    assert refusal(entry({**without})) == (missing, "is required")
    assert refusal(entry({**GOOD}, **{missing: ""})) == (missing, "is required")


def test_a_misspelt_field_does_not_delete() -> None:
    field, message = refusal(entry({"kind": "door", "key": "a", "vaule": "{}", "version": "7"}))
    assert field == "vaule"
    assert message == "is not a known field here; those are kind, key, value, version, id"


@pytest.mark.parametrize("field", ["kind", "key", "value", "version", "id"])
def test_bytes_that_are_no_text(field: str) -> None:
    assert refusal(entry({**GOOD}, **{field: b"ok\xff"})) == (field, "is not UTF-8 (byte 2)")


def test_a_name_that_is_no_text() -> None:
    bad = entry({**GOOD})
    assert refusal(bad._replace(fields=[*bad.fields, b"\xff", b""]))[0] == "\\xff"


def test_a_field_twice() -> None:
    bad = entry({**GOOD})
    assert refusal(bad._replace(fields=[*bad.fields, b"value", b""])) == ("value", "is given twice")


def test_blank_is_not_empty() -> None:
    assert refusal(entry({**GOOD}, value=" \n"))[0] == "value"


def test_a_long_id() -> None:
    assert parse(entry({**GOOD}, id="é" * 200)).version == 7
    assert refusal(entry({**GOOD}, id="é" * 201)) == ("id", "is longer than 200 characters")


def test_many_fields() -> None:
    bad = entry({f"field-{number}": "" for number in range(50)})
    assert refusal(bad)[1].startswith("has 50 fields; ")


def test_too_large_or_gone() -> None:
    assert refusal(Entry("1-0", LARGEST_BYTES + 1, [])) == ("", "has 1,048,577 bytes, more than 1,048,576")
    assert refusal(Entry("1-0", -1, [])) == ("", "was removed from the stream before it was applied")
