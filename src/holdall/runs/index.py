"""What a search looks at: a summary of each run, read with as few requests as can be.

Listing the runs' logs tells each one's newest entry; a run that has ended has
all it ever said in that entry, so it costs one GET, once: what it says is remembered by
`remembered`. Nothing of one run waits for another: while the listing goes on, entries are on their way,
and who asks for summaries gets each as soon as those before it are there. So a search holds as many runs
as its caller keeps, and a few hundred more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, groupby, islice
from typing import TYPE_CHECKING, Final

from holdall.format.entry import LogEntry
from holdall.format.layout import RUNS, is_experiment_id, run_log
from holdall.runs.arguments import listed
from holdall.runs.record import RunData, RunInfo, RunRecord
from holdall.runs.remembered import Memory
from holdall.runs.search import RunSummary
from holdall.runs.summarising import INFO, summarise
from holdall.trees.heads import Head, KnownState, each_head, entry_keys
from holdall.trees.journal import Journal
from holdall.trees.location import Location
from holdall.trees.view import View
from holdall.trees.views import Listed, run_name, stream_views

if TYPE_CHECKING:
    from holdall.runs.cataloged import Cataloged

_AT_ONCE: Final = 128  # logs looked at side by side
_PAGE: Final = 512  # runs that are looked up in what is remembered together


@dataclass(frozen=True, slots=True)
class Found:
    """A run that a listing showed.

    Attributes:
        id: Of the run.
        head: Of its log.
        summary: What it says, as of that entry; None where it was purged or nothing of it can be read.
        purged: Whether it was purged.
        partly: Whether not all of its log can be read.
    """

    id: str
    head: Head
    summary: RunSummary | None
    purged: bool = False
    partly: bool = False


@dataclass(frozen=True, slots=True)
class Survey:
    """What the newest entries of runs' logs tell.

    Attributes:
        runs: Summaries of those that are there, each with the entry that it is as of.
        purged: The newest entries of purged runs, by id.
        partly: Ids of those of `runs` of whose logs not all can be read.
        unreadable: Ids of runs of which nothing can be read.
    """

    runs: list[tuple[RunSummary, Head]]
    purged: dict[str, Head]
    partly: frozenset[str] = frozenset()
    unreadable: frozenset[str] = frozenset()


def summaries(location: Location, experiments: Iterable[str] | None) -> Iterator[RunSummary]:
    """Yield the summaries of all runs of some experiments, or of the store, for a search. Cost: as `each_run`."""
    from holdall.runs.cataloged import Cataloged  # a run that is started needs none

    every = each_run(location, experiments, catalog=Cataloged(location))
    return (found.summary for found in every if found.summary)


def survey(location: Location, experiments: Iterable[str] | None) -> Survey:
    """Return what is known of all runs of some experiments, or of the store. Cost: as `each_run`."""
    every = list(each_run(location, experiments))
    return Survey(
        [(found.summary, found.head) for found in every if found.summary],
        {found.id: found.head for found in every if found.purged},
        frozenset(found.id for found in every if found.partly),
        frozenset(found.id for found in every if not (found.summary or found.purged)),
    )


def each_run(
    location: Location, experiments: Iterable[str] | None, *, catalog: Cataloged | None = None
) -> Iterator[Found]:
    """Yield what is known of all runs of some experiments, or of the store, in the order of their ids.

    Args:
        location: The store.
        experiments: Their ids; all when None.
        catalog: What is believed of runs that were not looked at from here; only searching may do so.

    Cost: a listing of their logs, and a GET for each run that has an entry more than when it was last looked at from
    here; of one that goes on, a GET for each entry more. What was read is remembered as it comes, so that who is
    interrupted goes on from there.
    """
    if experiments is not None:
        given = listed("ids of experiments", experiments, "['0123456789abcdef']")
        experiments = sorted({id for id in given if is_experiment_id(id)})  # no other can have runs
    heads = heads_of(location, experiments)
    begun = location.beside_descriptor(lambda: list(islice(heads, 1)))
    for found in each_of(location, chain(begun, heads), catalog=catalog):
        # A log is found by the beginning of the id alone.
        if experiments is None or not found.summary or found.summary.experiment_id in experiments:
            yield found


def each_of(
    location: Location, heads: Iterator[tuple[str, Head]], *, catalog: Cataloged | None = None
) -> Iterator[Found]:
    """Yield what is known of runs, given the heads of their logs as a listing shows them. Cost: as `each_run`."""
    memory = Memory(location.memory_folder, location.descriptor.store)
    with memory:
        for (run, head, known), view in stream_views(location, _wanted(heads, memory, catalog), run_name):
            yield known or _found(run, head, view, memory)


def _wanted(
    heads: Iterator[tuple[str, Head]], memory: Memory, catalog: Cataloged | None
) -> Iterator[tuple[tuple[str, Head, Found | None], Listed | None]]:
    """Yield each run that a listing shows: with what is remembered of it, or else with what to read."""
    while page := dict(islice(heads, _PAGE)):
        known = memory.summaries(page)
        if catalog:
            known |= _told({run: head for run, head in page.items() if run not in known}, memory, catalog)
        states = memory.states(page.keys() - known.keys())
        for run, head in page.items():
            if run in known:
                yield (run, head, Found(run, head, known[run], purged=known[run] is None)), None
            else:
                yield (run, head, None), (run_log(run), head, states.get(run))


def _told(heads: Mapping[str, Head], memory: Memory, catalog: Cataloged) -> dict[str, RunSummary | None]:
    """Return what a catalog tells of runs, which is remembered apart: not all who search may believe it."""
    known = memory.summaries(heads, told=True)
    found = catalog.summaries({run: head for run, head in heads.items() if run not in known})
    for run, summary in found.items():
        memory.keep(run, heads[run], summary, told=True)
    return known | found


def _found(run: str, head: Head, view: View | None, memory: Memory) -> Found:
    if view is None or view.head is None:
        return Found(run, head, None)
    summary = None if view.state.purged else summarise(run, view.state)
    if view.lost < 0:  # what a run lacks may be put back
        memory.keep(run, head, summary)
        if summary and view.head.state is None:
            memory.keep_state(run, KnownState(view.head.n, view.head.sha256, view.state))
    return Found(run, head, summary, purged=summary is None, partly=view.lost >= 0)


def heads_of(location: Location, experiments: Iterable[str] | None) -> Iterator[tuple[str, Head]]:
    """Yield each run, and the head of its log, while a listing goes on. Cost: that."""
    prefixes = [RUNS] if experiments is None else dict.fromkeys(f"{RUNS}{id[:8]}" for id in experiments)
    heads = chain.from_iterable(each_head(location.bucket.list(prefix)) for prefix in prefixes)
    return ((log.removeprefix(RUNS), head) for log, head in heads)


def run_ids(location: Location, beginning: str = "") -> Iterator[str]:
    """Yield the ids of runs that begin so, deleted ones too; not those that were purged, as far as that is seen.

    A purge removes a log's first entry, so only where that is not listed the newest is looked at.

    Cost: a listing, and a GET for each log without its first entry.
    """
    bucket, pool = location.bucket, location.pool
    logs = groupby(entry_keys(bucket.list(RUNS + beginning)), key=lambda key: key.log)
    numbers = ((Journal(bucket, pool, log), [key.number for key in keys]) for log, keys in logs)
    while some := list(islice(numbers, _AT_ONCE)):
        cut = [(journal, found[0]) for journal, found in some if found[-1] != 0]
        newest = pool.map(lambda one: one[0].read_or_damage(one[1]), cut)
        purged = {entry.log for entry in newest if isinstance(entry, LogEntry) and entry.purges}
        yield from (journal.log.removeprefix(RUNS) for journal, _ in some if journal.log not in purged)


def record_of(summary: RunSummary) -> RunRecord:
    """Return the run that a summary is of."""
    info = RunInfo(**{name: getattr(summary, name) for name in INFO})
    return RunRecord(info, RunData(summary.metrics, summary.params, summary.tags), summary.metric_summaries)
