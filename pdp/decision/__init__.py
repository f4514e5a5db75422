"""The decision contract, one folder a version."""
