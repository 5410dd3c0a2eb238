"""Errors as those expect them who work with files: as kinds of OSError, with our text, and our error as their cause."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from holdall.errors import (
    AccessDeniedError,
    ArtifactExistsError,
    FileForbiddenError,
    FileIsDirectoryError,
    FileSystemError,
    FileThereError,
    HoldallError,
    InvalidPathError,
    InvalidURIError,
    KeyUnavailableError,
    NoDirectoryError,
    NoSuchFileError,
    NotEncryptedError,
    NotFoundError,
    PathConflictError,
    RegisteredPathError,
    RunDeletedError,
    RunNotVersionedError,
    ShreddedError,
)

_KINDS: Final[dict[type[HoldallError], type[FileSystemError]]] = {
    NotFoundError: NoSuchFileError,
    InvalidPathError: NoSuchFileError,  # where no file can be, there is none
    InvalidURIError: NoSuchFileError,
    ArtifactExistsError: FileThereError,
    PathConflictError: NoDirectoryError,
    RegisteredPathError: FileForbiddenError,
    RunNotVersionedError: FileForbiddenError,
    RunDeletedError: FileForbiddenError,
    AccessDeniedError: FileForbiddenError,
    KeyUnavailableError: FileForbiddenError,
    NotEncryptedError: FileForbiddenError,
    ShreddedError: NoSuchFileError,
}


@contextmanager
def as_os_errors(path: str) -> Iterator[None]:
    """Raise what is said of a path in this block as a FileSystemError, where there is one for it."""
    try:
        yield
    except HoldallError as error:
        kind = next((made for kind, made in _KINDS.items() if isinstance(error, kind)), None)
        if kind is None:
            raise
        raise kind(path, str(error)) from error


def no_such_place(path: str, forms: str) -> NoSuchFileError:
    """Return the error of a path that is no address."""
    return NoSuchFileError(path, f"{path!r} is no address in a store: {forms}")


def is_directory(path: str) -> FileIsDirectoryError:
    """Return the error of a directory that was to be read or written as a file."""
    return FileIsDirectoryError(path, f"{path!r} is a directory")
