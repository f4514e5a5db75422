"""Protobuf by hand: messages that no library would write, and what a refusal says of them."""

from collections.abc import Iterator

import grpc


def varint(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def delimited(tag: int, content: bytes) -> bytes:
    """A field of a message, with its length before it."""
    return bytes([tag << 3 | 2]) + varint(len(content)) + content


def struct(value: bytes) -> bytes:
    """A `google.protobuf.Struct` of which the member `a` is this value."""
    return delimited(1, delimited(1, b"a") + delimited(2, value))


def nested(levels: int) -> bytes:
    """A struct in a struct, so many levels deep."""
    inner = b""
    for _ in range(levels):
        inner = struct(delimited(5, inner))
    return inner


def refusal(error: grpc.RpcError) -> tuple[str, str]:
    """The field that INVALID_ARGUMENT names, and what it says of it: in the text as in `BadRequest`.

    Any other status is a failure.
    """
    assert isinstance(error, grpc.Call)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT, f"{error.code()}: {error.details()}"
    (status,) = (value for key, value in error.trailing_metadata() or () if key == "grpc-status-details-bin")
    assert isinstance(status, bytes)
    bad_request = _only(_only(status, 3), 2)
    violation = _only(bad_request, 1)
    field, sentence = _only(violation, 1).decode(), _only(violation, 2).decode()
    assert error.details() == f"{field}: {sentence}"
    return field, sentence


def _only(message: bytes, tag: int) -> bytes:
    (found,) = (content for number, content in _fields(message) if number == tag)
    return found


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The delimited fields of a message; numbers are passed over."""
    place = 0
    while place < len(message):
        key, place = _read_varint(message, place)
        length, place = _read_varint(message, place)
        if key & 7 == 2:
            yield key >> 3, message[place : place + length]
            place += length


def _read_varint(message: bytes, place: int) -> tuple[int, int]:
    number, shift = 0, 0
    while True:
        byte = message[place]
        number, shift, place = number | (byte & 0x7F) << shift, shift + 7, place + 1
        if byte < 0x80:
            return number, place
