"""Objects that are no store's: looked at and read where they are, and held against what they were.

    seen.py      what a place is asked, and what it answers
    consent.py   which addresses a reader may ask at all
    opening.py   from an address to a place, with retries
    s3.py, remote.py, folder.py, web.py, memory.py    the places

Nothing is written here. What is read is only believed if the place says that it
is the object that was seen before: by its version, its ETag or its times, and size.
"""
