"""A store, or chosen parts of it, into another one.

The order makes it safe while the source is written to: what names something is
read before what it names, and written after it.

    1  registered models are read
    2  runs are listed, and copied, each as of its newest entry
    3  the models are brought to what was read at 1: a version's run is there, and pinned, before it

Nothing of the destination is overwritten or deleted, and it keeps its own
packs, writers and collectors. Copying again sends what is new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from holdall.chunks.observer import begin_transfer
from holdall.copying.experiments import copy_experiment
from holdall.copying.report import CONFLICT, CopyReport, RunCopy
from holdall.copying.runs import RunCopier
from holdall.engines.engine import Engine
from holdall.errors import RunNotFoundError, StoreNotFoundError
from holdall.format.layout import RUNS, experiment_id, is_run_id
from holdall.trees.heads import list_heads
from holdall.trees.location import Location

Tell = Callable[[RunCopy], object]
