"""Writing what searches look at in one object."""

from __future__ import annotations

from holdall.errors import InvalidArgumentError
from holdall.runs.cataloging import Cataloging, CatalogReport
from holdall.runs.index import each_run
from holdall.trees.location import Location


class CatalogVerbs:
    """The catalog: a part of `Maintenance`."""

    _location: Location

    def catalog(self, *, dry_run: bool = False) -> CatalogReport:
        """Write a catalog: what all runs' logs say, in one object, so that searching a store anew needs few requests.

        It is made of the logs, and may be late: what it does not tell of is read as before. `gc` writes one by itself
        where many runs are new.

        Args:
            dry_run: Whether only to say what would be written.

        Returns:
            What was written.

        Raises:
            InvalidArgumentError: The store is encrypted.

        Cost: a listing of the runs' logs, a GET for each run that changed since it was last looked at from here; a PUT,
            and a DELETE for each older catalog.

        Example:
            >>> run.finish()
            >>> store.maintenance.catalog().runs
            1
        """
        location = self._location
        if dry_run:
            location.require_store()
        else:
            location.ready_to_write()
        if location.sealing.sealed:
            raise InvalidArgumentError("an encrypted store has no catalog, which would say in the open what runs say")
        catalog = Cataloging.begin(location)
        runs = ((found.summary, found.head) for found in each_run(location, None) if found.summary and not found.partly)
        return catalog.write(runs, dry_run=dry_run)
