"""The documents' examples of models: they run with the import lines changed, and nothing else."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_iris

import holdall
from holdall.surfaces.fluent import active

IMPORTS = """
import holdall as mlflow
import holdall.sklearn
from holdall.models import infer_signature
"""


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[holdall.Store]:
    """A folder to be in, and a store."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.csv").write_text("a,b\n")
    yield holdall.set_store(str(tmp_path / "store"))
    while holdall.active_run():
        holdall.end_run()
    active._state.store = active._state.last = None


def run(example: str, **given: Any) -> dict[str, Any]:
    """What an example leaves behind, its import lines replaced by ours."""
    lines = textwrap.dedent(example)
    replaced = re.sub(r"^(import mlflow.*|from mlflow.*)\n", "", lines, flags=re.MULTILINE)
    exec(IMPORTS + replaced, names := dict(given))
    return names


def test_a_tree_with_its_signature(capsys: pytest.CaptureFixture[str]) -> None:
    """The second example: logged by name, loaded by the address that it prints."""
    names = run("""
        import mlflow
        import mlflow.sklearn
        from mlflow.models import infer_signature
        from sklearn.datasets import load_iris
        from sklearn.tree import DecisionTreeClassifier

        with mlflow.start_run():
            iris = load_iris()
            model = DecisionTreeClassifier()
            model.fit(iris.data, iris.target)
            signature = infer_signature(iris.data, model.predict(iris.data))

            model_info = mlflow.sklearn.log_model(
                model,
                name="iris_classifier",
                signature=signature,
            )
            print(f"Model URI: {model_info.model_uri}")
    """)
    uri = capsys.readouterr().out.split()[-1]
    data = names["iris"].data
    expected = names["model"].predict(data).tolist()
    assert holdall.sklearn.load_model(uri).predict(data).tolist() == expected
    assert holdall.load_model(uri).predict(data).tolist() == expected
    loaded = holdall.pyfunc.load_model(uri)
    assert loaded.predict(data).tolist() == expected
    assert loaded.metadata.signature == names["signature"]


def test_a_forest_that_is_registered() -> None:
    """The third example, with the data that it leaves undefined."""
    data, target = load_iris(return_X_y=True)
    names = run(
        """
        import mlflow
        import mlflow.sklearn
        from sklearn.ensemble import RandomForestClassifier

        with mlflow.start_run():
            model = RandomForestClassifier(n_estimators=100)
            model.fit(X_train, y_train)

            mlflow.sklearn.log_model(
                model,
                name="rf_model",
                registered_model_name="production-classifier",
            )
    """,
        X_train=data,
        y_train=target,
    )
    loaded = holdall.sklearn.load_model("models:/production-classifier/1")
    assert loaded.predict(data).tolist() == names["model"].predict(data).tolist()


def test_the_quizzes_model_of_any_kind() -> None:
    """Question 3 and 5: `log_model(model, 'model')` picks the flavor; without a model it is Python's error."""
    example = """
        import mlflow
        with mlflow.start_run():
            mlflow.log_artifact('data.csv')
            mlflow.log_model(model, 'model')
        print('Run finished')
    """
    with pytest.raises(NameError, match="model"):
        run(example)
    from sklearn.linear_model import LogisticRegression

    data, target = load_iris(return_X_y=True)
    names = run(example, model=LogisticRegression(max_iter=1000).fit(data, target))
    last = holdall.last_active_run()
    assert last is not None
    assert {"data.csv", "model/MLmodel"} <= last.manifest.keys()
    loaded = holdall.load_model(f"runs:/{last.run_id}/model")
    assert loaded.predict(data).tolist() == names["model"].predict(data).tolist()


def test_artifact_path_is_the_old_name_of_name() -> None:
    """It works, and warns; both at once are refused; and a model has the id that its run gives it."""
    with holdall.start_run() as active_run:
        with pytest.warns(FutureWarning, match="artifact_path is called name now"):
            info = holdall.pyfunc.log_model("old", python_model=abs)
        assert info.artifact_path == "old"
        with pytest.raises(ValueError, match="give name"):
            holdall.pyfunc.log_model("old", name="new", python_model=abs)
        with pytest.raises(ValueError, match="leave model_id out"):
            holdall.pyfunc.log_model(name="new", model_id="m-1", python_model=abs)
        assert holdall.models.get_model_info(info.model_uri).model_id == info.model_id
        assert [each.model_id for each in holdall.models.list_models(active_run.run_id)] == [info.model_id]


@pytest.mark.parametrize(("policy", "admitted"), [("any", True), ("same-store", True), ("listed", False)])
def test_the_environment_says_whose_models_may_run_code(
    policy: str, admitted: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`HOLDALL_TRUST`, and `HOLDALL_TRUSTED` with the digest that the error names, said or in a file."""
    with holdall.start_run():
        info = holdall.pyfunc.log_model(name="model", python_model=abs)
    monkeypatch.setenv("HOLDALL_TRUST", policy)
    if admitted:
        assert holdall.pyfunc.load_model(info.model_uri).predict(-1) == 1
        return
    with pytest.raises(holdall.errors.UntrustedModelError, match=r"python_model\.pkl can run any code") as caught:
        holdall.load_model(info.model_uri)
    (tmp_path / "trusted").write_text(f"# mine\n{caught.value.digest}  of Ada\n")
    for listed in (caught.value.digest, str(tmp_path / "trusted")):
        monkeypatch.setenv("HOLDALL_TRUSTED", listed)
        assert holdall.pyfunc.load_model(info.model_uri).predict(-1) == 1


def test_without_a_policy_one_warning_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Once for each process; none for who chose."""
    from holdall.modeling.loading import trust

    monkeypatch.setattr(trust, "_warned", False)
    with holdall.start_run():
        info = holdall.pyfunc.log_model(name="model", python_model=abs)
    monkeypatch.setenv("HOLDALL_TRUST", "any")
    holdall.load_model(info.model_uri)
    assert caplog.text == ""
    monkeypatch.delenv("HOLDALL_TRUST")
    holdall.load_model(info.model_uri)
    holdall.load_model(info.model_uri)
    assert caplog.text.count("HOLDALL_TRUST=same-store") == 1
