"""What is copied beside a model, or out of a store, brings nothing along that lies elsewhere."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.support.stores import tiny_store

from holdall.errors import ContentError, DestinationError, SourceError, UnsupportedFileError
from holdall.format.tree import Kind
from holdall.modeling.files.copying import copy_local
from holdall.modeling.python_model import PythonModel
from holdall.modeling.saving.exporting import write_out
from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.store import Store


class Same(PythonModel):
    """Predicts what it is given."""

    def predict(self, context: Any, model_input: Any) -> Any:  # `params` may be left out
        return model_input


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with code in it, a link to an ancestor, one to a file, one to nothing; and a secret beside it."""
    folder = tmp_path / "given"
    (folder / "deep").mkdir(parents=True)
    (folder / "code.py").write_text("def _load_pyfunc(path): return None\n")
    (folder / "deep/loop").symlink_to("..")
    (folder / "deep/self").symlink_to(".")
    (folder / "deep/file").symlink_to("../code.py")
    (folder / "nothing").symlink_to("deep/not there")
    (folder / "round").symlink_to("round")
    (tmp_path / "secret").write_text("secret")
    return folder


GIVEN: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    "artifacts": lambda folder: {"model": Same(), "artifacts": {"it": str(folder)}},
    "code_paths": lambda folder: {"model": Same(), "code_paths": [str(folder)]},
    "data_path": lambda folder: {"model": None, "loader_module": "code", "data_path": str(folder)},
}


@pytest.mark.parametrize("target", ["../secret", "/etc/passwd", "deep/../../secret", "deep/loop/../secret"])
@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("depth", ["", "deep/"])
def test_a_link_that_leaves_what_is_given_is_refused(
    store: Store, run: Run, folder: Path, tmp_path: Path, given: str, target: str, depth: str
) -> None:
    """The error names it, nothing is logged and nothing is saved, whichever argument brought it."""
    place = folder / f"{depth}evil"
    place.symlink_to(f"../{target}" if depth and not target.startswith("/") else target)
    log = partial(store.models.log, run, name="m", flavor="python_function")
    save = partial(store.models.save, path=tmp_path / "saved", flavor="python_function")
    for verb in (log, save):
        with pytest.raises(UnsupportedFileError) as caught:
            verb(**GIVEN[given](folder))
        assert caught.value.path == str(place)
    assert not run.manifest
    assert not (tmp_path / "saved").exists()


@pytest.mark.parametrize("given", GIVEN)
def test_links_that_stay_inside_are_kept(store: Store, run: Run, folder: Path, tmp_path: Path, given: str) -> None:
    """Also those to an ancestor, to themselves and to nothing: they are links in the run, and no walk is endless."""
    store.models.log(run, name="m", flavor="python_function", **GIVEN[given](folder))
    links = {entry.path: entry.target for entry in run.entries() if entry.kind is Kind.LINK}
    top = next(path for path in links if path.endswith("deep/loop")).removesuffix("deep/loop")
    names = {
        "deep/loop": "..",
        "deep/self": ".",
        "deep/file": "../code.py",
        "nothing": "deep/not there",
        "round": "round",
    }
    assert links == {top + name: target for name, target in names.items()}
    run.download("m", tmp_path / "to")
    assert (tmp_path / "to" / top / "deep/file").read_text() == (folder / "code.py").read_text()


def test_every_walk_ends_where_links_lead_up(run: Run, folder: Path, tmp_path: Path) -> None:
    """Logged, listed, fetched, compared and logged again."""
    run.log_artifacts(folder, "it")
    run.download("it", tmp_path / "to")
    again = tiny_store(MemoryBucket()).runs.start()
    again.log_artifact(tmp_path / "to/it")
    assert again.manifest_text == run.manifest_text
    assert not run.diff(None, again, None)


def test_a_file_that_is_given_by_a_link_is_what_it_leads_to(store: Store, run: Run, tmp_path: Path) -> None:
    """Its user named it; only what a folder holds is not followed."""
    (tmp_path / "real.bin").write_bytes(b"content")
    (tmp_path / "given.bin").symlink_to("real.bin")
    store.models.log(run, Same(), "m", artifacts={"it": str(tmp_path / "given.bin")})
    assert run.read("m/artifacts/given.bin") == b"content"


