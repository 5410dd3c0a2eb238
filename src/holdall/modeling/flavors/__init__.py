"""One framework per file, each with a `FLAVOR`. See `modeling/flavor.py` for what that is.

A file that is put here is known: there is no list to add it to. Its name is not
the framework's where that would be confusing (`python.py` keeps functions and
classes of Python's own). No flavor imports another.
"""
