"""Naming: registered models, their numbered versions, aliases and stages.

A version is a path of a run under a number that people can remember. Nothing
is copied to register one: its files stay where they were logged, and the run
is pinned, so that nothing it needs is collected.
"""
