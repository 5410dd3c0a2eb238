"""Data sets that have their data at hand, as MLflow's have: what is logged of them are the facts alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from holdall.runs.inputs import Dataset


class _KeptDataset(Dataset):
    """A description beside the data in memory. It equals any other description of the same facts."""

    __slots__ = ("_kept",)
    _kept: Mapping[str, Any]

    def __init__(self, described: Dataset, **kept: Any) -> None:
        super().__init__(**described.to_dict())  # type: ignore[arg-type]  # the five words, each of its type
        object.__setattr__(self, "_kept", kept)

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return iter(sorted(self.to_dict().items()))

    def __eq__(self, other: object) -> bool:
        return self.to_dict() == other.to_dict() if isinstance(other, Dataset) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self.to_dict().values()))

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), Dataset(**self.to_dict()), self._kept)  # type: ignore[arg-type]


class PandasDataset(_KeptDataset):
    """A table that is described, and at hand."""

    __slots__ = ()

    @property
    def df(self) -> Any:
        """Return the DataFrame that was described."""
        return self._kept["df"]

    @property
    def targets(self) -> str | None:
        """Return the name of the column that is to be predicted, or None."""
        found: str | None = self._kept["targets"]
        return found

    @property
    def predictions(self) -> str | None:
        """Return the name of the column with a model's predictions, or None."""
        found: str | None = self._kept["predictions"]
        return found


class NumpyDataset(_KeptDataset):
    """Arrays that are described, and at hand."""

    __slots__ = ()

    @property
    def features(self) -> Any:
        """Return the array, or the arrays by name, that were described."""
        return self._kept["features"]

    @property
    def targets(self) -> Any:
        """Return the values that are to be predicted, or None."""
        return self._kept["targets"]


def _again(kind: type[_KeptDataset], described: Dataset, kept: Mapping[str, Any]) -> _KeptDataset:
    """Return a data set from its pickle."""
    return kind(described, **kept)
