"""Models: a folder of files that says what is in it, what goes in and what comes out.

The folder is the field's own, to the byte where that can be; what this room
writes MLflow loads, and the reverse. What a run is, is the business of `runs`;
what a version is called, of `naming`.
"""
