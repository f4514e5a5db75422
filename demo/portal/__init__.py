"""A small employers' portal behind a real Envoy that asks a real sidecar. `make portal` starts it.

The login is a stand-in, its people and companies are made up, and everything listens on loopback only.
"""
