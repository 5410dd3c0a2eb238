"""Experiments: names that runs are grouped under.

An experiment's id is computed from its name, so that creating it cannot race:
all who do create the same object, and all but the first are told that it exists.
"""

from __future__ import annotations

from holdfast.errors import ObjectExistsError
from holdfast.format.entry import LogEntry, encode_entry
from holdfast.format.layout import experiment_id, experiment_log, log_key
from holdfast.trees.location import Location

DEFAULT = "Default"


def ensure_experiment(location: Location, name: str) -> str:
    """The id of the experiment of this name, which is there afterwards. Cost: one PUT."""
    id = experiment_id(name)
    log = experiment_log(id)
    entry = LogEntry(
        log=log,
        n=0,
        write_id=location.entropy(16).hex(),
        prev=None,
        time=location.clock(),
        writer=location.writer,
        state_at=None,
        ops=({"op": "create", "name": name},),
    )
    try:
        location.bucket.put(log_key(log, 0), encode_entry(entry))
    except ObjectExistsError:
        return id
    return id
