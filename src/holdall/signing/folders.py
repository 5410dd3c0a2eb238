"""A local folder held against a `model.sig`: all that is in it must have been signed, and all that was signed be there.

Whatever its name, a file that was not signed could be loaded in a signed one's place, so none is passed over but the
signature itself: neither those that the statement says to ignore nor hidden ones. Links count as the files that they
lead to. Empty folders count for nothing.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from holdall.errors import FormatError
from holdall.format import digest
from holdall.signing.keys import SigningKey
from holdall.signing.public_keys import PublicKey
from holdall.signing.statements import ALONE, FILE, MAX_BUNDLE, Bundle, Resource, parse_bundle, sign_files

_BLOCK: Final = 1 << 20
_NAMED: Final = 3  # files that a problem names


def read_bundle(folder: Path) -> Bundle | None:
    """Return the `model.sig` in a folder; None if there is none. Raises: FormatError."""
    place = folder / FILE
    if not place.is_file() or place.is_symlink():
        return None
    with place.open("rb") as file:
        return parse_bundle(file.read(MAX_BUNDLE + 1), str(place))


def sign_folder(folder: Path, key: SigningKey, name: str = "") -> Path:
    """Sign all files of a folder, and write `model.sig` into it. Return its place.

    Raises:
        FormatError: There is one already, or a link leads out of the folder.
        SigningKeyError: The key is of a kind that model signing does not know, or does not sign.
    """
    place = folder / FILE
    if place.exists() or place.is_symlink():
        raise FormatError(str(place), "the folder is signed already: a model's files, and model.sig among them, stay")
    found = files_of(folder)
    hashes = {path: _hash("sha256", real, 0, None) for path, real in found.items()}
    links = any((folder / path).is_symlink() for path in found)
    with place.open("xb") as file:
        file.write(sign_files(name or folder.resolve().name, hashes, key, links=links))
    return place


def problem_with(
    folder: Path, bundle: Bundle, known: Mapping[str, bytes] | None = None, ignore: Collection[str] = ()
) -> str:
    """Return how a folder's files differ from what was signed; "" if they do not.

    Args:
        folder: The folder.
        bundle: What was signed.
        known: SHA-256 of files by path, where they were computed: then these are not read again.
        ignore: Paths of files and folders that need not be signed, such as `.gitattributes`: the reader's choice alone.

    Raises:
        FormatError: A link leads out of the folder.
    """
    there, signed = files_of(folder), _by_file(bundle)
    unsigned = {path for path in there.keys() - signed.keys() if not _ignored(path, ignore)}
    if wrong := _names(unsigned):
        return f"not signed: {wrong}"
    if wrong := _names(signed.keys() - there.keys()):
        return f"signed, but not there: {wrong}"
    usable = known if known is not None and bundle.algorithm == "sha256" else {}
    return f"changed: {wrong}" if (wrong := _names(_changed(there, signed, bundle.algorithm, usable))) else ""


def signer_of(
    folder: Path,
    keys: Collection[PublicKey],
    known: Mapping[str, bytes] | None = None,
    ignore: Collection[str] = (),
) -> PublicKey | str:
    """Return the key, of those given, that signed a folder by a `model.sig` in it; or why none did.

    Args:
        folder: The folder.
        keys: Those that count.
        known, ignore: As for `problem_with`.
    """
    try:
        if (bundle := read_bundle(folder)) is None:
            return f"there is no {FILE} in it"
        if (key := bundle.signer(keys)) is None:
            return f"its {FILE} is not by one of these keys, or was changed"
        return problem_with(folder, bundle, known, ignore) or key
    except FormatError as error:
        return str(error)


def files_of(folder: Path) -> dict[str, Path]:
    """Return the files of a folder but its signature, by path, each with where its content is.

    Raises:
        FormatError: A link leads out of the folder, or there is what is neither file nor folder.
    """
    found, inside = {}, folder.resolve()
    for place in sorted(folder.rglob("*")):
        path = place.relative_to(folder).as_posix()
        if path == FILE or (place.is_dir() and not place.is_symlink()):
            continue
        real = place.resolve()
        if not real.is_relative_to(inside) or not real.is_file():
            raise FormatError(str(folder), f"{path} is no file of it, nor a link to one")
        found[path] = real
    return found


def _ignored(path: str, ignore: Collection[str]) -> bool:
    return any(f"{path}/".startswith(f"{each.strip('/')}/") for each in ignore)


def _by_file(bundle: Bundle) -> dict[str, list[Resource]]:
    found: defaultdict[str, list[Resource]] = defaultdict(list)
    for each in bundle.resources:
        found[each.path].append(each)
    if ALONE in found:
        raise FormatError(FILE, "it is of a file, not of a folder")
    return found


def _changed(
    there: Mapping[str, Path], signed: Mapping[str, Sequence[Resource]], algorithm: str, known: Mapping[str, bytes]
) -> Iterator[str]:
    for path, parts in signed.items():
        real = there[path]
        whole = parts[0].stop is None
        if whole and path in known:
            right = known[path] == parts[0].digest
        else:
            right = _covers(parts, real.stat().st_size) and all(
                _hash(algorithm, real, each.start, each.stop) == each.digest for each in parts
            )
        if not right:
            yield path


def _covers(parts: Sequence[Resource], size: int) -> bool:
    """Return whether parts are all of a file of this size: each begins where the one before ends."""
    at = 0
    for each in sorted(parts, key=lambda part: part.start):
        if each.stop is None:
            return len(parts) == 1
        if each.start != at or each.stop <= each.start:
            return False
        at = each.stop
    return at == size


def _hash(algorithm: str, place: Path, start: int, stop: int | None) -> bytes:
    kinds: dict[str, Any] = {"sha256": digest.file_hash, "blake2b": hashlib.blake2b, "blake3": digest.blob_hash}
    hasher = kinds[algorithm]()
    left = None if stop is None else stop - start
    with place.open("rb") as file:
        file.seek(start)
        while block := file.read(_BLOCK if left is None else min(_BLOCK, left)):
            hasher.update(block)
            left = None if left is None else left - len(block)
    return bytes(hasher.digest())


def _names(paths: Collection[str] | Iterator[str]) -> str:
    found = sorted(paths)
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return ", ".join(found[:_NAMED]) + more
