"""The decision contract `pdp.decision.v1` as generated code: this distribution's own copy (`make gen`)."""
