"""What no link opens any more is deleted by a collection, and nothing else of `shares/`."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from tests.support.servers import Server
from tests.support.shell import Shell

import holdall
from holdall.chunks.pool import Pool
from holdall.errors import InvalidArgumentError, NotShareableError
from holdall.format.layout import ShareName, parse_key
from holdall.sharing.expiry import expired_shares
from holdall.storage.links import disposition, links_of
from holdall.storage.memory import MemoryBucket
from holdall.storage.zip_stream import ZipMember, zip_room, zip_stream
from holdall.store import Store

RUN, HOUR = "ab" * 16, 3_600_000


@pytest.fixture
def bucket() -> MemoryBucket:
    return MemoryBucket()


@pytest.fixture
def store(bucket: MemoryBucket) -> Store:
    store = Store._over(bucket, Pool())
    store.maintenance.create()
    return store


def _put(bucket: MemoryBucket, *expires: int) -> list[str]:
    keys = [ShareName(each, f"{number:032x}", RUN, "a%20b.txt").key for number, each in enumerate(expires)]
    for key in keys:
        bucket.put(key, b"12345")
    return keys


def test_a_share_is_deleted_when_its_link_has_ended(store: Store, bucket: MemoryBucket) -> None:
    """By the server's clock; a dry run says so before, and deletes nothing."""
    now = store._location.clock()
    old, new = _put(bucket, now - HOUR, now + HOUR)
    planned = store.maintenance.gc(dry_run=True)
    assert (planned.shares, planned.share_bytes) == ((old,), 5)
    assert {info.key for info in bucket.list("shares/")} == {old, new}
    assert store.maintenance.gc().shares == (old,)
    assert [info.key for info in bucket.list("shares/")] == [new]
    assert [(each.name, each.run_id, each.size) for each in store.shares.list()] == [("a b.txt", RUN, 5)]


def test_what_is_purged_is_shared_no_more(store: Store, bucket: MemoryBucket) -> None:
    """At once with the run; and by a collection, where the run was discarded."""
    later = store._location.clock() + HOUR
    runs = [store.runs.start() for _ in range(3)]
    keys = [ShareName(later, f"{number:032x}", run.id, "x").key for number, run in enumerate(runs)]
    for run, key in zip(runs, keys, strict=True):
        run.finish()
        bucket.put(key, b"secret")
    store.maintenance.purge(runs[0].id)
    assert [info.key for info in bucket.list("shares/")] == keys[1:]
    store.maintenance.discard(runs[1].id)
    assert store.maintenance.gc().shares == (keys[1],)
    assert [info.key for info in bucket.list("shares/")] == keys[2:]


def test_what_only_looks_like_a_share_is_foreign(store: Store, bucket: MemoryBucket) -> None:
    """It is neither listed nor deleted, whatever time it seems to tell."""
    strange = ["shares/0000000000000000/x", f"shares/{'f' * 16}-{'0' * 32}/{RUN}/x", f"shares/{0:016x}-{'0' * 32}/x/y"]
    for key in strange:
        assert parse_key(key) is None
        bucket.put(key, b"")
    assert store.maintenance.gc().shares == ()
    assert sorted(info.key for info in bucket.list("shares/")) == sorted(strange)
    assert sorted(store.maintenance.check().foreign) == sorted(strange)


def test_shares_are_no_content_of_the_store(store: Store, bucket: MemoryBucket) -> None:
    """A check finds nothing strange about them, statistics count them, and a copy has none."""
    [key] = _put(bucket, store._location.clock() + HOUR)
    found = store.maintenance.check()
    assert (found.problems, found.foreign) == ([], [])
    assert store.maintenance.stats().share_bytes == 5
    store.maintenance.copy_to("memory://copy-without-shares")
    assert holdall.open("memory://copy-without-shares").shares.list() == []
    assert bucket.get(key) == b"12345"


