"""Nothing reaches a copy that is not what its source promised: every piece, every file, every run."""

from __future__ import annotations

from dataclasses import replace

from tests.support.copied import Pair, known, noise, pair
from tests.support.faulty import Fault, FaultyBucket
from tests.support.logs import packs_in

from holdall.format.layout import run_id, run_log
from holdall.format.recipe import Recipe, encode_recipe, parse_recipe
from holdall.format.reference import NODE, RECIPE
from holdall.storage.memory import MemoryBucket
from holdall.store import Store
from holdall.trees import tree_builder
from holdall.trees.session import Draft, Session


def logged(stores: Pair) -> str:
    with stores.source.runs.start() as run:
        run.log_bytes(noise(90_000), "a.bin")
    return run.id


def test_what_comes_back_wrong_once_is_asked_for_again() -> None:
    """Networks err: a piece that is wrong the first time and right the second is copied."""
    stores = pair()
    id = logged(stores)
    stores.here.plan(fault := Fault("get_range", "corrupt", key="packs/", at=2))
    assert stores.outcomes() == ["new"]
    assert fault.met > 2
    assert known(stores.copy.runs.get(id)) == known(stores.source.runs.get(id))


def test_what_stays_wrong_is_not_copied() -> None:
    """A pack that always comes back wrong makes its run damaged, and no file of it is seen in the copy."""
    stores = pair()
    id = logged(stores)
    pack = packs_in(stores.here)[2]
    stores.here.plan(Fault("get_range", "corrupt", key=pack, times=None))
    (copied,) = stores.run().runs
    assert (copied.outcome, copied.files) == ("damaged", 0)
    assert stores.copy.runs.get(id).manifest == {}
    stores.here.clear()
    assert stores.outcomes() == ["new"]
    assert known(stores.copy.runs.get(id)) == known(stores.source.runs.get(id))


def forge(store: Store, id: str) -> str:
    """Log a run whose file has the pieces of another's, and claims another SHA-256; return its id."""
    location = store._location
    view = store.runs.get(id)._view()
    (entry,) = view.paths.walk()
    assert entry.content
    forged = run_id(view.state.experiment, location.entropy(12))
    first = [{"op": "create", "experiment": view.state.experiment}]
    session = Session.start(location, run_log(forged), first)
    assert session
    chunks = parse_recipe(view.paths.blobs.read([entry.content])[0]).chunks
    session.chunk_index.load_footers({ref.location for ref in chunks})  # type: ignore[misc]
    writer = session.writer()
    recipe = writer.put_blob(encode_recipe(Recipe(entry.size, b"\1" * 32, chunks)), RECIPE)
    row = replace(entry.at(recipe, whole=False), sha256=b"\1" * 32)
    root = tree_builder.build([row], lambda data: writer.put_blob(data, NODE))
    writer.flush()
    sums = {"files": 1, "bytes": entry.size, "new_bytes": 0, "stored_bytes": 0}
    session.append(lambda: Draft([{"op": "commit", "tree": root.to_json(), **sums}]))
    session.close()
    return forged


def test_a_file_that_does_not_hash_to_what_its_run_says_is_not_copied() -> None:
    """A new file is read whole: pieces that are right do not make it right, wherever the destination has them from."""
    stores = pair()
    id = logged(stores)
    forged = forge(stores.source, id)
    for _ in range(2):
        (copied,) = stores.run(runs=[forged]).runs
        assert copied.outcome == "damaged"
        assert "SHA-256" in copied.detail
        assert stores.copy.runs.get(forged).manifest == {}
        stores.run(runs=[id])


def test_without_verifying_only_what_is_sent_is_read() -> None:
    """Of a file that shares nine tenths with what the destination has, a tenth is read from the source's packs."""
    stores = pair()
    logged(stores)
    stores.run()
    with stores.source.runs.start() as run:
        run.log_bytes(noise(90_000) + noise(9_000, 1), "b.bin")
    before = stores.here.count("get_range", "packs/")
    stores.run(verify=False)
    few = stores.here.count("get_range", "packs/") - before
    assert known(stores.copy.runs.get(run.id)) == known(stores.source.runs.get(run.id))
    other = Pair(stores.here, FaultyBucket(MemoryBucket("other")))
    before = stores.here.count("get_range", "packs/")
    other.run(runs=[run.id])
    assert few < (stores.here.count("get_range", "packs/") - before) / 2
