"""How long runs are kept, and how one goes for good."""
