"""How the tensors of two models differ, as users are told it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from holdall.display import card, grid
from holdall.sizes import format_size
from holdall.tensors.measuring import ValueDifference
from holdall.tensors.stored import TensorInfo
from holdall.terminal import printable

CHANGES: Final = ("changed", "unread", "added", "removed", "renamed", "same")
_SIGNS: Final = {"changed": "~", "unread": "?", "added": "+", "removed": "-", "renamed": ">", "same": "="}


@dataclass(frozen=True, slots=True)
class TensorChange:
    """What became of a tensor.

    Attributes:
        name: In b; in a where it was removed.
        change: "changed" (its numbers, its dtype or its shape), "added", "removed", "renamed" (the same bytes under
            another name), "same", or "unread" (it may have changed: its numbers were not read, `note` says why).
        a, b: The tensor there; None where there is none.
        shared_bytes: Bytes of it that both have in common chunks, which were not read to know it.
        values: By how much the numbers differ; None where they were not compared.
        note: What else is to be said, such as that bytes were compared; "" mostly.
    """

    name: str
    change: str
    a: TensorInfo | None = None
    b: TensorInfo | None = None
    shared_bytes: int = 0
    values: ValueDifference | None = None
    note: str = ""

    @property
    def dtype(self) -> str:
        """Return the dtype, or both: "float32 -> bfloat16"."""
        return _became(*(str(one.dtype) if one else "" for one in (self.a, self.b)))

    @property
    def shape(self) -> str:
        """Return the shape as text, or both."""
        return _became(*(_dimensions(one.shape) if one else "" for one in (self.a, self.b)))

    def to_dictionary(self) -> dict[str, Any]:
        """Return it as plain values, as JSON takes them; an infinite number is None.

        Example:
            >>> from holdall.store import TensorChange
            >>> TensorChange("w", "added").to_dictionary()["change"]
            'added'
        """
        found = asdict(self)
        if self.values:
            found["values"] = {
                key: None if isinstance(one, float) and not math.isfinite(one) else one
                for key, one in asdict(self.values).items()
            }
        return found

    def _shown(self) -> dict[str, Any]:
        numbers = self.values or ValueDifference(0, 0)
        return {
            "name": self.name,
            "change": self.change,
            "dtype": self.dtype,
            "shape": self.shape,
            "changed": numbers.changed or None,
            "max": numbers.max,
            "mean": numbers.mean,
            "norm": numbers.norm,
            "relative": numbers.relative,
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class TensorDifference:
    """How the tensors of b differ from those of a; iterating gives a `TensorChange` for each, the most changed first.

    Attributes:
        a, b: The addresses that were compared.
        changes: All tensors: first those that changed, by the relative norm of the change.
        shared_bytes: Bytes of chunks that the files of both have.
        read_bytes: Bytes of the files that were read to tell: headers, and numbers that chunks left open.
        unreadable: Why a file was left out, by side ("a" or "b") and path.
    """

    a: str
    b: str
    changes: Sequence[TensorChange]
    shared_bytes: int = 0
    read_bytes: int = field(default=0, compare=False)
    unreadable: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[TensorChange]:
        return iter(self.changes)

    def __len__(self) -> int:
        return len(self.changes)

    def __bool__(self) -> bool:
        return any(change.change != "same" for change in self.changes)

    @property
    def counts(self) -> dict[str, int]:
        """Return how many tensors changed, were added and so on."""
        found = Counter(change.change for change in self.changes)
        return {change: found[change] for change in CHANGES}

    def to_dictionary(self) -> dict[str, Any]:
        """Return it as plain values, as JSON takes them.

        Example:
            >>> same = store.artifacts.diff_tensors(f"runs:/{run.id}", f"runs:/{run.id}")
            >>> same.to_dictionary()["counts"]["changed"]
            0
        """
        return {
            "a": self.a,
            "b": self.b,
            "counts": self.counts,
            "shared_bytes": self.shared_bytes,
            "read_bytes": self.read_bytes,
            "unreadable": {side: dict(files) for side, files in self.unreadable.items()},
            "changes": [change.to_dictionary() for change in self.changes],
        }

    def __str__(self) -> str:
        """Return a line for each tensor that differs, and their numbers."""
        lines = [f"--- {printable(self.a)}", f"+++ {printable(self.b)}"]
        lines += [_line(change) for change in self.changes if change.change != "same"]
        for side, files in self.unreadable.items():
            lines += [f"! {side}: {printable(path)}: {printable(reason)}" for path, reason in files.items()]
        told = ", ".join(f"{count} {change}" for change, count in self.counts.items() if count or change == "changed")
        sizes = f"{format_size(self.shared_bytes)} shared, {format_size(self.read_bytes)} read"
        return "\n".join([*lines, f"{told}; {sizes}"])

    def _repr_html_(self) -> str:
        differing = [change._shown() for change in self.changes if change.change != "same"]
        facts = {"a": self.a, "b": self.b, **self.counts, "shared": format_size(self.shared_bytes)}
        return card("TensorDifference", facts) + grid(differing)


def most_changed_first(changes: Sequence[TensorChange]) -> list[TensorChange]:
    """Return changes in the order in which they are shown."""
    return sorted(changes, key=_rank)


def _rank(change: TensorChange) -> tuple[Any, ...]:
    found = change.values
    relative = found.relative if found and found.relative is not None else -1.0
    return CHANGES.index(change.change), found is not None, -relative, -(found.changed if found else 0)


def _line(change: TensorChange) -> str:
    parts = [f"{_SIGNS[change.change]} {printable(change.name) or '(array)'}", change.dtype, change.shape]
    if change.change == "renamed" and change.a:
        parts.append(f"was {printable(change.a.name)}")
    if (found := change.values) and change.change != "same":
        parts.append(f"{found.changed} of {found.count} changed")
        if found.max is not None and found.mean is not None and found.norm is not None:
            parts.append(f"max {found.max:.3g}, mean {found.mean:.3g}, norm {found.norm:.3g}")
            parts += [f"relative {found.relative:.3g}"] if found.relative is not None else []
        if found.nonfinite_a or found.nonfinite_b:
            parts.append(f"not finite {found.nonfinite_a} -> {found.nonfinite_b}")
    return "  ".join([*parts, *([printable(change.note)] if change.note else [])])


def _became(before: str, now: str) -> str:
    return before or now if not before or not now or before == now else f"{before} -> {now}"


def _dimensions(shape: Sequence[int]) -> str:
    return f"[{', '.join(map(str, shape))}]"
