"""From a model to a folder: its files, what it needs, and what must not go with it."""
