"""A table as a directory of parts, so that many may append at once.

MLflow reads the file, adds rows and writes it back: of eight that append at
once, one row is left. Here each append is one new file that never changes:

    eval/answers.json/01700000000123456789-5f0c11d2.json      one part for each call
    table_images/eval/answers/<uuid>.png, .webp               images of cells, as MLflow keeps them

A part's name begins with nanoseconds since 1970 by its writer's clock, which
`Ticking` never lets stand still or turn back; so one writer's parts sort in
the order of its calls, and the random end keeps those of several apart. Between
machines the order is as good as their clocks.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from holdall.errors import ArtifactNotFoundError, InvalidArgumentError
from holdall.format.tree import Entry, Kind
from holdall.runs.columns import (
    is_image,
    json_table,
    parquet_table,
    parse_json_tables,
    parse_parquet_tables,
    table_columns,
)
from holdall.runs.reading import RunReader
from holdall.runs.rendering import compressed_bytes, image_bytes, suffix
from holdall.runs.writing import RunWriter
from holdall.trees.source import Item, bytes_item

if TYPE_CHECKING:
    import pandas

_PART: Final = re.compile(r"[0-9]{20}-[0-9a-f]{8}")


class Ticking:
    """A clock whose every reading is later than the one before, even if the machine's is put back."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock, self._last = clock, 0
        self.leave_parent()

    def leave_parent(self) -> None:
        """Take new locks in a forked child, where a thread that does not exist may hold the old ones."""
        self._reading = threading.Lock()

    def __call__(self) -> int:
        with self._reading:
            self._last = max(self._clock(), self._last + 1)
            return self._last


_ticking: Final = Ticking(time.time_ns)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ticking.leave_parent)


def log_table(
    run: RunWriter,
    data: dict[Any, Any] | pandas.DataFrame,
    artifact_file: str,
    *,
    clock: Callable[[], int] = _ticking,
    entropy: Callable[[int], bytes] = os.urandom,
) -> Entry:
    """Append rows to a table of a run. One commit, images included: all or nothing.

    Args:
        run: Where.
        data: Columns by name, or one row by name, or a DataFrame, which is left as it is.
        artifact_file: The table; `.json` or `.parquet`.
        clock: Nanoseconds since 1970 UTC, each time later: it orders the parts.
        entropy: So many random bytes.

    Returns:
        The part that holds the rows.

    Raises:
        TypeError: No table can be made of this, or JSON cannot hold a cell of it.
        InvalidTableError: Lengths differ, labels recur as texts, or it could not be read again.
        ValueError: A column has images and other cells, or the extension is another.
        PathConflictError: There is a file of this name, such as MLflow would write; it cannot grow.
        MissingLibraryError: DataFrames need pandas, Parquet pyarrow too, images Pillow.

    Cost: one PUT for a part of 64 KiB; else as `Run.log_artifact`.
    """
    form, images, columns = _form(artifact_file), list[Item](), table_columns(data)
    for label, cells in columns.items():
        if _are_images(label, cells):
            columns[label] = [_placed(cell, artifact_file, images, entropy) for cell in cells]
    content = json_table(columns) if form == ".json" else parquet_table(columns)
    part = bytes_item(f"{artifact_file}/{clock():020d}-{entropy(4).hex()}{form}", content)
    return run._log_items([part, *images]).entries[0]


def load_table(
    run: RunReader, artifact_file: str, extra_columns: Mapping[str, object] | None = None
) -> pandas.DataFrame:
    """Return all rows of a table, in the order in which they were logged.

    Args:
        run: Whose.
        artifact_file: The table; a single file that MLflow or pandas wrote is one too.
        extra_columns: Values that each row is to have besides, such as the run's id.
            A name that the table has already gets an underscore.

    Raises:
        ArtifactNotFoundError: There is no such table.
        ContentError: A part of it is damaged, or no table.
        ValueError: The extension is neither `.json` nor `.parquet`.
        MissingLibraryError: pandas is needed, and pyarrow for Parquet.

    Cost: as fetching all parts in one download; of an encrypted store a part after the other, for none is put on disk.
    """
    form, parts = _form(artifact_file), _parts(run, artifact_file)
    foreign = artifact_file in parts
    frame = parse_json_tables(parts, foreign=foreign) if form == ".json" else parse_parquet_tables(parts)
    for name, value in (extra_columns or {}).items():
        frame[f"{name}_" if name in frame else name] = value
    return frame


def told(tag: str, artifact_file: str, most: int) -> str | None:
    """Return the tag that lists a run's tables, with one more; None where it stays as it is.

    Args:
        tag: What it says now, which may be anything: everybody can set it.
        artifact_file: The table.
        most: Characters that a tag may have: a table that would need more is not listed.
    """
    try:
        known = json.loads(tag)
    except (ValueError, RecursionError):
        known = []
    known, this = known if isinstance(known, list) else [], {"path": artifact_file, "type": "table"}
    text = json.dumps([*known, this])
    return text if this not in known and len(text) <= most else None


def _form(artifact_file: str) -> str:
    form = suffix(artifact_file)
    if form not in (".json", ".parquet"):
        raise InvalidArgumentError(f"a table is a .json or a .parquet file, and {artifact_file!r} is neither")
    return form


def _parts(run: RunReader, artifact_file: str) -> dict[str, bytes]:
    """Return the parts of a table by path, in order. Other files beside them are none."""
    if run._location.sealing.sealed:
        return _parts_in_memory(run, artifact_file)
    with tempfile.TemporaryDirectory(prefix="holdall-") as folder:
        place = run.download(artifact_file, folder)
        if place.is_symlink():
            return {artifact_file: run.read(artifact_file)}
        found = [place] if place.is_file() else sorted(place.iterdir())
        files = [file for file in found if file is place or (_PART.fullmatch(file.stem) and _is_own_file(file))]
        parts = {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}
    if not parts:
        raise ArtifactNotFoundError(run.id, artifact_file)
    return parts


def _parts_in_memory(run: RunReader, artifact_file: str) -> dict[str, bytes]:
    """Return the same, one after the other: of an encrypted store nothing is to lie in a temporary file."""
    seen, folder = run._at_one_look(), f"{artifact_file}/"
    files = sorted(entry.path for entry in seen.entries(artifact_file) if entry.kind is Kind.FILE)
    parts = [path for path in files if _PART.fullmatch(path.removeprefix(folder).rpartition(".")[0])]
    return {path: seen.read(path) for path in parts or [artifact_file]}


def _is_own_file(place: Path) -> bool:
    return place.is_file() and not place.is_symlink()


def _are_images(label: Any, cells: Sequence[Any]) -> bool:
    if getattr(cells, "dtype", "object") != "object":
        return False
    found = [is_image(cell) for cell in cells]
    if any(found) and not all(found):
        raise InvalidArgumentError(f"column {label!r} holds images and other cells: a column holds either")
    return any(found)


def _placed(image: Any, artifact_file: str, images: list[Item], entropy: Callable[[int], bytes]) -> dict[str, str]:
    """Return the cell that stands for an image, whose two files are added to `images`."""
    name = uuid.UUID(bytes=entropy(16), version=4)
    path = f"table_images/{artifact_file.rpartition('.')[0]}/{name}"
    full, small = f"{path}.png", f"{path}.webp"
    images += [bytes_item(full, image_bytes(image, full)), bytes_item(small, compressed_bytes(image))]
    return {"type": "image", "filepath": full, "compressed_filepath": small}
