"""Account state: the store, its follower, import and export, and the administrative service."""
