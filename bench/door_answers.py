"""What each door answers to a question, to see that all of them decide the same."""

import json
import socket
import urllib.request
from collections.abc import Callable, Iterable
from contextlib import closing
from http.client import HTTPResponse
from typing import Any

import grpc
from envoy.service.auth.v3 import external_auth_pb2

from bench.load import Target
from bench.servers import Call
from pdp.decision.v1 import decision_pb2

TIMEOUT = 10.0
Answer = tuple[bool, list[str]]
"""Allow or not, and the reason codes in the order of their names."""
Read = Callable[[Target, Iterable[bytes]], list[Answer]]


def of_check(target: Target, bodies: Iterable[bytes]) -> list[Answer]:
    """Of the native call."""

    def read(answer: Any) -> Answer:
        return answer.allow, sorted(reason.code for reason in answer.reasons)

    return _of_grpc(target, bodies, decision_pb2.CheckResponse, read)


def of_ext_authz(target: Target, bodies: Iterable[bytes]) -> list[Answer]:
    """Of Envoy's call: its status, and the codes for its access log."""

    def read(answer: Any) -> Answer:
        codes = answer.dynamic_metadata.fields["codes"].list_value.values
        return answer.status.code == 0, sorted(code.string_value for code in codes)

    return _of_grpc(target, bodies, external_auth_pb2.CheckResponse, read)


def _of_grpc(
    target: Target, bodies: Iterable[bytes], response: Any, read: Callable[[Any], Answer]
) -> list[Answer]:
    with grpc.insecure_channel(target.server.address) as channel:
        call: Call = channel.unary_unary(target.path, None, response.FromString)
        return [read(call(body, timeout=TIMEOUT)) for body in bodies]


def of_forward_auth(target: Target, bodies: Iterable[bytes]) -> list[Answer]:
    """Of a whole HTTP request: its status, and the header with the codes."""
    host, _, port = target.server.address.rpartition(":")
    answers = []
    with closing(socket.create_connection((host, int(port)), TIMEOUT)) as connection:
        for body in bodies:
            connection.sendall(body)
            response = HTTPResponse(connection)
            response.begin()
            response.read()
            codes = response.headers.get("x-pdp-codes", "")
            answers.append((response.status == 200, sorted(code for code in codes.split(", ") if code)))
    return answers


def of_authzen(target: Target, bodies: Iterable[bytes]) -> list[Answer]:
    """Of an access evaluation."""

    def read(answer: Any) -> Answer:
        reasons = answer.get("context", {}).get("reasons", [])
        return answer["decision"], sorted(reason["code"] for reason in reasons)

    return _of_rest(target, bodies, read)


def of_opa(target: Target, bodies: Iterable[bytes]) -> list[Answer]:
    """Of the policy's document."""

    def read(answer: Any) -> Answer:
        result = answer["result"]
        return result["allow"], sorted(reason["code"] for reason in result["reasons"])

    return _of_rest(target, bodies, read)


def _of_rest(target: Target, bodies: Iterable[bytes], read: Callable[[Any], Answer]) -> list[Answer]:
    url = f"http://{target.server.address}{target.path}"
    answers = []
    for body in bodies:
        asked = urllib.request.Request(url, body, {"content-type": "application/json"})
        with urllib.request.urlopen(asked, timeout=TIMEOUT) as answered:
            answers.append(read(json.load(answered)))
    return answers
