"""The settings of both clients, as keyword arguments."""

from collections.abc import Callable
from typing import TypedDict

import grpc

from poortwachter_client.cache import CacheOptions
from poortwachter_client.clock import Clock
from poortwachter_client.core import Call, Metadata
from poortwachter_client.sidecars import Balance, RetryOptions


class Settings(TypedDict, total=False):
    """All have a default.

    Attributes:
        timeout: of a check, all attempts together, in seconds (0.25). An answer that comes later is not used.
        cache: keeps answers under the sidecars' watches (None: keeps nothing).
        balance: "first" asks the first of the addresses that answers, "round_robin" each in turn ("first").
        retries: when a check is asked again.
        credentials: TLS, e.g. `grpc.ssl_channel_credentials(ca, key, certificate)` (none).
        plaintext: True allows addresses on other machines without TLS (False).
        metadata: goes along with each call.
        observe: is told what each call came to; it must be quick and raise nothing.
        clock: another one than the machine's, for tests.
    """

    timeout: float
    cache: CacheOptions | None
    balance: Balance
    retries: RetryOptions
    credentials: grpc.ChannelCredentials | None
    plaintext: bool
    metadata: Metadata
    observe: Callable[[Call], None] | None
    clock: Clock
