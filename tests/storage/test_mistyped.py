"""A mistyped address is noticed when a store is made there, or nothing is made."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from tests.support.http import error, recorder
from tests.support.servers import Server

from holdall.errors import StorageError, StoreNotFoundError
from holdall.settings import read_settings
from holdall.storage.neighbours import similar_address
from holdall.storage.remote import RemoteBucket
from holdall.storage.schemes import bucket_at
from holdall.store import Store


def begin_run(url: str, **options: object) -> Store:
    store = Store.open(url, options)
    store.runs.start().finish()
    return store


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "no store" in record.getMessage()]


def test_a_store_made_unasked_at_a_remote_prefix_says_where(moto: Server, caplog: pytest.LogCaptureFixture) -> None:
    """One line, once, with what would refuse it; a store that is there, or was asked for, says nothing."""
    caplog.set_level(logging.WARNING, "holdall")
    url = f"{moto.new_bucket()}/team/prod"
    begin_run(url, **moto.options)
    (line,) = warned(caplog)
    assert line.startswith(f"there was no store at {url}, so one was made; set_store(..., create=False)")
    begin_run(url, **moto.options)
    asked = Store.open(f"{moto.new_bucket()}/team/prod", moto.options)
    asked.maintenance.create()
    asked.runs.start().finish()
    assert warned(caplog) == [line]


@pytest.mark.parametrize("typed", ["team/prdo", "team/Prod", "team/prod-", "team/prod/2", "team/pr_od"])
@pytest.mark.every(2)
def test_the_prefix_that_was_perhaps_meant_is_named(moto: Server, caplog: pytest.LogCaptureFixture, typed: str) -> None:
    """A neighbour of nearly the same name, or a store in which this one would lie."""
    bucket = moto.new_bucket()
    Store.open(f"{bucket}/team/prod", moto.options).maintenance.create()
    begin_run(f"{bucket}/{typed}", **moto.options)
    (line,) = warned(caplog)
    assert f"did you mean {bucket}/team/prod?" in line


@pytest.mark.parametrize("typed", ["team/other", "elsewhere/prod", "", "team/prod-of-quite-another-kind"])
@pytest.mark.every(2)
def test_other_names_are_no_suggestion(moto: Server, caplog: pytest.LogCaptureFixture, typed: str) -> None:
    """Neither is a whole bucket, which has nothing beside it."""
    bucket = moto.new_bucket()
    Store.open(f"{bucket}/team/prod", moto.options).maintenance.create()
    begin_run(f"{bucket}/{typed}".rstrip("/"), **moto.options)
    (line,) = warned(caplog)
    assert "did you mean" not in line


def test_folders_are_made_in_silence_unless_a_store_of_nearly_this_name_is_beside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A folder of nearly the same name that is no store is nothing; memory is this process's own."""
    (tmp_path / "holdall-stores").mkdir()
    begin_run(str(tmp_path / "holdall-store"))
    begin_run("memory://mistyped")
    begin_run("memory://mistypd")
    assert not warned(caplog)
    begin_run(str(tmp_path / "holdall-stroe"))
    begin_run(str(tmp_path / "holdall-store" / "inner"))
    near, inner = warned(caplog)
    assert f"did you mean {tmp_path / 'holdall-store'}?" in near
    assert f"did you mean {tmp_path / 'holdall-store'}?" in inner


def test_looking_costs_one_request_and_its_failure_nothing() -> None:
    """Whoever may see only the own prefix makes a store all the same."""
    with recorder() as server:
        options = {"endpoint_url": server.url, "key": "k", "secret": "s", "client_kwargs": {"region_name": "eu-west-1"}}
        server.reply = lambda _: error(403, "AccessDenied")
        assert similar_address(bucket_at("s3://b/team/prod", options), "holdall.json") is None
        assert len(server.asked) == 1
        assert similar_address(bucket_at("s3://b", options), "holdall.json") is None
        assert len(server.asked) == 1


def test_backends_of_fsspec_are_looked_at_too(tmp_path: Path) -> None:
    """The same through any filesystem."""
    (tmp_path / "prod").mkdir()
    bucket = RemoteBucket(f"local://{tmp_path}/prdo", unsafe_single_writer=True)
    assert similar_address(bucket, "holdall.json") == f"local://{tmp_path}/prod"


@pytest.mark.parametrize("place", ["memory://never", "folder", "s3"])
def test_a_store_that_may_not_be_made_is_not(place: str, tmp_path: Path, moto: Server) -> None:
    """What is asked for by name is made all the same, and then written to."""
    options = {**moto.options, "create": False} if place == "s3" else {"create": False}
    url = {"folder": str(tmp_path / "s"), "s3": f"{moto.new_bucket()}/x"}.get(place, place)
    store = Store.open(url, options)
    for write in (store.runs.start, lambda: store.experiments.create("e"), lambda: store.registry.create_model("m")):
        with pytest.raises(StoreNotFoundError) as caught:
            write()
        assert "maintenance.create()" in caught.value.hint
        assert "store init" in caught.value.shell_hint
        assert "HOLDALL_CREATE" in str(caught.value.hint)
    assert not list(store._location.bucket.list())
    store.maintenance.create()
    store.runs.start().finish()


def test_the_setting_is_auto_or_never() -> None:
    """Anything else is refused, also as an option."""
    assert read_settings({}).create
    assert read_settings({"HOLDALL_CREATE": "auto"}).create
    assert not read_settings({"HOLDALL_CREATE": "Never"}).create
    with pytest.raises(ValueError, match="HOLDALL_CREATE='no' is neither auto nor never"):
        read_settings({"HOLDALL_CREATE": "no"})
    with pytest.raises(ValueError, match="create='no' is neither true nor false"):
        Store.open("memory://x", {"create": "no"})
    assert not issubclass(StoreNotFoundError, StorageError)
