"""A store as a file system of fsspec, `holdall://`, for whatever reads files by it.

    addresses     what a path means
    views         the stores and runs that were looked at, and how long that counts
    listing       what is said of files and directories
    files         open files
    browsing      the verbs that list
    reading       the verbs that read
    writing       the verbs that write
    transfers     folders, fetched and put as a whole
    translating   errors as kinds of OSError

Paths are those of `addresses`; what is above runs and models is listed, so that a
store can be browsed. Content is verified as it is everywhere.
"""

from holdall.surfaces.filesystem.writing import HoldallFileSystem

__all__ = ["HoldallFileSystem"]
