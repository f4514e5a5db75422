"""Poortwachter: answers a gateway's question "allow?" from terms of use, article by article, with reasons.

The library in one line: `from pdp import DecisionPoint` (see `pdp.decision_point`). Names are imported on
first use, so that the command line starts quickly.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pdp.decision_point import Decision, DecisionPoint, Notice, Obligation, Reason
    from pdp.errors import InvalidRequest, PdpError

__all__ = ["Decision", "DecisionPoint", "InvalidRequest", "Notice", "Obligation", "PdpError", "Reason"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "pdp.errors" if name in ("InvalidRequest", "PdpError") else "pdp.decision_point"
    return getattr(import_module(home), name)
