"""The same questions in Cerbos' own messages, whose types its server tells by reflection."""

from collections.abc import Mapping
from typing import Any

import grpc
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from bench import servers

PATH = "/cerbos.svc.v1.CerbosService/CheckResources"
_REQUEST = "cerbos.request.v1.CheckResourcesRequest"
_RESPONSE = "cerbos.response.v1.CheckResourcesResponse"


class CerbosMessages:
    """Encodes policy inputs as Cerbos' requests and reads its answers."""

    def __init__(self, address: str) -> None:
        with grpc.insecure_channel(address) as channel:
            pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
            self._request = message_factory.GetMessageClass(pool.FindMessageTypeByName(_REQUEST))
            self._response = message_factory.GetMessageClass(pool.FindMessageTypeByName(_RESPONSE))

    def encode(self, policy_input: Mapping[str, Any]) -> bytes:
        """One question: the subject's properties with the principal, everything else with the resource."""
        subject, resource = policy_input["subject"], policy_input["resource"]
        attributes = {name: value for name, value in policy_input.items() if name != "subject"}
        action = policy_input["action"]["name"]
        asked = {"kind": resource["type"], "id": resource["id"], "attr": attributes}
        question = {
            "principal": {"id": subject["id"], "roles": [subject["type"]], "attr": subject["properties"]},
            "resources": [{"actions": [action], "resource": asked}],
        }
        message: Message = json_format.ParseDict(question, self._request())
        return message.SerializeToString()

    def ask(self, address: str, body: bytes) -> tuple[bool, list[str]]:
        """Whether Cerbos allows, and the codes of its reasons."""
        with grpc.insecure_channel(address) as channel:
            call: servers.Call = channel.unary_unary(PATH, None, self._response.FromString)
            (result,) = json_format.MessageToDict(call(body, timeout=10))["results"]
        (effect,) = result["actions"].values()
        outputs = (
            output["val"] for output in result.get("outputs", ()) if isinstance(output.get("val"), dict)
        )
        return effect == "EFFECT_ALLOW", sorted({val["code"] for val in outputs if "code" in val})
