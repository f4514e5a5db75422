"""Asks a Poortwachter sidecar "allow?".

>>> from poortwachter_client import CacheOptions, Client
>>> pdp = Client(["127.0.0.1:7081"], cache=CacheOptions())
>>> decision = pdp.check(
...     {
...         "subject": {"type": "user", "id": "p-7f3a"},
...         "action": {"name": "read"},
...         "resource": {"type": "portal", "id": "werkgeversportaal"},
...     }
... )
>>> decision.allow, decision.codes
(False, ('ACCOUNT_UNKNOWN', 'AUTHENTICATION_INVALID'))
"""

from poortwachter_client.aio import AsyncClient
from poortwachter_client.cache import CacheOptions
from poortwachter_client.client import Client
from poortwachter_client.core import Call
from poortwachter_client.decision import PDP_UNAVAILABLE, Decision, Message, Notice, Obligation, Reason
from poortwachter_client.errors import InvalidRequest
from poortwachter_client.settings import Settings
from poortwachter_client.sidecars import RetryOptions

__all__ = [
    "PDP_UNAVAILABLE",
    "AsyncClient",
    "CacheOptions",
    "Call",
    "Client",
    "Decision",
    "InvalidRequest",
    "Message",
    "Notice",
    "Obligation",
    "Reason",
    "RetryOptions",
    "Settings",
]
