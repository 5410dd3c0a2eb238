"""Which runs are signed, by whom, and whether what was signed is still what is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from holdall.display import Listing
from holdall.errors import DamageError, RunNotFoundError
from holdall.format.signature import is_signature_tag
from holdall.runs.index import summaries
from holdall.runs.run import Run
from holdall.runs.signatures import VALID, Held, SignatureInfo, infos_of, unreadable
from holdall.runs.verifying import Keys, keys_of
from holdall.trees.location import Location


class SignatureVerbs:
    """Holding signatures against what is there: a part of `Maintenance`."""

    _location: Location

    def check_signatures(
        self, run_ids: Iterable[str] | None = None, *, keys: Keys | Iterable[Keys] | None = None
    ) -> Listing[SignatureInfo]:
        """Hold every signature in the store against what its run holds now, as the run's listing says it.

        No content is read: that it is as it is listed is what `check` finds out, and `Run.verify` for one run.

        Args:
            run_ids: Which runs; all when None.
            keys: Public keys, or files or texts of them; what another key signed is then a problem, too.

        Returns:
            All signatures; those that prove nothing, or nothing any more, have a `problem`.

        Raises:
            SigningKeyError: There is no such key.
            MissingLibraryError: The package `cryptography` is not installed.

        Cost: the summaries of all runs, as a search reads them; of a signed run its tree.

        Example:
            >>> signature = run.sign(holdall.SigningKey.generate())
            >>> [found.problem for found in store.maintenance.check_signatures()]
            ['']
        """
        self._location.require_store()
        known = None if keys is None else {key.fingerprint for key in keys_of(keys)}
        found = Listing(info for id in self._signed(run_ids) for info in self._infos(id))
        if known is None:
            return found
        foreign = "its key is none of those that were named"
        return Listing(
            replace(each, problem=foreign) if each.problem == VALID and each.key not in known else each
            for each in found
        )

    def _signed(self, run_ids: Iterable[str] | None) -> list[str]:
        if run_ids is not None:
            return list(run_ids)
        return [found.run_id for found in summaries(self._location, None) if _has_any(found.tags)]

    def _infos(self, id: str) -> Iterator[SignatureInfo]:
        try:
            view = Run(self._location, id)._view()
            yield from infos_of(view.state.tags, Held.of(id, view))
        except RunNotFoundError as error:
            if not error.purged:  # a moment ago
                raise
        except DamageError as error:
            yield unreadable(id, str(error))


def _has_any(tags: Mapping[str, str]) -> bool:
    return any(map(is_signature_tag, tags))
