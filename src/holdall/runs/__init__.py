"""Runs and experiments: who wrote what, under which name, and how it ended.

A run is a log of its own in the store, and this room knows what its entries
are for. How they are written safely is the business of `trees`.
"""
