"""The laws of a bucket, one test each: subclass `BucketSuite` and say where yours is.

    class TestMine(BucketSuite):
        backend = "mine"

        @pytest.fixture
        def fresh_bucket_url(self) -> str:
            return "s3://an-empty-bucket"

The handle under test comes from `open_bucket(url)`, the public way, so every
backend is tried inside the wrappers that it is used in.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import pickle
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from multiprocessing.connection import Connection
from typing import ClassVar

import pytest
from tests.support.servers import Server

from holdall.errors import ObjectExistsError, ObjectNotFoundError, ObjectTooLargeError, ObjectTooShortError
from holdall.storage.bucket import Bucket, Bytes
from holdall.storage.schemes import bucket_at

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._%~-"
RACERS = 16
MANY = [f"p/{n:05x}/{n % 7}" for n in range(1100)]


class BucketSuite:
    """Every law of `holdall.storage.bucket.Bucket`."""

    backend: ClassVar[str]
    options: dict[str, object] = {}  # noqa: RUF012  (replaced, never changed)
    shared: ClassVar[bool] = True  # whether other processes see what this one writes

    @pytest.fixture
    def fresh_bucket_url(self) -> str:
        """Where an empty bucket is; another one for every test."""
        raise NotImplementedError

    def open_bucket(self, url: str) -> Bucket:
        return bucket_at(url, self.options)

    @pytest.fixture
    def bucket(self, fresh_bucket_url: str) -> Bucket:
        return self.open_bucket(fresh_bucket_url)

    # --- put and get

    def test_what_is_put_is_got(self, bucket: Bucket) -> None:
        """Bytes come back as they went in, whatever they are."""
        content = bytes(range(256)) * 5 + b"\r\n\x00"
        bucket.put("a/b", content)
        assert bucket.get("a/b") == content

    def test_an_empty_object_is_an_object(self, bucket: Bucket) -> None:
        """Nothing is something: it can be read, listed and not created again."""
        bucket.put("empty", b"")
        assert bucket.get("empty") == b""
        assert [info.size for info in bucket.list()] == [0]
        with pytest.raises(ObjectExistsError):
            bucket.put("empty", b"more")
        assert bucket.get("empty") == b""

    @pytest.mark.parametrize("size", [0, 1, 999, 1000])
    def test_what_is_within_a_limit_is_got(self, bucket: Bucket, size: int) -> None:
        """A limit changes nothing for what keeps to it, nothing at all included."""
        bucket.put("small", b"x" * size)
        assert bucket.get("small", limit=1000) == b"x" * size

    def test_what_is_beyond_a_limit_is_refused(self, bucket: Bucket) -> None:
        """One byte too many is an error of its own; without a limit the object can be read."""
        bucket.put("large", b"x" * 1001)
        with pytest.raises(ObjectTooLargeError) as caught:
            bucket.get("large", limit=1000)
        assert (caught.value.key, caught.value.limit) == ("large", 1000)
        assert len(bucket.get("large")) == 1001

    def test_twenty_megabytes_come_back_whole(self, bucket: Bucket) -> None:
        """A pack is tens of megabytes, and one object."""
        content = random.Random(20).randbytes(20_000_000)
        bucket.put("packs/00/large", content)
        assert bucket.get("packs/00/large") == content
        assert bucket.get_range("packs/00/large", 19_999_990, 20_000_000) == content[-10:]

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    @pytest.mark.parametrize("size", [0, 1, 300_000])
    def test_any_bytes_may_be_put(self, bucket: Bucket, kind: Callable[[bytes], Bytes], size: int) -> None:
        """Also a part of a buffer, which begins and ends anywhere."""
        content = random.Random(size).randbytes(size)
        bucket.put("whole", kind(content))
        bucket.put("part", memoryview(kind(b"<" + content + b">"))[1:-1])
        for key in ("whole", "part"):
            assert bucket.get(key) == content
            assert [info.size for info in bucket.list(key)] == [size]

    @pytest.mark.parametrize("size", [5, 3_000_000])
    def test_a_buffer_may_be_used_again_after_its_put(self, bucket: Bucket, size: int) -> None:
        """Nothing of it is sent later, or kept; also when the put was refused."""
        buffer = bytearray(size)
        for n in range(3):
            buffer[:] = bytes([n]) * size
            bucket.put(f"k{n}", memoryview(buffer))
            with pytest.raises(ObjectExistsError):
                bucket.put("k0", memoryview(buffer))
        buffer[:] = b"\xff" * size
        assert [bytes(bucket.get(f"k{n}")) == bytes([n]) * size for n in range(3)] == [True] * 3

    def test_bytes_that_look_like_html_or_gzip_come_back_untouched(self, bucket: Bucket) -> None:
        """Nothing on the way interprets content."""
        for n, content in enumerate((b"<html>no</html>", b"\x1f\x8b\x08\x00gzip?", b'{"a": 1}\n')):
            bucket.put(f"k{n}", content)
            assert bucket.get(f"k{n}") == content

    def test_a_missing_object_is_not_found(self, bucket: Bucket) -> None:
        """Reading what is not there is an error that says so, for every verb that reads."""
        bucket.put("there", b"x")
        for key in ("missing", "there/below", "the"):
            with pytest.raises(ObjectNotFoundError):
                bucket.get(key)
            with pytest.raises(ObjectNotFoundError):
                bucket.get_range(key, 0, 1)
            with pytest.raises(ObjectNotFoundError):
                bucket.get_range(key, -1)

    def test_a_second_create_is_refused_and_changes_nothing(self, bucket: Bucket) -> None:
        """Creation is exclusive, also for the same bytes and for none."""
        bucket.put("once", b"first")
        for content in (b"second", b"first", b""):
            with pytest.raises(ObjectExistsError):
                bucket.put("once", content)
        assert bucket.get("once") == b"first"

    def test_keys_may_hold_every_character_that_a_layout_uses(self, bucket: Bucket) -> None:
        """Nothing in a key is escaped, folded or cut, and percent signs mean nothing."""
        keys = ["%2F", "%", "a%20b", "~t", "x..y", ".hidden", "A", "B.", "d/e/f-g_h.i~j%k/l"]
        keys += [f"all/{char}-" for char in ALPHABET] + ["long/" + "k" * 200, ALPHABET]
        for key in keys:
            bucket.put(key, key.encode())
        assert [info.key for info in bucket.list()] == sorted(keys, key=str.encode)
        for key in keys:
            assert bucket.get(key) == key.encode()
            bucket.delete(key)
        assert list(bucket.list()) == []

    # --- ranges

    def test_a_range_has_exactly_the_bytes_asked_for(self, bucket: Bucket) -> None:
        """`[start, stop)`, wherever it lies."""
        content = random.Random(1).randbytes(1000)
        bucket.put("k", content)
        for start, stop in ((0, 1), (0, 1000), (1, 999), (500, 501), (999, 1000)):
            assert bucket.get_range("k", start, stop) == content[start:stop]

    def test_a_suffix_is_the_end_or_all_there_is(self, bucket: Bucket) -> None:
        """A negative start counts from the end, and may ask for more than there is."""
        content = random.Random(2).randbytes(1000)
        bucket.put("k", content)
        bucket.put("empty", b"")
        for length in (1, 999, 1000, 1001, 100_000):
            assert bucket.get_range("k", -length) == content[-length:]
        assert bucket.get_range("empty", -5) == b""

    def test_a_range_beyond_the_end_is_an_error_and_never_short(self, bucket: Bucket) -> None:
        """An answer of another length than asked for is not passed on."""
        inner = _without_retries(bucket)
        inner.put("k", b"0123456789")
        inner.put("empty", b"")
        for key, start, stop in (("k", 5, 11), ("k", 10, 11), ("k", 50, 60), ("empty", 0, 1)):
            with pytest.raises(ObjectTooShortError):
                inner.get_range(key, start, stop)

    def test_what_is_no_range_is_a_value_error(self, bucket: Bucket) -> None:
        """Nonsense is refused before anything is asked."""
        for start, stop in ((0, 0), (5, 3), (-1, 5), (3, None), (0, None)):
            with pytest.raises(ValueError, match="range"):
                bucket.get_range("k", start, stop)

    # --- listing

    def test_a_listing_is_in_ascending_order_of_whole_keys(self, bucket: Bucket) -> None:
        """Bytes decide, and a slash is a byte like any other."""
        keys = ["a-b", "a.b", "a/b", "a/b-c", "a/b0/c", "a/c-d", "a/c/d", "a0", "a~", "A", "b", "a%", "a_b/c"]
        for key in reversed(keys):
            bucket.put(key, b"")
        assert [info.key for info in bucket.list()] == sorted(keys, key=str.encode)

    def test_a_prefix_is_any_string(self, bucket: Bucket) -> None:
        """It ends anywhere, not only at a slash; one that fits nothing lists nothing."""
        keys = ["run", "runs/aa1/x", "runs/aa2/x", "runs/ab/x", "runsx", "s"]  # ascending
        for key in keys:
            bucket.put(key, b"")
        for prefix in ("", "r", "run", "runs", "runs/", "runs/a", "runs/aa", "runs/aa1/", "runs/aa1/x", "z"):
            assert [info.key for info in bucket.list(prefix)] == [k for k in keys if k.startswith(prefix)]
        assert list(bucket.list("runs//")) == list(bucket.list("../")) == list(bucket.list("/")) == []

    @pytest.fixture
    def url_of_many(self, fresh_bucket_url: str) -> str:
        """Where `MANY` are, and what is on either side of them; a suite may have them filled once for all."""
        fill(self.open_bucket(fresh_bucket_url))
        return fresh_bucket_url

    def test_a_listing_of_1100_objects_is_complete(self, url_of_many: str) -> None:
        """More than one page, with a prefix, an order and limits around the page's size."""
        bucket = self.open_bucket(url_of_many)
        assert [info.key for info in bucket.list("p/")] == MANY
        for limit in (0, 1, 10, 999, 1000, 1001, 1100, 5000):
            assert [info.key for info in bucket.list("p/", limit=limit)] == MANY[:limit]

    def test_a_listing_tells_sizes_and_times(self, bucket: Bucket) -> None:
        """Sizes are exact; times, where known, are milliseconds of this century and agree."""
        bucket.put("a", b"12345")
        bucket.put("b", b"")
        infos = list(bucket.list())
        assert [(info.key, info.size) for info in infos] == [("a", 5), ("b", 0)]
        times = [info.modified for info in infos if info.modified is not None]
        assert all(1.5e12 < time < 1e13 for time in times)
        assert not times or max(times) - min(times) < 60_000

    def test_a_new_object_is_listed_at_once(self, bucket: Bucket) -> None:
        """No listing is remembered, neither in this handle nor in another."""
        assert list(bucket.list()) == []
        for n in range(5):
            bucket.put(f"k{n}", b"")
            assert len(list(bucket.list())) == n + 1
        bucket.delete("k0")
        assert len(list(bucket.list())) == 4

    def test_two_listings_may_be_open_at_once(self, bucket: Bucket) -> None:
        """A listing left unfinished disturbs nothing."""
        for n in range(10):
            bucket.put(f"k{n}", b"")
        one, two = bucket.list(), bucket.list("k")
        assert next(one) == next(two)
        assert bucket.get("k1") == b""
        assert len(list(one)) == len(list(two)) == 9

    # --- delete

    def test_a_deleted_object_is_gone_and_may_be_created_anew(self, bucket: Bucket) -> None:
        """Deleting is final; deleting again, or what never was, is no error."""
        bucket.put("d/k", b"old")
        for _ in range(2):
            bucket.delete("d/k")
            with pytest.raises(ObjectNotFoundError):
                bucket.get("d/k")
        bucket.delete("never/was")
        bucket.delete("d")
        assert list(bucket.list()) == []
        bucket.put("d/k", b"new")
        assert bucket.get("d/k") == b"new"

    def test_many_are_deleted_whatever_their_keys(self, bucket: Bucket) -> None:
        """Also what never was; nothing else goes with them."""
        keys = ["a", "a%20b", "d/e/f", "x&y<z>", "'\"", "long/" + "k" * 200, *(f"n/{n:04}" for n in range(60))]
        for key in [*keys, "a0", "d/e/g", "n/"[:-1] + "x"]:
            bucket.put(key, b"1")
        bucket.delete_many([*keys, "never/was"])
        assert [info.key for info in bucket.list()] == ["a0", "d/e/g", "nx"]
        bucket.delete_many([])
        bucket.delete_many(["a0", "d/e/g", "nx"])
        assert list(bucket.list()) == []
        bucket.put("a", b"anew")
        assert bucket.get("a") == b"anew"

    # --- many at once

    @pytest.mark.parametrize("size", [0, 1, 100_000])
    def test_sixteen_racers_have_exactly_one_winner(self, bucket: Bucket, size: int) -> None:
        """The object holds the winner's bytes; the fifteen others are told that it exists."""
        for round_ in range(4):
            key = f"race/{round_}"
            winners = _race(bucket, key, size)
            assert len(winners) == 1
            assert bucket.get(key) == bytes(winners) * size

    def test_threads_share_a_handle(self, bucket: Bucket) -> None:
        """Many puts and gets at once do not mix their bytes."""

        def trip(n: int) -> bool:
            content = random.Random(n).randbytes(n * 97)
            bucket.put(f"t/{n}", content)
            return bucket.get(f"t/{n}") == content and bucket.get_range(f"t/{n}", -7) == content[-7:]

        with ThreadPoolExecutor(24) as pool:
            assert all(pool.map(trip, range(100)))

    def test_a_handle_works_inside_a_running_event_loop(self, bucket: Bucket) -> None:
        """As in a notebook: it blocks the loop, and neither fails nor hangs."""

        async def cell() -> bytes:
            bucket.put("k", b"from a loop")
            return bucket.get("k") + str(len(list(bucket.list()))).encode()

        assert asyncio.run(cell()) == b"from a loop1"

    # --- other processes

    def test_a_handle_pickles_without_its_connections(self, bucket: Bucket) -> None:
        """A used handle travels; the copy sees the same objects."""
        bucket.put("k", b"v")
        copy: Bucket = pickle.loads(pickle.dumps(bucket))
        assert copy.url == bucket.url
        assert copy.get("k") == b"v"
        assert len(pickle.dumps(bucket)) < 10_000

    @pytest.mark.parametrize("method", ["fork", "spawn"])
    def test_a_used_handle_works_in_a_child_process(self, bucket: Bucket, method: str) -> None:
        """The child opens connections of its own, and the parent's go on working."""
        bucket.put("parent", b"1")
        assert _in_child(method, bucket) == b"1"
        assert bucket.get("parent") == b"1"
        if self.shared:
            assert bucket.get("child") == b"2"

    def test_a_fork_amid_requests_does_not_hang(self, bucket: Bucket) -> None:
        """Other threads of the parent may hold every lock there is."""
        bucket.put("parent", b"1")
        stop = threading.Event()

        def busy() -> None:
            while not stop.is_set():
                bucket.get("parent")

        threads = [threading.Thread(target=busy) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            assert _in_child("fork", bucket) == b"1"
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    # --- what it says of itself

    def test_the_url_opens_the_same_bucket_again(self, bucket: Bucket) -> None:
        """What people see is where it is."""
        bucket.put("k", b"v")
        assert self.open_bucket(bucket.url).get("k") == b"v"
        assert self.open_bucket(bucket.url + "/").get("k") == b"v"


def fill(bucket: Bucket) -> None:
    """Put `MANY`, and an object on either side of them."""
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: bucket.put(key, b"1"), [*MANY, "o", "q"]))


