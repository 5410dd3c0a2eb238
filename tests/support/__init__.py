"""What tests stand on: faults on demand, and servers that run once per session."""
