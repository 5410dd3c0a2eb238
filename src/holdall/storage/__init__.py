"""Objects in a bucket: key -> bytes.

A store needs five verbs of its bucket and one promise: an object is created
only if it is absent. This room turns whatever keeps the bytes (a dict, a
folder, S3, anything behind fsspec) into that contract, and wraps retries,
limits and traces around it. It knows nothing of what the bytes mean.
"""
