"""The documents that holdall was made from: their examples run with the import changed, and nothing else."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

import holdall
from holdall.errors import NoActiveRunError, UnsupportedFileError
from holdall.surfaces.fluent import active


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[holdall.Store]:
    """A folder with the files that the documents speak of, and a store."""
    monkeypatch.chdir(tmp_path)
    for name in ("data.csv", "file1.txt", "file2.txt", "output.txt", "path/to/file.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    yield holdall.set_store(str(tmp_path / "store"))
    while holdall.active_run():
        holdall.end_run()
    active._state.store = active._state.last = None


def run(example: str) -> dict[str, str]:
    """Run an example as a script that imports holdall as mlflow; what its last run then holds."""
    exec("import holdall as mlflow\n" + textwrap.dedent(example), {})
    last = holdall.last_active_run()
    return last.manifest if last else {}


def test_a_text_file_is_logged_as_the_first_document_does() -> None:
    """The first example of `log_artifact`."""
    held = run("""
        import tempfile
        from pathlib import Path
        # Log a text file as an artifact
        with mlflow.start_run():
            features = "rooms, zipcode, median_price, school_rating, transport"
            with tempfile.TemporaryDirectory() as tmp_dir:
                path = Path(tmp_dir, "features.txt")
                path.write_text(features)
                mlflow.log_artifact(path)
    """)
    assert held.keys() == {"features.txt"}


def test_one_file_in_a_run() -> None:
    """Question 2: a single file is logged with `log_artifact`."""
    held = run("""
        with mlflow.start_run():
            mlflow.log_artifact('path/to/file.txt')
    """)
    assert held.keys() == {"file.txt"}


def test_several_files_in_one_run() -> None:
    """Question 5: `log_artifact` for each file, inside of a run."""
    held = run("""
        with mlflow.start_run():
            mlflow.log_artifact('file1.txt')
            mlflow.log_artifact('file2.txt')
    """)
    assert held.keys() == {"file1.txt", "file2.txt"}


def test_without_a_run_the_error_teaches() -> None:
    """Question 4: no run was started, and the error says so and what to do."""
    with pytest.raises(NoActiveRunError, match="no active run") as caught:
        run("mlflow.log_artifact('output.txt')")
    assert "start_run" in caught.value.hint


@pytest.mark.parametrize(
    ("line", "error", "lesson"),
    [
        (
            "mlflow.log_artifacts('path/to/file.txt')",
            UnsupportedFileError,
            "not a folder; log one file with log_artifact",
        ),
        ("mlflow.log('path/to/file.txt')", AttributeError, "did you mean 'log_"),
        ("mlflow.log_artifact(['file1.txt', 'file2.txt'])", TypeError, "call log_artifact for each file"),
        ("mlflow.log_artifacts(['file1.txt', 'file2.txt'])", TypeError, "call log_artifact for each file"),
        ("mlflow.log_artifact('missing.txt')", holdall.HoldallError, "missing.txt: cannot be read: No such file"),
    ],
)
def test_the_wrong_answers_fail_with_errors_that_teach(line: str, error: type[Exception], lesson: str) -> None:
    """What the questions call wrong is refused, and the message names the remedy."""
    with pytest.raises(error, match=lesson):
        run(f"with mlflow.start_run():\n    {line}")
    last = holdall.last_active_run()
    assert last is not None
    assert last.manifest == {}


def test_content_once_logged_never_changes() -> None:
    """The second document's principle: the same path in the same run cannot be overwritten."""
    with pytest.raises(holdall.errors.ArtifactExistsError):
        run("""
            with mlflow.start_run():
                mlflow.log_artifact('output.txt', 'plots')
                open('output.txt', 'w').write('other')
                mlflow.log_artifact('output.txt', 'plots')
        """)
