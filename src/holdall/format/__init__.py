"""The bytes, and nothing else: what a store's objects look like.

Every module here turns values into bytes and back, exactly as SPEC.md beside
it says. None opens a file, asks a clock, draws a random number or talks to a
bucket; so all of it can be tested with values alone, and a stranger can hold
it against the law line by line. What is parsed is hostile until it is checked.
"""