def test_the_executable_bit_comes_along(tmp_path: Path) -> None:
    """Of a file alone, and of one in a folder; what Python compiled does not."""
    (tmp_path / "from/__pycache__").mkdir(parents=True)
    for name in ("run.sh", "data", "x.pyc", "__pycache__/y"):
        (tmp_path / "from" / name).write_text(name)
    (tmp_path / "from/run.sh").chmod(0o755)
    copy_local(tmp_path / "from", tmp_path / "to")
    copy_local(tmp_path / "from/run.sh", tmp_path / "deep/alone.sh")
    found = {path.name: bool(path.stat().st_mode & 0o100) for path in (tmp_path / "to").iterdir()}
    assert found == {"run.sh": True, "data": False}
    assert (tmp_path / "deep/alone.sh").stat().st_mode & 0o100


def test_a_copy_is_not_written_below_a_link(tmp_path: Path, folder: Path) -> None:
    """Of what stands at the target already."""
    (tmp_path / "to").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "to/deep").symlink_to(tmp_path / "outside")
    with pytest.raises(DestinationError, match="below a link"):
        copy_local(folder, tmp_path / "to")
    assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.parametrize("form", ["", ".tar", ".tgz", ".zip"])
@pytest.mark.parametrize("target", ["../secret", "../elsewhere"])
def test_what_is_exported_holds_no_link_that_leaves_it(
    store: Store, run: Run, tmp_path: Path, form: str, target: str
) -> None:
    """Of the run it may be inside; of the model it is not: refused by its path, and nothing is written."""
    store.models.log(run, Same(), "m")
    (tmp_path / "link").symlink_to("x")
    (tmp_path / "logged/m").mkdir(parents=True)
    (tmp_path / "logged/m/evil").symlink_to(target)
    (tmp_path / "logged/secret").write_text("secret")
    run.log_artifacts(tmp_path / "logged")
    with pytest.raises(ContentError, match="'evil' leads out"):
        store.models.export(f"runs:/{run.id}/m", tmp_path / f"out/model{form}")
    with pytest.raises(UnsupportedFileError, match="m/evil") as caught:  # whoever looked at the folder before
        write_out(tmp_path / "logged/m", tmp_path / f"out/model{form}")
    assert "nothing was exported" in caught.value.hint
    assert not list((tmp_path / "out").rglob("*")) if (tmp_path / "out").exists() else True


def test_a_tar_keeps_links_and_a_zip_has_what_they_lead_to(tmp_path: Path, folder: Path) -> None:
    """Either can be unpacked by Python's own means, as strictly as those can be."""
    assert write_out(folder, tmp_path / "it.tar") == 2
    with tarfile.open(tmp_path / "it.tar") as archive:
        archive.extractall(tmp_path / "untarred", filter="data")
    assert (tmp_path / "untarred/deep/loop").readlink() == Path("..")
    assert (tmp_path / "untarred/deep/file").read_text() == (folder / "code.py").read_text()
    for name in ("deep/loop", "deep/self", "nothing", "round"):
        with pytest.raises(UnsupportedFileError, match="a zip cannot hold a link"):
            write_out(folder, tmp_path / "it.zip")
        (folder / name).unlink(missing_ok=True)
    (folder / "empty").mkdir()
    assert write_out(folder, tmp_path / "it.zip") == 2
    with zipfile.ZipFile(tmp_path / "it.zip") as packed:
        packed.extractall(tmp_path / "unzipped")
    assert (tmp_path / "unzipped/deep/file").read_text() == (folder / "code.py").read_text()
    assert (tmp_path / "unzipped/empty").is_dir()
    assert list(tmp_path.glob("*.partial")) == []


def test_an_archive_may_have_the_longest_name(tmp_path: Path, folder: Path) -> None:
    """255 bytes, its extension with them."""
    write_out(folder, tmp_path / ("n" * 251 + ".tar"))
    assert tarfile.is_tarfile(tmp_path / ("n" * 251 + ".tar"))


def test_a_model_that_is_a_link_leads_nowhere(store: Store, run: Run, tmp_path: Path) -> None:
    """Exported by its path, a link to a folder of the run is not what lies elsewhere on this disk."""
    (tmp_path / "logged/real").mkdir(parents=True)
    (tmp_path / "logged/real/x").write_text("x")
    (tmp_path / "logged/m").symlink_to("real")
    run.log_artifacts(tmp_path / "logged")
    with pytest.raises((SourceError, LookupError, ValueError)):
        store.models.export(f"runs:/{run.id}/m", tmp_path / "out")
