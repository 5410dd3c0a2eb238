"""The part of `Experiments` that says which of their runs are kept."""

from __future__ import annotations

from typing import Any

from holdall.runs.policy import RETENTION, RetentionPolicy, parse_policy
from holdall.runs.record import Experiment


class PolicyVerbs:
    """Retention policies of experiments."""

    def set_retention(
        self,
        id: str,
        *,
        expire: str | None = None,
        last: int | None = None,
        best: tuple[str, int] | None = None,
    ) -> RetentionPolicy:
        """Say which runs of an experiment are kept, instead of what was said before; without any rule, all are.

        Rules add up: a run stays if any of them keeps it. The others are deleted by the next garbage collection, can be
        restored for seven days, and then are purged. Never deleted is what a registered version, the tag
        `holdall.keep`, a deployment or a writing process holds, nor the parents and children of such runs.

        Args:
            id: Of the experiment.
            expire: How long a run is kept after its last entry, such as "90d", "12h" or "2w".
            last: How many of the newest finished runs are kept, of the experiment and of each parent run.
            best: What the best finished runs are told by, and how many of these are kept: `("metrics.loss ASC", 5)`.

        Returns:
            The policy as it is now.

        Raises:
            InvalidArgumentError: A rule cannot be understood.
            ExperimentNotFoundError: There is no experiment of this id.
            ExperimentDeletedError: It was deleted.

        Cost: as `set_tag`.

        Example:
            >>> id = store.experiments.create("vision")
            >>> str(store.experiments.set_retention(id, expire="90d", last=3, best=("metrics.loss ASC", 5)))
            'expire 90d, last 3, best 5 by metrics.loss ASC'
        """
        policy = RetentionPolicy(expire, last, best)
        self.set_tag(id, RETENTION, policy.to_json() if policy.has_rules else None)
        return policy

    def retention(self, id: str) -> RetentionPolicy | None:
        """Return which runs of an experiment are kept; None where nothing was said, or nothing that is understood.

        Raises and cost: as `get`.

        Example:
            >>> id = store.experiments.create("vision")
            >>> policy = store.experiments.set_retention(id, last=3)
            >>> store.experiments.retention(id).last
            3
        """
        found = self.get(id)
        return parse_policy(found.tags, found.name)

    def get(self, id: str) -> Experiment:
        """Return an experiment by its id."""
        raise NotImplementedError

    def set_tag(self, id: str, key: str, value: Any) -> None:
        """Set a tag of an experiment."""
        raise NotImplementedError
