"""A file that one process has open, and that its worker processes write into.

A worker must write into the very file that its parent has created, whatever
stands at its path by then: a folder on the way may have become a link. So no
path is looked up. The system shows the files that a process has open, and
opening one there opens that file, renamed or not:

    /proc/<parent>/fd/<descriptor>        opened by the worker, then compared with the file that was lent

Passing the descriptor through a socket would be as safe, but a worker has
pipes. Opening the path and comparing would do where there is no /proc, but a
path may be longer than the system takes. So where this way is closed (another
system than Linux, a process that hides its files), the work stays in one process.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from holdall.errors import DestinationError
from holdall.format.digest import Bytes
from holdall.trees.destination import refusals_named
from holdall.trees.positioned import write_parts


@dataclass(frozen=True, slots=True)
class LentFile:
    """What a worker opens a file by; good while the lender has it open.

    Attributes:
        process: The lender's id.
        descriptor: Its descriptor.
        device, inode: Which file that is.
        path: Its path within the run.
        place: Where it is to be, for errors.
    """

    process: int
    descriptor: int
    device: int
    inode: int
    path: str
    place: str

    @classmethod
    def of(cls, descriptor: int, path: str, place: str) -> LentFile:
        """Return what opens a file that this process has open."""
        status = os.fstat(descriptor)
        return cls(os.getpid(), descriptor, status.st_dev, status.st_ino, path, place)

    def open(self) -> BorrowedFile:
        """Open it for writing.

        Raises:
            OSError: This process cannot.
            DestinationError: The lender has closed it.
        """
        descriptor = os.open(f"/proc/{self.process}/fd/{self.descriptor}", os.O_WRONLY | os.O_CLOEXEC)
        status = os.fstat(descriptor)
        if (status.st_dev, status.st_ino) != (self.device, self.inode):
            os.close(descriptor)
            raise DestinationError(self.place, "it was closed while it was written")
        return BorrowedFile(descriptor, self.place)


@dataclass(frozen=True, slots=True)
class BorrowedFile:
    """Another process's file, open for writing here. Threads may share it."""

    descriptor: int
    place: str

    def write(self, at: int, *parts: Bytes) -> None:
        """Write bytes at an offset, in parts that follow one another. Raises: DestinationError."""
        with refusals_named(self.place):
            write_parts(self.descriptor, at, parts)

    def close(self) -> None:
        """Close it here."""
        os.close(self.descriptor)
