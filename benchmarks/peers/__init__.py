"""One side per file: how it logs, fetches, and what it then stores.

    log(*paths)      one after the other, as one run of a fresh process
    fetch(path)      what was logged last from this path, into a new folder, compared with its source
    stored()         bytes that lie in its store or bucket now

The upper half of each file is what the harness holds; the lower half runs in
the process that is measured, and there alone the peer is imported.
"""
