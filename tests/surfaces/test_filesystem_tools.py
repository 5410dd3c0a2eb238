"""The tools that the guide names read a store as it says, each by its own line there, where it is installed.

Those that CI does not install have the marker `doors`.
"""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
import pytest
from tests.support.filesystems import filesystem_of

from holdall.store import Run, Store

PAGE = Path(__file__).parents[2] / "src/holdall/guide/files.md"
ROWS = 3000
TOTAL = sum(range(ROWS))
LINES = dict(re.findall(r"^\| ([^|`]+) \| `([^`]+)` \|$", PAGE.read_text(), re.MULTILINE))
DOORS = {"duckdb", "xarray", "zarr", "datasets", "upath"}

# What each line has read, as a sum, a count or names.
READ: dict[str, tuple[Callable[[Any], object], object]] = {
    "pandas": (lambda found: found["a"].sum(), TOTAL),
    "PyArrow": (lambda found: found["a"].to_numpy().sum(), TOTAL),
    "PyArrow, data sets": (lambda found: found["a"].to_numpy().sum(), TOTAL),
    "Polars": (lambda found: found["a"].sum(), TOTAL),
    "Polars, one file": (lambda found: found["a"].sum(), TOTAL),
    "DuckDB": (lambda found: sum(row[0] for row in found), TOTAL),
    "xarray": (lambda found: float(found["v"].sum()), 4950.0),
    "Zarr": (lambda found: float(found["v"][:].sum()), 4950.0),
    "Hugging Face datasets": (lambda found: sum(row["a"] for row in found), TOTAL),
    "PyTorch": (lambda found: float(found["w"].sum()), 45.0),
    "safetensors": (lambda found: float(found["w"].sum()), 45.0),
    "joblib": (lambda found: found, {"depth": 3}),
    "NumPy": (lambda found: float(found.sum()), 4950.0),
    "pathlib, by universal-pathlib": (lambda found: sorted(path.name for path in found), ["0.parquet", "1.parquet"]),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store.open(str(tmp_path_factory.mktemp("store")), workers=0)


@pytest.fixture(scope="module")
def run(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = store.runs.start()
    half = ROWS // 2
    for path, rows in (
        ("sales.parquet", range(ROWS)),
        ("parts/0.parquet", range(half)),
        ("parts/1.parquet", range(half, ROWS)),
    ):
        file = io.BytesIO()
        pa.parquet.write_table(pa.table({"a": rows}), file, row_group_size=100)
        run.log_bytes(file.getvalue(), path)
    return run


def _saved(name: str, fs: Any, root: str) -> None:
    """Write what some tools read, by the file system itself."""
    if "grid.zarr" in LINES[name]:
        zarr = pytest.importorskip("zarr")
        group = zarr.group({}, zarr_format=2)
        grid = group.create_array("v", data=np.arange(100.0).reshape(10, 10), chunks=(5, 5))
        grid.attrs["_ARRAY_DIMENSIONS"] = ["x", "y"]
        for key, value in group.store._store_dict.items():
            fs.pipe(f"{root}/grid.zarr/{key}", value.to_bytes())
    with io.BytesIO() as file:
        if "weights.pt" in LINES[name]:
            torch = import_module("torch")
            torch.save({"w": torch.arange(10.0)}, file)
            fs.pipe(f"{root}/weights.pt", file.getvalue())
        elif "safetensors" in LINES[name]:
            fs.pipe(f"{root}/weights.safetensors", import_module("safetensors.numpy").save({"w": np.arange(10.0)}))
        elif "joblib" in LINES[name]:
            import_module("joblib").dump({"depth": 3}, file)
            fs.pipe(f"{root}/forest.joblib", file.getvalue())
        elif "numpy" in LINES[name]:
            np.save(file, np.arange(100.0))
            fs.pipe(f"{root}/grid.npy", file.getvalue())


def _modules(line: str) -> set[str]:
    found = {node.id for node in ast.walk(ast.parse(line)) if isinstance(node, ast.Name)}
    return found - {"fs", "R"}


def _case(name: str) -> Any:
    return pytest.param(name, marks=pytest.mark.doors if _modules(LINES[name]) & DOORS else [])


def _scope(line: str) -> dict[str, Any]:
    """The modules that a line names, those within them too; skips where one is not installed."""
    scope = {
        name: pytest.importorskip(name, reason=f"{name} is not installed: see the extra doors")
        for name in sorted(_modules(line))
    }
    for module in ("pyarrow.parquet", "pyarrow.dataset", "safetensors.numpy"):
        if module in line:
            import_module(module)
    return scope


@pytest.fixture
def fs(store: Store) -> Iterator[Any]:
    with filesystem_of(store):
        yield fsspec.filesystem("holdall")


def test_every_line_is_tried() -> None:
    """The table of the guide and that of this file are of the same tools."""
    assert sorted(LINES) == sorted(READ)
    assert len(LINES) >= 10


@pytest.mark.parametrize("name", [_case(name) for name in READ])
def test_a_tool_reads_by_its_line(name: str, fs: Any, run: Run) -> None:
    """It gives what was logged."""
    scope = _scope(LINES[name])
    _saved(name, fs, f"runs/{run.id}")
    scope |= {"fs": fs, "R": f"holdall://runs/{run.id}"}
    *first, last = ast.parse(LINES[name]).body
    assert isinstance(last, ast.Expr)
    exec(compile(ast.Module(first, []), str(PAGE), "exec"), scope)
    found = eval(compile(ast.Expression(last.value), str(PAGE), "eval"), scope)
    read, expected = READ[name]
    assert read(found) == expected


def test_what_cannot_work_says_so(fs: Any, run: Run) -> None:
    """Tools that know only the protocols built into them refuse a bare address by an error; `filesystem=` works."""
    with pytest.raises(pa.ArrowInvalid, match="Unrecognized filesystem type"):
        pa.parquet.read_table(f"holdall://runs/{run.id}/sales.parquet")
    found = pa.dataset.dataset(f"runs/{run.id}/parts", filesystem=fs)
    assert found.count_rows() == ROWS


@pytest.mark.doors
def test_threads_of_duckdb_share_a_file(fs: Any, run: Run) -> None:
    """Its threads seek and read one file object beside one another; each of many sums is right, of CSV too."""
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed: see the extra doors")
    rng = np.random.default_rng(0)
    table = pa.table({name: rng.integers(0, 1 << 40, 200_000) for name in "ab"})
    file = io.BytesIO()
    pa.parquet.write_table(table, file, row_group_size=5_000)
    fs.pipe(f"runs/{run.id}/big.parquet", file.getvalue())
    fs.pipe(f"runs/{run.id}/big.csv", b"a\n" + "\n".join(map(str, table["a"].to_pylist())).encode())
    sums = tuple(int(np.asarray(table[name]).sum()) for name in "ab")
    connection = duckdb.connect()
    connection.register_filesystem(fs)
    connection.execute("SET threads = 8")
    for _ in range(20):
        query = f"SELECT sum(a), sum(b) FROM 'holdall://runs/{run.id}/big.parquet'"
        assert connection.execute(query).fetchone() == sums
    for _ in range(5):
        query = f"SELECT sum(a) FROM 'holdall://runs/{run.id}/big.csv'"
        assert connection.execute(query).fetchone() == sums[:1]
    connection.execute(f"COPY (SELECT 42 AS x) TO 'holdall://runs/{run.id}/out.parquet' (FORMAT parquet)")
    assert pa.parquet.read_table(io.BytesIO(run.read("out.parquet"))).to_pydict() == {"x": [42]}


@pytest.mark.doors
def test_datasets_go_out_and_come_back(fs: Any, store: Store) -> None:
    """`save_to_disk` and `load_from_disk` take addresses."""
    datasets = pytest.importorskip("datasets", reason="datasets is not installed: see the extra doors")
    root = f"holdall://runs/{store.runs.start().id}/set"
    datasets.Dataset.from_dict({"a": [1, 2]}).save_to_disk(root)
    assert datasets.load_from_disk(root)["a"] == [1, 2]


@pytest.mark.doors
def test_paths_can_be_walked_and_written(fs: Any, run: Run) -> None:
    """By universal-pathlib, as those of pathlib."""
    upath = pytest.importorskip("upath", reason="universal-pathlib is not installed: see the extra doors")
    root = upath.UPath(f"holdall://runs/{run.id}")
    (root / "new" / "a.txt").write_text("hi")
    assert ((root / "new" / "a.txt").read_text(), (root / "new").is_dir(), (root / "no").exists()) == (
        "hi",
        True,
        False,
    )
    assert sorted(path.name for path in root.rglob("*.parquet") if path.parent.name == "parts") == [
        "0.parquet",
        "1.parquet",
    ]
