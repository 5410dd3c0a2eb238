"""Garbage collection: deleting the packs that nothing refers to, beside any number of writers.

SPEC.md, "Garbage"; GARBAGE.md says why it is safe.
"""
