"""Measured answers: one question per file, each a command that anyone can run."""
