"""Copies of a store, or of parts of it, in another one."""
