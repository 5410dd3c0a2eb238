"""An experiment in the destination, before its first run is.

Its id is made of its name, so both stores call it alike, unless one is encrypted (`renaming.py`). Its tags come along
when it is made there, and later ones that it lacks; what the destination says
itself stays. How long runs are kept is each store's own business: the tag
`holdall.retention` stays at home.
"""

from __future__ import annotations

from typing import Final

from holdall.copying.renaming import SAME_IDS, Renaming
from holdall.errors import DamageError, UnsupportedFeatureError
from holdall.format.document import Json
from holdall.format.layout import experiment_log
from holdall.runs.experiment import ExperimentFold
from holdall.trees.location import Location
from holdall.trees.log import Log

_AT_HOME: Final = frozenset(("holdall.retention",))


def copy_experiment(source: Location, target: Location, id: str, ids: Renaming = SAME_IDS) -> str:
    """Make an experiment in the destination if it is not there, and give it the tags that it lacks.

    Returns:
        Why no run can be copied into it; "" if it can.

    Cost: a listing and a GET for each entry in both stores; a PUT if there is something to say.
    """
    there = Log(source, experiment_log(id), ExperimentFold)
    here = Log(target, experiment_log(ids.experiment(id)), ExperimentFold)
    try:
        if there.follow() is None:
            return f"its experiment {id} is not there"
        here.follow()
    except (DamageError, UnsupportedFeatureError) as error:
        return f"its experiment cannot be read: {error}"
    if source.names.experiment_id(there.state.name) != id:
        return f"its experiment {id} says that it is called {there.state.name!r}, which is the name of another"

    def lacking() -> list[Json]:
        return _ops(there.state, here.state if here.head else None, ids)

    if lacking():
        here.append(lacking)
    return f"experiment {here.state.name!r} was deleted in the destination" if here.state.state.deleted else ""


def _ops(there: ExperimentFold, here: ExperimentFold | None, ids: Renaming) -> list[Json]:
    tags = {key: value for key, value in ids.tags(there.state.tags).items() if key not in _AT_HOME}
    begin: list[Json] = [] if here else [{"op": "create", "name": there.name}]
    if here and here.state.deleted:
        return []
    lacking = {key: value for key, value in tags.items() if not here or key not in here.state.tags}
    return [*begin, *({"op": "tag", "key": key, "value": value} for key, value in lacking.items())]
