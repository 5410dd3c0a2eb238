"""One run, with all its verbs: those that make files of objects beside those that log files."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from holdall.errors import InvalidArgumentError
from holdall.format.tree import Entry
from holdall.runs import rendering, tables
from holdall.runs.arguments import named_values
from holdall.runs.groups import RunGroups
from holdall.runs.inputs import CONTEXT, Dataset, DatasetInput, InputTag, as_dataset, input_tag, shortened, times_of
from holdall.runs.links import model_input_tag, model_output_tag
from holdall.runs.loading import RunLoader
from holdall.runs.metrics import MAX_TAG
from holdall.runs.reads import places_in
from holdall.runs.signer import RunSigner
from holdall.runs.snapshot import RunSnapshot
from holdall.runs.using import RunUser
from holdall.runs.values import LoggedModelInput, LoggedModelOutput
from holdall.runs.versions import OnConflict
from holdall.trees.location import Location
from holdall.trees.source import bytes_item, stream_item

if TYPE_CHECKING:
    import pandas as pd

IMAGES, TABLES = "mlflow.loggedImages", "mlflow.loggedArtifacts"


class Run(RunUser, RunGroups, RunSigner, RunLoader):
    """A run of a store: `holdall.start_run()` and `store.runs.start()` begin one, and `with` ends it.

    Attributes:
        id: 32 hex digits.
    """

    def __init__(self, location: Location, id: str) -> None:
        super().__init__(location, id)
        self._inputs: dict[str, int] = {}  # when each was told of: their order, which a clock of milliseconds has not

    def log_text(
        self, text: str, artifact_file: str, *, on_conflict: OnConflict = "error", keep_last: int | None = None
    ) -> Entry:
        """Log text as a UTF-8 file. `on_conflict`, `keep_last`, raises and cost: as `log_artifact`.

        Example:
            >>> run.log_text("all is fine", "second.txt").size
            11
        """
        return self.log_bytes(rendering.text_bytes(text), artifact_file, on_conflict=on_conflict, keep_last=keep_last)

    def log_dict(
        self, dictionary: Any, artifact_file: str, *, on_conflict: OnConflict = "error", keep_last: int | None = None
    ) -> Entry:
        """Log a dict or list: as YAML where the name ends in .yml or .yaml, else as JSON.

        `on_conflict`, `keep_last`: as for `log_artifact`.

        Example:
            >>> run.log_dict({"rate": 0.1}, "config.yaml").path
            'config.yaml'
        """
        return self.log_bytes(
            rendering.dict_bytes(dictionary, artifact_file), artifact_file, on_conflict=on_conflict, keep_last=keep_last
        )

    def log_stream(
        self, stream: BinaryIO, artifact_file: str, *, on_conflict: OnConflict = "error", keep_last: int | None = None
    ) -> Entry:
        """Log what a binary stream still gives, without holding it. It is read once.

        `on_conflict`, `keep_last`: as for `log_artifact`.

        Example:
            >>> import io
            >>> run.log_stream(io.BytesIO(b"all is fine"), "second.txt").size
            11
        """
        return self._log_items(
            [stream_item(stream, artifact_file)], on_conflict=on_conflict, keep_last=keep_last
        ).entries[0]

    def log_figure(
        self,
        figure: Any,
        artifact_file: str,
        *,
        save_kwargs: dict[str, Any] | None = None,
        on_conflict: OnConflict = "error",
        keep_last: int | None = None,
    ) -> Entry:
        """Log a matplotlib or plotly figure in the format that the name's ending says.

        `on_conflict`, `keep_last`: as for `log_artifact`.

        Raises:
            TypeError: It is neither, or the format is none of theirs.

        Example:
            >>> from matplotlib.figure import Figure
            >>> figure = Figure()
            >>> line = figure.subplots().plot([0.9, 0.4, 0.2])
            >>> run.log_figure(figure, "loss.svg").path
            'loss.svg'
        """
        data = rendering.figure_bytes(figure, artifact_file, save_kwargs)
        return self.log_bytes(data, artifact_file, on_conflict=on_conflict, keep_last=keep_last)

    def log_image(
        self,
        image: Any,
        artifact_file: str | None = None,
        *,
        key: str | None = None,
        step: int | None = None,
        timestamp: int | None = None,
        on_conflict: OnConflict = "error",
        keep_last: int | None = None,
    ) -> Entry:
        """Log an image: under a name, or as one of a series under a key.

        Args:
            image: numpy array (H x W, or H x W x 1, 3 or 4; bool, integers 0-255 or floats 0-1) or PIL image.
            artifact_file: Its name; or else
            key: the name of its series, and
            step: where in the training it belongs.
            timestamp: Milliseconds since 1970 UTC; now when None.
            on_conflict, keep_last: As for `log_artifact`; an image of a series never replaces another.

        Raises:
            ValueError: Not exactly one of `artifact_file` and `key`, or values out of range.
            TypeError: It is no image.

        Example:
            >>> import numpy
            >>> run.log_image(numpy.zeros((4, 6), dtype="uint8"), "black.png").path
            'black.png'
        """
        if (artifact_file is None) == (key is None):
            raise InvalidArgumentError("give either artifact_file, or key and perhaps step")
        if artifact_file is not None:
            return self.log_bytes(
                rendering.image_bytes(image, artifact_file), artifact_file, on_conflict=on_conflict, keep_last=keep_last
            )
        time = self._location.clock() if timestamp is None else timestamp
        token = str(uuid.UUID(bytes=self._location.entropy(16), version=4))
        path = rendering.image_path(str(key), step or 0, time, token)
        small = rendering.compressed_path(path)
        whole = bytes_item(path, rendering.image_bytes(image, path))
        self.set_tags({IMAGES: True})
        return self._log_items([whole, bytes_item(small, rendering.compressed_bytes(image))]).entries[0]

    def log_table(self, data: dict[Any, Any] | pd.DataFrame, artifact_file: str) -> Entry:
        """Append rows to a table, which is a directory of immutable parts in the order of logging.

        Args:
            data: Columns by name, of cells or of one cell each; or a DataFrame.
            artifact_file: The table's name, which ends in .json or .parquet.

        Example:
            >>> for score in (1, 2):
            ...     entry = run.log_table({"score": [score]}, "eval.json")
            >>> run.load_table("eval.json")["score"].tolist()
            [1, 2]
        """
        part = tables.log_table(self, data, artifact_file, entropy=self._location.entropy)
        if text := tables.told(self._seen.data.tags.get(TABLES, "[]"), artifact_file, MAX_TAG):
            self.set_tags({TABLES: text})
        return part

    def log_input(self, dataset: Any, *, context: str | None = None, tags: Mapping[str, Any] | None = None) -> Dataset:
        """Say what the run was given: a data set's name, digest, source and schema, as a fact.

        Args:
            dataset: One of `holdall.data`, one of MLflow's, or a mapping of these words.
            context: What it was for, such as "training".
            tags: What else to say about it.

        Returns:
            The fact, in which what was too long points at the file of the run that has it.

        Raises:
            TypeError: It is no data set.
            InvalidNameError: A word that cannot be kept.

        Where the source is an address in the store, the run reads what is there: see `reads`.

        Cost: none now; it rides on the next entry. What is too long for that: as `log_artifacts`.

        Example:
            >>> import numpy
            >>> dataset = holdall.data.from_numpy(numpy.eye(3), source="s3://data/eye.npy", name="eye")
            >>> run.log_input(dataset, context="training").name
            'eye'
        """
        fact, files = shortened(as_dataset(dataset))
        said = {**({CONTEXT: context} if context is not None else {}), **named_values("tags", tags)}
        words = [InputTag(str(key), str(value)) for key, value in said.items()]
        if files:
            self._log_items([bytes_item(path, text.encode()) for path, text in files.items()])
        self._writing()  # so that what the run was given before is known
        self.set_tags(input_tag(DatasetInput(fact, words), lambda key: self._told_at(key)))
        for run_id, path in places_in(fact.source):
            self._note_read(run_id, path)
        return fact

    def log_models_used(self, models: Sequence[LoggedModelInput]) -> None:
        """Say which logged models the run uses, by their ids. Raises: InvalidURIError. Cost: as `set_tags`.

        Example:
            >>> from holdall.entities import LoggedModelInput
            >>> run.log_models_used([LoggedModelInput(logged.model_id)])
            >>> run.record.inputs.model_inputs[0].model_id == logged.model_id
            True
        """
        for model in models:
            self.set_tags(model_input_tag(model, self._location.clock()))

    def log_models_made(self, models: Sequence[LoggedModelOutput]) -> None:
        """Say which logged models the run made besides those that it logged. Raises, cost: as `log_models_used`.

        Example:
            >>> from holdall.entities import LoggedModelOutput
            >>> pruning = store.runs.start()
            >>> pruning.log_models_made([LoggedModelOutput(logged.model_id, step=3)])
            >>> pruning.record.outputs.model_outputs[0].step
            3
        """
        for model in models:
            if not model.model_id.startswith(f"m-{self.id}-"):  # what the run logged itself is its own without a word
                self.set_tags(model_output_tag(model, self._location.clock()))

    def snapshot(self) -> RunSnapshot:
        """Return the run as it is now, to be read: what others log later it does not show.

        Raises:
            RunNotFoundError: It was purged.
            VersionChangedError: It was found by a registered version, and holds something else than that.

        Cost: as `record`, and a PUT where measurements wait for one. Reading by it looks at the log no more, and at
            each part of the run's tree once.

        Example:
            >>> before = run.snapshot()
            >>> entry = run.log_text("all is fine", "second.txt")
            >>> list(before.manifest), before.load_text("report.txt")
            (['model/weights.bin', 'report.txt'], 'all is well\\n')
        """
        self.flush()
        return RunSnapshot._taken(self._location, self.id, self._promise, self._glance[0] if self._glance else None)

    def _repr_html_(self) -> str:
        """Return the run as the pages show it, without scripts; what is known of it where the store does not answer.

        Cost: reading the end of its log; at most 64 requests for its measurements, and 8 trees of its files.
        """
        from holdall.runs.notebook import run_page, shown_within

        known, name = self._known, type(self).__name__
        return shown_within(self._location, lambda place: run_page(place, name, self.id, known), super()._repr_html_())

    def _handle(self) -> Self:
        other = super()._handle()
        other._inputs, other._read_logs = self._inputs, self._read_logs
        return other

    def _told_at(self, key: str) -> int:
        """When an input was told of first; after all that this process told of before, if that is now."""
        for told, time in times_of(self._seen.data.tags).items():
            self._inputs.setdefault(told, time)
        latest = max(self._inputs.values(), default=0)
        self._inputs.setdefault(key, max(self._location.clock(), latest + 1))
        return self._inputs[key]
