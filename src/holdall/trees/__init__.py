"""Trees of files, and the logs that hold them.

Above chunks there are paths: this room reads local files into a commit and
writes them back, keeps the numbered records that make a commit visible all at
once or not at all, and can tell whether everything is there and intact. It
knows nothing of what a run is for.
"""
