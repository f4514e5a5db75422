"""Policies: finding OPA, checking sources, building and loading bundles, running a policy's own tests."""
