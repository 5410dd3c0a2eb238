"""A run's files as objects: tables, dictionaries, texts and images, and what differs between two runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdall.display import Listing
from holdall.runs import differences, rendering, tables
from holdall.runs.reading import RunReader

if TYPE_CHECKING:
    import pandas as pd

    from holdall.runs.elsewhere import Reference


class RunLoader(RunReader):
    """A run of a store, to be read: its files as bytes and as objects."""

    def load_table(self, artifact_file: str, extra_columns: dict[str, object] | None = None) -> pd.DataFrame:
        """All rows of a table, in the order of logging, with columns of the same value in each row if wanted.

        Raises:
            ArtifactNotFoundError: There is no such table.

        Example:
            >>> entry = run.log_table({"score": [1, 2]}, "eval.json")
            >>> run.load_table("eval.json", {"run": "first"})["run"].tolist()
            ['first', 'first']
        """
        return tables.load_table(self, artifact_file, extra_columns)

    def load_dict(self, artifact_file: str, *, version: int | None = None) -> Any:
        """What a JSON or YAML file says; of an earlier version where one is named.

        Raises:
            ContentError: It says nothing, being damaged or something else.

        Example:
            >>> entry = run.log_dict({"rate": 0.1}, "config.json")
            >>> run.load_dict("config.json")
            {'rate': 0.1}
        """
        return rendering.parse_dict(self.read(artifact_file, version=version), artifact_file)

    def load_text(self, artifact_file: str, *, version: int | None = None) -> str:
        """Decode the text of a UTF-8 file; of an earlier version where one is named.

        Raises:
            ContentError: It is not UTF-8.

        Example:
            >>> run.load_text("report.txt")
            'all is well\\n'
        """
        return rendering.parse_text(self.read(artifact_file, version=version), artifact_file)

    def load_image(self, artifact_file: str, *, version: int | None = None) -> Any:
        """The PIL image of a file; of an earlier version where one is named.

        Raises:
            ContentError: It is no image.

        Example:
            >>> import numpy
            >>> entry = run.log_image(numpy.zeros((4, 6), dtype="uint8"), "black.png")
            >>> run.load_image("black.png").size
            (6, 4)
        """
        return rendering.parse_image(self.read(artifact_file, version=version), artifact_file)

    def diff(self, path: str | None, other: RunReader, other_path: str | None) -> differences.Difference:
        """What differs between what this run and another one hold, below a path of each. Nothing is read.

        Example:
            >>> other = store.runs.start()
            >>> entry = other.log_text("all is lost", "report.txt")
            >>> [change.path for change in run.diff(None, other, None).changed]
            ['report.txt']
        """
        return differences.diff(self, path, other, other_path)

    def references(self, path: str | None = None) -> Listing[Reference]:
        """Return what the run refers to elsewhere, at or below a path. Cost: as `entries`, and reading what says so.

        Example:
            >>> run.references()
            []
        """
        return Listing(found.reference for found in self._references().below(path or ""))

    def openlineage(self, *, job: str | None = None, namespace: str | None = None) -> list[dict[str, Any]]:
        """Return the run's events as OpenLineage has them: START, and if it has ended COMPLETE, FAIL or ABORT.

        Args:
            job: What the job is called; the experiment's id when None.
            namespace: Of the job and of what the store holds; the store's address when None.

        Cost: as `entries`.

        Example:
            >>> [event["eventType"] for event in run.openlineage(job="nightly")]
            ['START']
        """
        from holdall.runs.openlineage import events

        record, place = self.record, namespace or self._location.bucket.url
        name = job or record.info.experiment_id
        return events(record, self.entries(), self.references(), namespace=place, job=name)
