"""Side by side with real peers: one core for the server, one for the load, reports under bench/results/."""
