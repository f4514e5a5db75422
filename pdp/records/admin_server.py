"""The administrative gRPC server: the record service, with health and reflection."""

from concurrent.futures import ThreadPoolExecutor

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from pdp.errors import ServeError
from pdp.records.service import THREADS, RecordService, Served
from pdp.records.v1.record_service_pb2_grpc import add_RecordServiceServicer_to_server

SERVICE_NAME = "pdp.records.v1.RecordService"


def build_admin_server(address: str, served: Served) -> tuple[grpc.Server, str]:
    """The administrative server, bound but not started, and the address that it is bound to.

    Args:
        address: "HOST:PORT"; port 0 takes a free one.
        served: what the record service works on.

    Raises:
        ServeError: the address cannot be bound.
    """
    # Without this option two sidecars could share the port, and each would get some of the calls.
    server = grpc.server(
        ThreadPoolExecutor(THREADS, thread_name_prefix="admin"), options=(("grpc.so_reuseport", 0),)
    )
    add_RecordServiceServicer_to_server(RecordService(served), server)
    health_service = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health_service, server)
    for name in ("", SERVICE_NAME):
        health_service.set(name, health_pb2.HealthCheckResponse.SERVING)
    reflection.enable_server_reflection((SERVICE_NAME, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise ServeError(
            f"The administrative address {address} cannot be used: another program has it, "
            "or it is not an address of this machine."
        ) from error
    return server, f"{address.rpartition(':')[0]}:{port}"
