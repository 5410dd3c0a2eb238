"""The part of the client that is about artifacts, tables and images of runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

from holdall.store import FileInfo, FileVersion, Links, LogFuture, OnConflict, Store

if TYPE_CHECKING:
    import pandas as pd


class ArtifactClient:
    """Verbs on what runs hold. Where nothing else is said one raises as the verb of the same name in `holdall`."""

    store: Store

    def log_artifact(
        self,
        run_id: str,
        local_path: str | os.PathLike[str],
        artifact_path: str | None = None,
        *,
        on_conflict: OnConflict = "error",
        keep_last: int | None = None,
        links: Links = "keep",
    ) -> None:
        """Log a local file, or a folder under its own name. Raises: as `holdall.log_artifact`.

        Example:
            >>> with open("config.yaml", "w") as file:
            ...     size = file.write("rate: 0.1")
            >>> client.log_artifact(run.id, "config.yaml", "settings")
            >>> [found.path for found in client.list_artifacts(run.id, "settings")]
            ['settings/config.yaml']
        """
        self.store.runs.get(run_id).log_artifact(
            local_path, artifact_path, on_conflict=on_conflict, keep_last=keep_last, links=links
        )

    def log_artifacts(
        self,
        run_id: str,
        local_dir: str | os.PathLike[str],
        artifact_path: str | None = None,
        *,
        on_conflict: OnConflict = "error",
        keep_last: int | None = None,
        links: Links = "keep",
    ) -> None:
        """Log what a local folder holds, as one commit. Raises: as `holdall.log_artifact`.

        Example:
            >>> import os
            >>> os.mkdir("plots")
            >>> with open("plots/loss.svg", "w") as file:
            ...     size = file.write("<svg/>")
            >>> client.log_artifacts(run.id, "plots", "report")
            >>> [found.path for found in client.list_artifacts(run.id, "report")]
            ['report/loss.svg']
        """
        self.store.runs.get(run_id).log_artifacts(
            local_dir, artifact_path, on_conflict=on_conflict, keep_last=keep_last, links=links
        )

    def log_text(
        self,
        run_id: str,
        text: str,
        artifact_file: str,
        *,
        on_conflict: OnConflict = "error",
        keep_last: int | None = None,
    ) -> None:
        """Log text as a UTF-8 file.

        Example:
            >>> client.log_text(run.id, "all is fine", "second.txt")
            >>> run.load_text("second.txt")
            'all is fine'
        """
        self.store.runs.get(run_id).log_text(text, artifact_file, on_conflict=on_conflict, keep_last=keep_last)

    def log_dict(
        self,
        run_id: str,
        dictionary: Any,
        artifact_file: str,
        *,
        on_conflict: OnConflict = "error",
        keep_last: int | None = None,
    ) -> None:
        """Log a dict or list: as YAML where the name ends in .yml or .yaml, else as JSON.

        Example:
            >>> client.log_dict(run.id, {"rate": 0.1}, "config.yaml")
            >>> run.load_dict("config.yaml")
            {'rate': 0.1}
        """
        self.store.runs.get(run_id).log_dict(dictionary, artifact_file, on_conflict=on_conflict, keep_last=keep_last)

    def log_stream(
        self,
        run_id: str,
        stream: BinaryIO,
        artifact_file: str,
        *,
        on_conflict: OnConflict = "error",
        keep_last: int | None = None,
    ) -> None:
        """Log what a binary stream still gives, without holding it. It is read once.

        Example:
            >>> import io
            >>> client.log_stream(run.id, io.BytesIO(b"all is fine"), "second.txt")
            >>> run.read("second.txt")
            b'all is fine'
        """
        self.store.runs.get(run_id).log_stream(stream, artifact_file, on_conflict=on_conflict, keep_last=keep_last)

    def log_figure(
        self,
        run_id: str,
        figure: Any,
        artifact_file: str,
        *,
        save_kwargs: dict[str, Any] | None = None,
        on_conflict: OnConflict = "error",
        keep_last: int | None = None,
    ) -> None:
        """Log a matplotlib or plotly figure. Raises: as `holdall.log_figure`.

        Example:
            >>> from matplotlib.figure import Figure
            >>> figure = Figure()
            >>> line = figure.subplots().plot([0.9, 0.4, 0.2])
            >>> client.log_figure(run.id, figure, "loss.png")
        """
        run = self.store.runs.get(run_id)
        run.log_figure(figure, artifact_file, save_kwargs=save_kwargs, on_conflict=on_conflict, keep_last=keep_last)

    def log_image(
        self,
        run_id: str,
        image: Any,
        artifact_file: str | None = None,
        key: str | None = None,
        step: int | None = None,
        timestamp: int | None = None,
        synchronous: bool | None = None,
        *,
        on_conflict: OnConflict = "error",
        keep_last: int | None = None,
    ) -> LogFuture | None:
        """Log an image: under a name, or as one of a series under a key. Args: as `holdall.log_image`.

        Example:
            >>> import numpy
            >>> client.log_image(run.id, numpy.zeros((4, 6), dtype="uint8"), "black.png")
            >>> run.load_image("black.png").size
            (6, 4)
        """
        run = self.store.runs.get(run_id)
        log = partial(
            run.log_image, key=key, step=step, timestamp=timestamp, on_conflict=on_conflict, keep_last=keep_last
        )
        if synchronous is False:
            return run.later(log, image, artifact_file)
        log(image, artifact_file)
        return None

    def log_table(self, run_id: str, data: dict[Any, Any] | pd.DataFrame, artifact_file: str) -> None:
        """Append rows to a table. Args: as `holdall.log_table`.

        Example:
            >>> client.log_table(run.id, {"score": [1, 2]}, "eval.json")
            >>> run.load_table("eval.json")["score"].tolist()
            [1, 2]
        """
        self.store.runs.get(run_id).log_table(data, artifact_file)

    def load_table(
        self,
        experiment_id: str,
        artifact_file: str,
        run_ids: Sequence[str] | None = None,
        extra_columns: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """The rows of a table of several runs; of all of the experiment that logged such a table when None.

        Example:
            >>> client.log_table(run.id, {"score": [1, 2]}, "eval.json")
            >>> client.load_table(run.info.experiment_id, "eval.json")["score"].tolist()
            [1, 2]
        """
        return self.store.runs.load_table(artifact_file, run_ids, extra_columns, [experiment_id])

    def delete_artifact(self, run_id: str, path: str) -> None:
        """Take a file or directory out of a versioned run. Raises, cost: as `Run.delete_artifact`.

        Example:
            >>> created = client.create_run(client.create_experiment("vision"), paths="versioned")
            >>> client.log_text(created.info.run_id, "all is well", "report.txt")
            >>> client.delete_artifact(created.info.run_id, "report.txt")
            >>> client.list_artifacts(created.info.run_id)
            []
        """
        self.store.runs.get(run_id).delete_artifact(path)

    def artifact_versions(self, run_id: str, path: str) -> list[FileVersion]:
        """Return what a path of a run holds and held, the newest first. Raises, cost: as `Run.versions`.

        Example:
            >>> created = client.create_run(client.create_experiment("vision"), paths="versioned")
            >>> for epoch in range(2):
            ...     client.log_text(created.info.run_id, f"epoch {epoch}", "last.txt", on_conflict="replace")
            >>> [found.current for found in client.artifact_versions(created.info.run_id, "last.txt")]
            [True, False]
        """
        return self.store.runs.get(run_id).versions(path)

    def trim_artifacts(self, run_id: str, path: str = "", *, keep_last: int) -> None:
        """End the earlier versions of a path of a versioned run, but for the newest. Raises, cost: as `Run.trim`.

        Example:
            >>> created = client.create_run(client.create_experiment("vision"), paths="versioned")
            >>> for epoch in range(3):
            ...     client.log_text(created.info.run_id, f"epoch {epoch}", "last.txt", on_conflict="replace")
            >>> client.trim_artifacts(created.info.run_id, keep_last=1)
            >>> len(client.artifact_versions(created.info.run_id, "last.txt"))
            1
        """
        self.store.runs.get(run_id).trim(path, keep_last=keep_last)

    def list_artifacts(self, run_id: str, path: str | None = None) -> list[FileInfo]:
        """Return what is directly in a directory of a run, sorted.

        Example:
            >>> [found.path for found in client.list_artifacts(run.id)]
            ['model', 'report.txt']
        """
        return self.store.artifacts.list(f"runs:/{run_id}/{path or ''}")

    def download_artifacts(
        self, run_id: str, path: str, dst_path: str | os.PathLike[str] | None = None, *, version: int | None = None
    ) -> str:
        """Fetch a file or directory of a run, or an earlier version of a file; where it now is.

        Example:
            >>> client.download_artifacts(run.id, "report.txt", "fetched")
            '.../fetched/report.txt'
        """
        found = self.store.artifacts.download(f"runs:/{run_id}/{path}", dst_path, version=version)
        return str(found.absolute())
