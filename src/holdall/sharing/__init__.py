"""Copies of artifacts that a link opens, for people without holdall and without credentials."""
