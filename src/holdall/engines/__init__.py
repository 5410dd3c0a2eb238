"""Many independent pieces of work on one machine's threads, or on a cluster."""