@pytest.mark.parametrize("url", ["memory://shared", "./folder"])
def test_where_nobody_serves_there_are_no_links(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder and a dict say so before anything is read or written."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotShareableError, match="nobody serves"):
        holdall.open(url).shares.create(f"runs:/{RUN}/x")


@pytest.mark.parametrize(
    ("lifetime", "error"), [("8d", NotShareableError), (0, InvalidArgumentError), ("soon", InvalidArgumentError)]
)
def test_a_link_lasts_from_a_second_to_seven_days(lifetime: str | int, error: type[Exception]) -> None:
    """What S3 would not sign is refused before anything is copied."""
    with pytest.raises(error):
        holdall.open("memory://shared").shares.create(f"runs:/{RUN}/x", lifetime=lifetime)


def test_an_upload_that_was_never_whole_is_given_up(moto: Server) -> None:
    """Its parts cost money and no listing shows them; the key tells when they are nobody's."""
    store = holdall.open(f"{moto.new_bucket()}/below", **moto.options)
    store.maintenance.create()
    links = links_of(store._location.bucket)
    assert links is not None
    now = store._location.clock()
    names = [ShareName(now + each, f"{number:032x}", RUN, "x") for number, each in enumerate((-HOUR, HOUR))]
    for name in names:
        at = {"Bucket": links._bucket.bucket, "Key": f"below/{name.key}"}  # type: ignore[attr-defined]
        links._ask(name.key, "CreateMultipartUpload", at)  # type: ignore[attr-defined]
    assert links.unfinished("shares/") == [name.key for name in names]
    assert expired_shares(store._location, now).unfinished == [names[0].key]
    store.maintenance.gc()
    assert links.unfinished("shares/") == [names[1].key]


def test_a_share_that_fails_leaves_nothing(moto: Server) -> None:
    """Neither an object nor parts of one."""
    store = holdall.open(f"{moto.new_bucket()}", **moto.options)
    links = links_of(store._location.bucket)
    assert links is not None

    def blocks() -> Iterator[bytes]:
        yield from [bytes(6 << 20)] * 3
        raise OSError("the source broke")

    with pytest.raises(OSError, match="the source broke"):
        links.upload("shares/x", blocks(), 1 << 30)
    assert links.unfinished("shares/") == []
    assert list(store._location.bucket.list("shares/")) == []


def test_the_command_line_shares_lists_and_revokes(moto: Server, tmp_path: Path) -> None:
    """`share URI` prints the link alone to the standard output, for a pipe."""
    shell, url = Shell(tmp_path), moto.new_bucket()
    at = ["--store", url, *(word for name, value in moto.options.items() for word in ("-o", f"{name}={value}"))]
    (tmp_path / "report.txt").write_text("all is well")
    run = shell.json(*at, "artifact", "log", "report.txt")["run_id"]
    done = shell.run(*at, "share", f"runs:/{run[:16]}/report.txt", "--for", "2h")
    assert done.stdout.startswith(f"{moto.options['endpoint_url']}/")
    assert done.stdout.count("\n") == 1
    [found] = shell.json(*at, "share", "list")
    assert (found["name"], found["run_id"], found["url"]) == ("report.txt", run, "")
    assert found["id"][:12] in shell(*at, "share", "list")
    assert shell(*at, "share", "revoke", found["id"][:8]) == "1 share revoked\n"
    assert shell(*at, "share", "list") == "nothing is shared\n"
    assert "no share" in shell(*at, "share", "revoke", found["id"], code=1)


# --- the bytes ------------------------------------------------------------------


def test_a_zip_stream_is_a_zip_file_of_bounded_pieces() -> None:
    """What is yielded was handed in just before; sizes beyond 32 bits are written as zip64."""
    block = bytes(1 << 20)
    members = [ZipMember("a/", 0o040755), ZipMember("a/ü", 0o100755, 3 << 20, [block] * 3), ZipMember("b", 0o100644)]
    pieces = list(zip_stream(members))
    with zipfile.ZipFile(BytesIO(b"".join(pieces))) as file:
        assert file.testzip() is None
        assert file.read("a/ü") == block * 3
    assert max(map(len, pieces)) == len(block)
    assert sum(map(len, pieces)) <= 22 + sum(zip_room(each.name, each.size) for each in members)


@pytest.mark.deep
def test_a_large_member_is_written_as_zip64() -> None:
    """Of 5 GiB, which nobody holds: the stream has its sizes in 64 bits behind it."""
    block = bytes(16 << 20)
    count = 320
    total, tail = 0, b""
    for piece in zip_stream([ZipMember("large", 0o100644, count * len(block), (block for _ in range(count)))]):
        total += len(piece)
        tail = (tail + bytes(piece[-300:]))[-300:]
    assert total > 5 << 30
    assert (count * len(block)).to_bytes(8, "little") in tail


@pytest.mark.parametrize("name", ['a"b.txt', "a\r\nX: y", "../up", "große Datei.bin", "\u202egnp.exe", "a" * 400])
def test_a_head_names_one_file_whatever_it_is_called(name: str) -> None:
    """A hostile name ends neither the word nor the head, and names no folder."""
    head = disposition(name)
    assert head.isascii()
    assert head.isprintable()
    assert head.count('"') == 2
    assert "/" not in head.partition("filename*")[0]
