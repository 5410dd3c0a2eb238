"""Bytes in, packs out; references in, verified bytes out.

This room knows how content is cut, recognised, packed and fetched, and nothing
of paths or runs. The package's one thread pool and its one byte budget live
here, and nothing above starts a thread of its own.
"""
