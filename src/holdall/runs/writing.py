"""One run, written to: artifacts, parameters, measurements and tags."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from holdall.errors import ArtifactNotFoundError, RunEndedError, UnsupportedFileError
from holdall.format.changes import trim_op
from holdall.format.document import Json
from holdall.format.paths import check_path
from holdall.format.tree import Entry
from holdall.runs.arguments import named_values
from holdall.runs.lifecycle import RunLifecycle, tag_ops
from holdall.runs.metrics import metric_ops, param_op, tag_op
from holdall.runs.reading import join_path
from holdall.runs.versions import OnConflict, checked_count, replacing
from holdall.trees.native import named
from holdall.trees.replacing import MOST_TRIMS, removal, trims_below
from holdall.trees.session import Draft
from holdall.trees.source import Item, Links, bytes_item, local_items
from holdall.trees.transaction import ExtraOps, Published, Transaction
from holdall.trees.view import View


class RunWriter(RunLifecycle):
    """A run of a store, to be written to as well.

    Attributes:
        id: 32 hex digits.
    """

    def log_artifact(
        self,
        local_path: str | os.PathLike[str],
        artifact_path: str | None = None,
        *,
        on_conflict: OnConflict = "error",
        keep_last: int | None = None,
        links: Links = "keep",
    ) -> Entry | None:
        """Log a file, or a folder under its own name. One commit: all or nothing.

        Args:
            local_path: What to log.
            artifact_path: The directory of the run to put it in; the root when None.
            on_conflict: What to do where the run holds other content at a path: "error", or in a run that was started
                with `paths="versioned"` "replace"; what was there is an earlier version then.
            keep_last: With "replace", how many versions of each path stay, the new one counted; all of them when None.
            links: "keep" for links in a folder as links; "follow" for the files and folders that they lead to in their
                place, wherever those are, as in a Hugging Face cache, whose files are links to `../../blobs`.

        Returns:
            For a file, the entry at its path, with its digest; for a folder, None.

        Raises:
            ArtifactExistsError: The run holds other content at the path.
            PathConflictError: There is a file where a directory is needed, or the reverse.
            RunNotVersionedError: "replace" was asked for, and the run's paths never change.
            RegisteredPathError: A registered version is there, and stays as it is.
            SourceError: The file cannot be read, or changed meanwhile; or a link leads out of the folder and is not
                followed, or is followed and leads nowhere, or back to where it is.
            StorageError: The bucket does not answer. What was uploaded is reused next time.

        Cost: one PUT for files of 64 KiB together; else about one PUT per 32 MiB and a few more.

        Example:
            >>> with open("config.yaml", "w") as file:
            ...     size = file.write("rate: 0.1")
            >>> run.log_artifact("config.yaml", "settings").path
            'settings/config.yaml'
        """
        items = self._items_of(local_path, artifact_path, links=links)
        published = self._log_items(items, on_conflict=on_conflict, keep_last=keep_last)
        return published.entries[0] if len(published.entries) == 1 and not Path(local_path).is_dir() else None

    @staticmethod
    def _items_of(
        local_path: str | os.PathLike[str], artifact_path: str | None = None, *, links: Links = "keep"
    ) -> list[Item]:
        """Return the items that `log_artifact` would log, which are not read yet. Cost: no request.

        Raises:
            InvalidPathError: No run may hold such a path.
            SourceError: It is not there, or something in it cannot be kept.
        """
        local = _one_path(local_path, "call log_artifact for each file, or log_artifacts for their folder")
        name = local.name if local.name not in ("", "..") else local.resolve().name
        return local_items(local, join_path(artifact_path, named(name)), links=links)

    def log_artifacts(
        self,
        local_dir: str | os.PathLike[str],
        artifact_path: str | None = None,
        *,
        on_conflict: OnConflict = "error",
        keep_last: int | None = None,
        links: Links = "keep",
    ) -> Sequence[Entry]:
        """Log what a folder holds. One commit: all or nothing.

        Args:
            local_dir: The folder.
            artifact_path: The directory of the run to put its content in; the root when None.
            on_conflict, keep_last, links: As for `log_artifact`. What the folder lacks stays in the run.

        Returns:
            The entry at each path, with its digest.

        Raises and cost: as `log_artifact`.

        Example:
            >>> import os
            >>> os.mkdir("plots")
            >>> with open("plots/loss.svg", "w") as file:
            ...     size = file.write("<svg/>")
            >>> [entry.path for entry in run.log_artifacts("plots", "report")]
            ['report/loss.svg']
        """
        folder = _one_path(local_dir, "call log_artifact for each file")
        if folder.exists() and not folder.is_dir():
            raise UnsupportedFileError(str(folder), "it is not a folder; log one file with log_artifact")
        items = local_items(folder, join_path(artifact_path, ""), links=links)
        return self._log_items(items, on_conflict=on_conflict, keep_last=keep_last).entries

    def log_bytes(
        self, data: bytes, artifact_file: str, *, on_conflict: OnConflict = "error", keep_last: int | None = None
    ) -> Entry:
        """Log bytes as a file of the run. `on_conflict`, `keep_last`, raises and cost: as `log_artifact`.

        Example:
            >>> run.log_bytes(bytes(100), "weights.bin").size
            100
        """
        item = bytes_item(artifact_file, data)
        return self._log_items([item], on_conflict=on_conflict, keep_last=keep_last).entries[0]

    def log_param(self, key: str, value: Any) -> None:
        """Log a parameter, kept for good as `str(value)`. Raises, cost: as `log_params`.

        Example:
            >>> run.log_param("trees", 100)
            >>> run.data.params
            {'rate': '0.1', 'trees': '100'}
        """
        self.log_params({key: value})

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log parameters: each a name and `str(value)`, kept for good.

        Raises:
            ParamExistsError: The run has one of them with another value.
            InvalidNameError: A name or value that cannot be kept.

        Cost: none now; they ride on the next entry, as measurements do.

        Example:
            >>> run.log_params({"trees": 100})
            >>> run.data.params
            {'rate': '0.1', 'trees': '100'}
        """
        self._buffer_ops([param_op(key, value) for key, value in named_values("parameters", params).items()])

    def log_metric(self, key: str, value: Any, step: int | None = None, *, timestamp: int | None = None) -> None:
        """Log a measurement: its name, a number, and where in the training. Args, raises, cost: as `log_metrics`.

        Example:
            >>> run.log_metric("loss", 0.1, step=2)
            >>> run.data.metrics
            {'loss': 0.1}
        """
        self.log_metrics({key: value}, step=step, timestamp=timestamp)

    def log_metrics(self, metrics: Mapping[str, Any], *, step: int | None = None, timestamp: int | None = None) -> None:
        """Log measurements that were taken together.

        Args:
            metrics: Name -> number; NaN and the infinities are kept as they are.
            step: Where in the training; 0 when None.
            timestamp: Milliseconds since 1970 UTC; now when None.

        Raises:
            InvalidNameError: A name, number, step or time that cannot be kept; then none is logged.

        Cost: none now; they ride on the next entry, which is written by the
        first call after five seconds, the thousandth measurement, an artifact or
        the end. A process that is killed outright loses what was logged since
        its last entry; `flush` writes one.

        Example:
            >>> run.log_metrics({"loss": 0.1, "accuracy": 0.9}, step=2)
            >>> run.data.metrics["accuracy"]
            0.9
        """
        time = self._location.clock() if timestamp is None else timestamp
        self._buffer_ops(metric_ops(metrics, step, time))

    def set_tag(self, key: str, value: Any) -> None:
        """Set a tag to `str(value)`. Cost: none now, as for parameters.

        Example:
            >>> run.set_tag("team", "a")
            >>> run.data.tags["team"]
            'a'
        """
        self.set_tags({key: value})

    def delete_tag(self, key: str) -> None:
        """Remove a tag, if the run has it. Cost: none now, as for parameters.

        Example:
            >>> run.set_tag("team", "a")
            >>> run.delete_tag("team")
            >>> "team" in run.data.tags
            False
        """
        self.set_tags({key: None})

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags, each to `str(value)`; None removes one. Cost: none now, as for parameters.

        Example:
            >>> run.set_tags({"team": "a", "stage": None})
            >>> run.data.tags["team"]
            'a'
        """
        self._buffer_ops(tag_ops(tags))

    def log_batch(
        self,
        metrics: Sequence[tuple[str, Any, Any, Any]] = (),
        params: Sequence[tuple[str, Any]] = (),
        tags: Sequence[tuple[str, Any]] = (),
    ) -> None:
        """Log measurements, each a key, a number, a step and a time, parameters and tags: all of them or none.

        Raises: as `log_metrics` and `log_params`. Cost: one PUT.

        Example:
            >>> run.log_batch(metrics=[("loss", 0.1, 2, None)], params=[("trees", 100)], tags=[("team", "a")])
            >>> run.data.metrics, run.data.tags["team"]
            ({'loss': 0.1}, 'a')
        """
        self._buffer_batch(metrics, params, tags)
        self.flush()

    def _buffer_batch(
        self,
        metrics: Sequence[tuple[str, Any, Any, Any]],
        params: Sequence[tuple[str, Any]],
        tags: Sequence[tuple[str, Any]],
    ) -> None:
        """Buffer what `log_batch` is given, all of it or none. Cost: none now, as for parameters."""
        now = self._location.clock()
        ops = [param_op(key, value) for key, value in params]
        ops += [tag_op(key, value) for key, value in tags]
        for key, value, step, time in metrics:
            ops += metric_ops({key: value}, step, now if time is None else time)
        self._buffer_ops(ops)

    def delete_artifact(self, path: str, *, trim: bool = False) -> None:
        """Take a file, or a directory with all below it, out of a versioned run; what was there are earlier versions.

        Args:
            path: The file or directory.
            trim: Whether these, and those before them, end with it: then nothing of the path can be read any more, and
                its space is free after the next garbage collection.

        Raises:
            RunNotVersionedError: The run was not started with `paths="versioned"`.
            ArtifactNotFoundError: The run holds nothing there.
            RegisteredPathError: A registered version is there, above it or below it.

        Cost: one PUT.

        Example:
            >>> run = store.runs.start(paths="versioned")
            >>> entry = run.log_text("all is well", "report.txt")
            >>> run.delete_artifact("report.txt")
            >>> run.manifest, [found.size for found in run.versions("report.txt")]
            ({}, [11])
        """
        path = check_path(path)
        try:
            self._give_up(lambda view: _removed(view, path, trim=trim))
        except ArtifactNotFoundError:  # what stands for content elsewhere, perhaps
            from holdall.runs.elsewhere import pointer_of

            self._give_up(lambda view: _removed(view, pointer_of(self.id, view, path), trim=trim))

    def trim(self, path: str = "", *, keep_last: int) -> None:
        """End the earlier versions of a path, and of all below it, but for the newest of each.

        Args:
            path: A path of the run; all of it when empty.
            keep_last: How many versions of each file stay, what its path holds now counted; with 0 that stays, but
                nothing of a path that was taken out. The others cannot be read any more, and their space is free
                after the next garbage collection.

        Raises:
            RunNotVersionedError: The run was not started with `paths="versioned"`.
            InvalidArgumentError: `keep_last` is no integer from 0 on.

        Cost: the nodes that list the run's earlier versions, and one PUT if there is anything to end.

        Example:
            >>> run = store.runs.start(paths="versioned")
            >>> for epoch in range(4):
            ...     entry = run.log_text(f"epoch {epoch}", "last.txt", on_conflict="replace")
            >>> run.trim(keep_last=2)
            >>> [run.load_text("last.txt", version=found.version) for found in run.versions("last.txt")]
            ['epoch 3', 'epoch 2']
        """
        at, most = check_path(path) if path else "", checked_count(keep_last, least=0)
        while self._give_up(lambda view: trims_below(view, at, most)[:MOST_TRIMS]):
            pass  # until nothing is left, as an entry has room for so many

    def _give_up(self, ops_for: Callable[[View], list[Json]]) -> bool:
        """Append what a versioned run gives up, and return whether there was anything; the log is looked at if not."""
        session = self._writing()

        def draft() -> Draft | None:
            with suppress(ArtifactNotFoundError):
                if ops := ops_for(session.view):
                    return Draft(ops)
            session.follow()
            ops = ops_for(session.view)
            return Draft(ops) if ops else None

        return session.append(draft) is not None

    def _log_items(
        self,
        items: Sequence[Item],
        *,
        extra_ops: ExtraOps | None = None,
        inline_last: bool = False,
        on_conflict: OnConflict = "error",
        keep_last: int | None = None,
        once: bool = False,
    ) -> Published:
        """Log several items as one commit. Args: as `Transaction`, and `log_artifact`.

        `once`: that this process is not likely to log to the run again soon, as a server of many. What is small is one
        entry in any case, without a session; of what is large the entry that commits then closes its session, too.
        """
        replace, session = replacing(on_conflict, keep_last), self._writing()
        closing = once and not session.opened and keep_last is None  # what ends old versions may need more entries
        transaction = Transaction(session, extra_ops, inline_last=inline_last, replacing=replace, closing=closing)
        transaction.stage(items)
        return transaction.publish()

    # --- inside ---

    def _buffer_ops(self, ops: Sequence[Json]) -> None:
        """Buffer small operations for the next entry, of a new session if this one was closed a moment ago."""
        try:
            self._writing().buffer_ops(*ops)
        except RunEndedError:
            self._writing().buffer_ops(*ops)


def _removed(view: View, path: str, *, trim: bool) -> list[Json]:
    return [*removal(view, path), *([trim_op(path, view.next + 1)] if trim else ())]


def _one_path(given: str | os.PathLike[str], remedy: str) -> Path:
    """Return a path; or raise a TypeError that says what to do with what was given instead."""
    if not isinstance(given, str | os.PathLike):
        raise TypeError(f"one path is needed, not {type(given).__name__}: {remedy}")
    return Path(given)
