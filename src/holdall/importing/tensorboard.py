"""Event files of TensorBoard: each folder with some is a run.

They are read by TensorBoard's own package. Scalars become measurements with
their steps and wall times, hyperparameters become parameters; the event files
themselves are kept in the run, with the histograms and images that they hold.
Before that package sees a file, its frames are looked at: one that claims more
bytes than the file has, or more than any event, is refused.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from holdall.errors import InvalidURIError, SourceUnreadableError
from holdall.importing.bringing import Bringer
from holdall.importing.folder import existing
from holdall.importing.found import FileSet, FoundExperiment, FoundRun, Point, fingerprint
from holdall.importing.planned import Planned
from holdall.libraries import library
from holdall.moving import Problem
from holdall.store import Store

_PURPOSE: Final = "reading TensorBoard's event files"
_LARGEST: Final = 256 << 20  # bytes of one event
_HEADER: Final = struct.Struct("<QI")  # a frame: its length and a sum of that; then the bytes and a sum of those
_HPARAMS: Final = "_hparams_/session_start_info"


def plan_tensorboard(store: Store, logdir: Path, experiment: str | None) -> Planned:
    """Return what an import of a log directory would bring. Args, raises: as `holdall.importing.from_tensorboard`."""
    top = existing(logdir)
    library("tensorboard", _PURPOSE)
    folders: defaultdict[Path, list[Path]] = defaultdict(list)
    for file in sorted(top.rglob("*tfevents*")):
        if file.is_file():
            folders[file.parent].append(file)
    if not folders:
        raise InvalidURIError(
            str(logdir),
            "no TensorBoard logs here: there is no file *tfevents*",
        ).advised("give the folder with the event files, or one above it")
    name, runs, problems = experiment or top.name or "tensorboard", [], []
    for folder, files in folders.items():
        try:
            runs.append(_found(top, folder, files, name))
        except SourceUnreadableError as error:
            problems.append(Problem("run", str(folder), "", str(error)))
    return Planned(Bringer(store, str(top)), runs, [FoundExperiment(name)], problems)


def _found(top: Path, folder: Path, files: list[Path], experiment: str) -> FoundRun:
    params: dict[str, str] = {}
    times = [time for file in files for time in _scan(file, params)]
    name = str(folder.relative_to(top)) if folder != top else top.name
    return FoundRun(
        key=f"tensorboard:{folder.resolve()}",
        source_id=str(folder),
        experiment=experiment,
        name=name,
        start_time=min(times, default=None),
        end_time=max(times, default=None),
        params=params,
        points=partial(_points, files),
        folder=FileSet({file.name: file for file in files}),
        state=fingerprint([[file.name, file.stat().st_size] for file in files]),
        versioned=True,  # a training that goes on adds to its event file
    )


def _scan(file: Path, params: dict[str, str]) -> Iterator[int]:
    """Yield the time of each event that tells something, and learn the parameters that it tells."""
    for event in _events(file):
        for value in event.summary.value if event.HasField("summary") else ():
            if value.tag == _HPARAMS:
                params |= _params(value)
        if event.HasField("summary"):
            yield _time(event)


def _points(files: list[Path]) -> Iterator[Point]:
    for file in files:
        for event in _events(file):
            for value in event.summary.value if event.HasField("summary") else ():
                number = _number(value)
                if number is not None:
                    yield value.tag, number, int(event.step), _time(event)


def _number(value: Any) -> float | None:
    """Return the number that a value is, as the first and the second TensorFlow write it; else None."""
    if value.WhichOneof("value") == "simple_value":
        return float(value.simple_value)
    if value.WhichOneof("value") != "tensor" or value.metadata.plugin_data.plugin_name not in ("scalars", ""):
        return None
    tensor = value.tensor
    if any(size.size != 1 for size in tensor.tensor_shape.dim):
        return None
    found = library("tensorboard.util.tensor_util", _PURPOSE, "tensorboard").make_ndarray(tensor)
    return float(found.item()) if found.size == 1 and found.dtype.kind in "fiub" else None


def _params(value: Any) -> dict[str, str]:
    data = library("tensorboard.plugins.hparams.plugin_data_pb2", _PURPOSE, "tensorboard").HParamsPluginData()
    data.ParseFromString(value.metadata.plugin_data.content)
    told = {}
    for key, given in data.session_start_info.hparams.items():
        kind = given.WhichOneof("kind")
        told[key] = str(getattr(given, kind)) if kind else ""
    return told


def _events(file: Path) -> Iterator[Any]:
    """Yield the events of a file, up to the last that is whole. Raises: SourceUnreadableError."""
    _check_frames(file)
    loader = library("tensorboard.backend.event_processing.event_file_loader", _PURPOSE, "tensorboard")
    try:
        yield from loader.LegacyEventFileLoader(str(file)).Load()
    except Exception as error:  # of damage: protobuf's and TensorBoard's have no common base
        raise SourceUnreadableError(str(file), f"it is damaged: {error}") from error


def _check_frames(file: Path) -> None:
    """Refuse a file with a frame that would take too much memory; one that ends too early is a writer's that died."""
    size, at = file.stat().st_size, 0
    with file.open("rb") as opened:
        while len(head := opened.read(_HEADER.size)) == _HEADER.size:
            length, _ = _HEADER.unpack(head)
            if length > _LARGEST:
                raise SourceUnreadableError(str(file), f"an event at byte {at} claims {length} bytes")
            at += _HEADER.size + length + 4
            if at > size:
                return
            opened.seek(at)


def _time(event: Any) -> int:
    return int(event.wall_time * 1000)
