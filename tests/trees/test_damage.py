"""Nobody refers to a pack that is damaged: what was found is recorded, and what is borrowed is tried first."""

from __future__ import annotations

import io
import pickle
from collections import Counter

import pytest
from tests.support.faulty import Fault, FaultyBucket
from tests.support.logs import packs_in
from tests.support.stores import entropy, tiny_location

from holdall.chunks.verification import PackVerifier
from holdall.errors import HoldallError, IntegrityError
from holdall.format.codec import UNCOMPRESSED
from holdall.format.damage import DamageRecord, encode_damage, parse_damage
from holdall.format.layout import GARBAGE, PACKS, PackName, damage_key, hint_key, parse_key
from holdall.format.pack import PackBuilder, parse_pack
from holdall.format.records import encode_hint
from holdall.format.reference import CHUNK
from holdall.storage.bucket import Bucket
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import Request, TraceBucket
from holdall.store import Store
from holdall.trees.location import Location

DATA = entropy(11)(300_000)
DAMAGED = GARBAGE + "damaged/"


class World:
    """A store whose first run holds DATA and has ended; each further store is another process's."""

    def __init__(self) -> None:
        self.bucket, self.processes = MemoryBucket(), 0
        self.first = self.store(create=True).runs.start()
        self.first.log_bytes(DATA, "weights.bin")
        self.first.finish()
        self.packs = packs_in(self.bucket)

    def location(
        self, bucket: Bucket | None = None, *, create: bool = False, everything: bool = False, draw: int = 0
    ) -> Location:
        """As another process sees the store; of n chunks it draws the one with this number, counted round."""
        self.processes += 1
        self.asked: Counter[tuple[str, str]] = Counter()
        traced = TraceBucket(bucket or self.bucket, self._count)
        location = tiny_location(traced, seed=self.processes, create=create)
        location.verifier = PackVerifier(
            location.bucket, location.pool, location.damage, verify_all=everything, draw=lambda count: draw % count
        )
        return location

    def _count(self, request: Request) -> None:
        folder = next((part for part in (DAMAGED, GARBAGE, PACKS) if request.key.startswith(part)), "")
        self.asked[request.verb, folder] += 1

    def store(self, *, create: bool = False, everything: bool = False, draw: int = 0) -> Store:
        return Store(self.location(create=create, everything=everything, draw=draw))

    def flip(self, key: str, at: int = 1000) -> None:
        """One bit of an object."""
        data = bytearray(self.bucket.objects[key])
        data[at] ^= 1
        self.bucket.objects[key] = bytes(data)

    def flip_chunk(self, number: int, *, pack: int = 0) -> None:
        """One bit in the middle of a pack's chunk, counted from 0, if there is one."""
        key = self.packs[pack]
        rows = [row for row in parse_pack(self.bucket.objects[key], key).rows if row.kind == CHUNK]
        for row in rows[number : number + 1]:
            self.flip(key, row.offset + row.stored // 2)

    @property
    def recorded(self) -> list[str]:
        """The names of packs that are recorded as damaged."""
        return [key.removeprefix(DAMAGED) for key in self.bucket.objects if key.startswith(DAMAGED)]

    def read(self, run_id: str, path: str = "weights.bin") -> bytes:
        return self.store().runs.get(run_id).read(path)


@pytest.fixture
def world() -> World:
    return World()


def log(store: Store, data: bytes = DATA) -> str:
    """Log a file in a new run, and end it."""
    run = store.runs.start()
    run.log_stream(io.BytesIO(data), "weights.bin")
    run.finish()
    return run.id


# --- records


def test_what_is_recorded_is_not_referred_to(world: World) -> None:
    """The next log of the same content stores again what lay in the pack, and nothing else, and is read back."""
    world.flip_chunk(5)
    world.store().maintenance.check(record=True)
    assert world.recorded == [world.packs[0].rpartition("/")[2]]
    before = sum(len(world.bucket.objects[key]) for key in packs_in(world.bucket))
    again = log(world.store())
    assert world.read(again) == DATA
    stored = sum(len(world.bucket.objects[key]) for key in packs_in(world.bucket)) - before
    assert len(world.bucket.objects[world.packs[0]]) / 2 < stored < 2 * len(world.bucket.objects[world.packs[0]]) + 5000


def test_a_writer_that_already_referred_to_it_stores_it_again(world: World) -> None:
    """Also a run that holds the damaged content, gone on with, does not refer to that pack for a second path."""
    world.flip_chunk(5)
    world.store().maintenance.check(record=True)
    run = world.store().runs.resume(world.first.id)
    run.log_bytes(DATA, "second.bin")
    run.finish()
    assert world.read(world.first.id, "second.bin") == DATA


def test_the_third_writer_finds_what_the_second_stored(world: World) -> None:
    """Hints to the damaged pack stay; others lead to the new copy, so that it is not stored again for ever."""
    for pack in range(len(world.packs)):
        world.flip_chunk(0, pack=pack)
    world.store().maintenance.check(record=True)
    assert len(world.recorded) >= len(world.packs) - 2  # those with chunks
    log(world.store())
    packs = packs_in(world.bucket)
    third = log(world.store())
    assert len(packs_in(world.bucket)) <= len(packs) + 1  # the tree of its own
    assert world.read(third) == DATA


def test_recording_is_create_only_and_repeats_harmlessly(world: World) -> None:
    """The first word stands, whoever says it again."""
    world.flip_chunk(5)
    world.store().maintenance.check(record=True)
    (name,) = world.recorded
    first = world.bucket.objects[DAMAGED + name]
    world.store().maintenance.check(record=True)
    assert world.bucket.objects[DAMAGED + name] == first
    record = parse_damage(first, PackName.parse(name, "pack"))
    assert (record.writer, len(record.blobs)) == ("holdall test", 1)
    assert "does not match" in record.detail


def test_a_record_of_any_bytes_keeps_writers_away(world: World) -> None:
    """The key alone speaks: a record that is garbage costs space, and `check` names it without alarm."""
    for key in world.packs:
        world.bucket.put(DAMAGED + key.rpartition("/")[2], b"?")
    again = log(world.store())
    assert world.read(again) == DATA
    found = world.store().maintenance.check()
    assert found.intact
    assert {problem.where for problem in found.problems} == {DAMAGED + key.rpartition("/")[2] for key in world.packs}


def test_records_cost_no_request(world: World) -> None:
    """A writer meets them in the listing of `gc/` that it makes anyway."""
    log(world.store())
    assert world.asked["list", GARBAGE] == 1
    assert world.asked["get", DAMAGED] == 0


def test_only_what_is_wrong_is_recorded(world: World) -> None:
    """A pack that is missing, or whose server does not answer, is not recorded: neither is damage of the pack."""
    gone, silent, wrong = world.packs[:3]
    del world.bucket.objects[gone]
    world.flip(wrong)
    faulty = FaultyBucket(world.bucket)
    faulty.plan(Fault("get", "fail", key=silent, times=None))
    found = Store(world.location(faulty)).maintenance.check(record=True)
    assert {problem.where for problem in found.problems if problem.where in world.packs} == {gone, silent, wrong}
    assert world.recorded == [wrong.rpartition("/")[2]]


def test_what_a_network_turned_once_is_not_damage(world: World) -> None:
    """A pack that comes back right at a second look is whole: nothing is said of it, and nothing recorded."""
    turned = {world.packs[0]}

    class Hiccup(MemoryBucket):
        def get(self, key: str, *, limit: int | None = None) -> bytes:
            data = super().get(key)
            if key in turned:
                turned.discard(key)
                return data[:1000] + bytes([data[1000] ^ 1]) + data[1001:]
            return data

    location = world.location(Hiccup("hiccup", world.bucket.objects))
    assert Store(location).maintenance.check(record=True).problems == []
    assert world.recorded == []


# --- reading


def test_a_writer_that_reads_damage_records_it_by_itself(world: World) -> None:
    """Where this store was made ready to write, a read that fails is recorded, once, and is the error all the same."""
    world.flip_chunk(5)
    store = world.store()
    run = store.runs.start()
    for _ in range(2):
        with pytest.raises(IntegrityError):
            store.runs.get(world.first.id).read("weights.bin")
    assert world.asked["put", DAMAGED] == 1
    run.log_bytes(DATA, "weights.bin")  # in the session that was open before
    run.finish()
    assert world.read(run.id) == DATA
    assert world.read(log(world.store())) == DATA


def test_its_own_content_is_stored_again_too(world: World) -> None:
    """A session whose own pack was read wrongly does not refer to it for its next path."""
    run = world.store().runs.start()
    data = entropy(12)(90_000)
    run.log_bytes(data, "first.bin")
    own = next(key for key in packs_in(world.bucket) if key not in world.packs)
    world.flip(own)
    with pytest.raises(IntegrityError):
        run.read("first.bin")
    run.log_bytes(data, "second.bin")
    assert run.read("second.bin") == data


def test_whoever_only_reads_writes_nothing(world: World) -> None:
    """A store that was opened for reading puts no object, not even where it finds damage."""
    world.flip_chunk(5)
    before = dict(world.bucket.objects)
    store = world.store()
    with pytest.raises(IntegrityError):
        store.runs.get(world.first.id).read("weights.bin")
    assert world.bucket.objects == before
    assert not [verb for verb, _ in world.asked if verb in ("put", "delete")]


def test_a_record_that_is_refused_hides_nothing(world: World) -> None:
    """Where the bucket takes no record, the reader hears of the damage, as the same error."""
    world.flip_chunk(5)
    faulty = FaultyBucket(world.bucket)
    location = world.location(faulty)
    location.ready_to_write()
    faulty.plan(Fault("put", "fail", times=None))
    with pytest.raises(IntegrityError, match=r"weights\.bin"):
        Store(location).runs.get(world.first.id).read("weights.bin")


# --- borrowing


def zeros(world: World, *, spare: int = 0) -> None:
    """As who may only create objects: packs that claim the victim's chunks over zeros, but for some, and hints."""
    victim, bucket = World(), world.bucket
    for number, key in enumerate(victim.packs):
        whole = victim.bucket.objects[key]
        rows = [row for row in parse_pack(whole, key).rows if row.kind == CHUNK]
        name, builder = PackName(b"evil" * 4, number), PackBuilder()
        for n, row in enumerate(rows):
            stored = whole[row.offset : row.offset + row.stored] if n < spare else bytes(row.stored)
            builder.add(
                row.id, CHUNK, row.codec if n < spare else UNCOMPRESSED, stored, row.raw if n < spare else row.stored
            )
        bucket.put(name.key, bytes(builder.finish()))
        for row in rows:
            bucket.put(hint_key(row.id), encode_hint(row.id, name))


class Empty(World):
    """A store that holds nothing yet."""

    def __init__(self) -> None:
        self.bucket, self.processes = MemoryBucket(), 0
        self.store(create=True)
        self.packs = []


@pytest.mark.parametrize("draw", [0, 1, 5])
def test_a_pack_of_zeros_is_found_out_whatever_is_drawn(draw: int) -> None:
    """Who claims others' chunks over nothing destroys no future data: each pack is refused by its first chunk."""
    world = Empty()
    zeros(world)
    run_id = log(world.store(draw=draw))
    assert world.read(run_id) == DATA
    evil = {key.rpartition("/")[2] for key in world.bucket.objects if key.startswith(f"{PACKS}65/")}
    assert {*world.recorded} <= evil
    assert world.recorded


def test_a_pack_that_is_right_in_most_is_found_out_by_trying_everything() -> None:
    """One random chunk cannot see a few bad ones among many; `verify_shared` sees each."""
    careless, careful = Empty(), Empty()
    for world in (careless, careful):
        zeros(world, spare=3)
    believed = log(careless.store())
    with pytest.raises(IntegrityError):
        careless.read(believed)
    assert careful.read(log(careful.store(everything=True))) == DATA


@pytest.mark.parametrize("everything", [False, True])
def test_a_flipped_bit_is_found_out_where_it_is_drawn(world: World, everything: bool) -> None:
    """Of a pack with one bad chunk nothing is borrowed once that chunk was tried."""
    world.flip_chunk(2)
    run_id = log(world.store(everything=everything, draw=2))
    assert world.read(run_id) == DATA
    assert world.recorded == [world.packs[0].rpartition("/")[2]]


def test_each_pack_is_tried_once_in_a_process(world: World) -> None:
    """One small request for each pack that is borrowed from; a second run of the same store makes none."""
    kinds: Counter[str] = Counter()

    class Told(MemoryBucket):
        def get_range(self, key: str, start: int, stop: int | None = None) -> bytes:
            kinds["footer" if start < 0 else "chunk"] += 1
            return super().get_range(key, start, stop)

    store = Store(world.location(Told("told", world.bucket.objects)))
    log(store)
    assert kinds["chunk"] == len(world.packs) - 1  # the last has the first run's tree alone
    kinds.clear()
    log(store)
    assert kinds["footer"] >= len(world.packs) - 1
    assert kinds["chunk"] == 0


def test_own_packs_are_not_tried(world: World) -> None:
    """What a session wrote itself it need not ask for."""
    store = world.store()
    run = store.runs.start()
    data = entropy(13)(90_000)
    run.log_bytes(data, "a.bin")
    before = world.asked["get_range", PACKS]
    run.log_bytes(data, "b.bin")
    assert world.asked["get_range", PACKS] == before


@pytest.mark.parametrize("everything", [False, True])
def test_a_pack_that_went_is_as_good_as_unknown(world: World, everything: bool) -> None:
    """A pack that is deleted between its footer and its trial is not referred to, and not recorded."""
    gone = world.packs[0]

    class Vanishing(MemoryBucket):
        def get_range(self, key: str, start: int, stop: int | None = None) -> bytes:
            if key == gone and start >= 0:
                self.objects.pop(key, None)
            return super().get_range(key, start, stop)

    run_id = log(Store(world.location(Vanishing("vanishing", world.bucket.objects), everything=everything)))
    assert world.read(run_id) == DATA
    assert world.recorded == []


def test_a_large_file_is_stored_again_from_its_blocks() -> None:
    """Of many windows and blocks each that was borrowed in vain is packed from the source, not from the pack."""
    world = Empty()
    data = entropy(14)(3 << 20)
    first = log(world.store(), data)
    world.packs = packs_in(world.bucket)
    for pack in range(0, len(world.packs) - 1, 3):
        world.flip_chunk(0, pack=pack)
    again = log(world.store(draw=0), data)
    assert world.read(again) == data
    with pytest.raises(IntegrityError):
        world.read(first)


def test_what_was_tried_survives_a_pickle_and_starts_anew() -> None:
    """A handle in another process tries for itself."""
    location = Store.open("memory://pickled")._location
    location.damage.gone(PackName(b"a" * 16, 0))
    copy = pickle.loads(pickle.dumps(location))
    assert copy.damage.packs == {PackName(b"a" * 16, 0)}
    assert copy.verifier.damage is copy.damage


# --- settings


@pytest.mark.parametrize("said", [True, False])
def test_the_setting_and_the_option_say_whether_everything_is_tried(said: bool) -> None:
    """`verify_shared` reaches the store as an argument and as a storage option, which comes first."""
    for store in (
        Store.open("memory://said", verify_shared=said),
        Store.open("memory://said", {"verify_shared": said}, verify_shared=not said),
    ):
        assert store._location.verifier.verify_all is said
    with pytest.raises(ValueError, match="verify_shared='maybe'"):
        Store.open("memory://said", {"verify_shared": "maybe"})


# --- the document


@pytest.mark.parametrize("blobs", [(), (b"a" * 32, b"b" * 32)])
def test_a_record_says_what_was_written(blobs: tuple[bytes, ...]) -> None:
    """`parse_damage` takes back what `encode_damage` gives; its key says which pack."""
    record = DamageRecord(PackName(b"a" * 16, 7), 5, "holdall 1", "its body does not match its digest", blobs)
    assert parse_damage(encode_damage(record), record.pack) == record
    key = parse_key(damage_key(record.pack))
    assert key
    assert (key.kind, key.pack) == ("damaged", record.pack)


def test_a_record_has_a_bound() -> None:
    """However much was found, a record stays small, and is read back."""
    many = tuple(n.to_bytes(32) for n in range(5000))
    record = DamageRecord(PackName(b"a" * 16, 7), 5, "w" * 5000, "é" * 5000, many)
    data = encode_damage(record)
    assert len(data) < 100_000
    assert parse_damage(data, record.pack).blobs == many[:1000]
    with pytest.raises(HoldallError):
        parse_damage(data + bytes(300_000), record.pack)