@cache
def filled(server: Server) -> str:
    """A bucket of `MANY` on a server, for all of a process's tests that only list it."""
    url = f"{server.new_bucket()}/some/prefix"
    fill(bucket_at(url, server.options))
    return url


def _without_retries(bucket: Bucket) -> Bucket:
    """The bucket inside the retry, where a lasting failure shows at once."""
    inner: Bucket = getattr(bucket, "inner", bucket)
    return inner


def _race(bucket: Bucket, key: str, size: int) -> list[int]:
    start = threading.Barrier(RACERS)

    def run(n: int) -> Iterator[int]:
        start.wait(30)
        try:
            bucket.put(key, bytes([n]) * size)
        except ObjectExistsError:
            return
        yield n

    with ThreadPoolExecutor(RACERS) as pool:
        return [n for found in pool.map(lambda n: list(run(n)), range(RACERS)) for n in found]


def _child(bucket: Bucket, answer: Connection) -> None:
    try:
        bucket.put("child", b"2")
        answer.send(bucket.get("parent"))
    except BaseException as error:
        answer.send(repr(error))
        raise


def _in_child(method: str, bucket: Bucket) -> bytes | str:
    context = multiprocessing.get_context(method)
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(bucket, there))  # type: ignore[attr-defined]
    process.start()
    try:
        assert here.poll(60), "the child hangs"
        found: bytes | str = here.recv()
        return found
    finally:
        process.join(10)
        if process.is_alive():
            process.kill()
