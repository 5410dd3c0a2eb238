"""What names become in keys: of a plain store digests that anyone can compute, of an encrypted one keyed ones.

A digest of a name tells the name to whoever guesses it. SPEC.md, "Objects and keys" and "Encryption".
"""

from __future__ import annotations

from typing import Final, Protocol

from holdall.format import layout
from holdall.format.sealing import derived, keyed


class Names(Protocol):
    """Makes ids and logs of names."""

    def experiment_id(self, name: str) -> str:
        """Return the id of the experiment of a name, 16 hex digits."""
        ...

    def name_log(self, name: str) -> str:
        """Return the log that says which registered model holds a name."""
        ...

    def keyed_run_id(self, experiment: str, key: str) -> str:
        """Return the id of the run that a key names in an experiment."""
        ...


class PlainNames:
    """The names of a store that is not encrypted."""

    experiment_id = staticmethod(layout.experiment_id)
    name_log = staticmethod(layout.name_log)
    keyed_run_id = staticmethod(layout.keyed_run_id)


class KeyedNames:
    """The names of an encrypted store, by its first root: they stay when a later root takes over."""

    def __init__(self, root: bytes) -> None:
        self._key = derived(root, "names")

    def experiment_id(self, name: str) -> str:
        """Return the id of the experiment of a name, 16 hex digits."""
        return self._of("experiment", name)[:16]

    def name_log(self, name: str) -> str:
        """Return the log that says which registered model holds a name."""
        return f"{layout.NAMES}~{self._of('model', name)}"

    def keyed_run_id(self, experiment: str, key: str) -> str:
        """Return the id of the run that a key names in an experiment."""
        return experiment[:8] + self._of("run", key)[:24]

    def _of(self, sort: str, name: str) -> str:
        return keyed(self._key, f"{sort} ".encode(), name.encode()).hex()


PLAIN_NAMES: Final = PlainNames()
