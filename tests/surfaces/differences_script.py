"""What holdall does otherwise than MLflow, on purpose; `test_like_mlflow.py` runs this text twice.

Once as it stands, and once with its one `import mlflow` replaced. What it saw
is written to `differs.json` in the folder that it runs in.
"""

import json
import os
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow

seen = {}


def outcome(work, *args, **kwargs):
    """The name of what a call raises; None if it raises nothing."""
    try:
        work(*args, **kwargs)
    except Exception as error:
        return type(error).__name__
    return None


def paths(folder):
    """All that is in a local folder, with where links lead and how long files are."""
    return {
        path.relative_to(folder).as_posix(): os.readlink(path)
        if path.is_symlink()
        else "a folder"
        if path.is_dir()
        else path.stat().st_size
        for path in sorted(Path(folder).rglob("*"))
    }


# --- what a run holds never changes ---------------------------------------------

with mlflow.start_run() as run:
    uri = f"runs:/{run.info.run_id}"
    mlflow.log_text("one", "a.txt")
    seen["the same again"] = outcome(mlflow.log_text, "one", "a.txt")
    seen["other content"] = outcome(mlflow.log_text, "two", "a.txt")
seen["what is there then"] = mlflow.artifacts.load_text(f"{uri}/a.txt")

# --- no run behind the user's back ----------------------------------------------

verbs = {
    "log_param": (mlflow.log_param, "rate", 0.1),
    "log_metric": (mlflow.log_metric, "loss", 0.5),
    "set_tag": (mlflow.set_tag, "kind", "x"),
    "log_text": (mlflow.log_text, "x", "x.txt"),
}
for name, call in verbs.items():
    seen[f"{name} without a run"] = [outcome(*call), mlflow.active_run() is not None]
    mlflow.end_run()

# --- rows are not lost ----------------------------------------------------------

with mlflow.start_run() as run:
    table = run.info.run_id
with ThreadPoolExecutor(8) as pool:
    list(pool.map(lambda n: outcome(mlflow.log_table, {"n": [n]}, "rows.json", run_id=table), range(8)))
try:
    seen["rows of eight appends at once"] = sorted(map(int, mlflow.load_table("rows.json", run_ids=[table])["n"]))
except Exception as error:  # eight who rewrite one file may leave half of one
    seen["rows of eight appends at once"] = type(error).__name__
with mlflow.start_run():
    seen["columns of uneven length"] = outcome(mlflow.log_table, {"a": [1], "b": [1, 2]}, "uneven.json")

# --- a folder comes back as it was ----------------------------------------------

Path("tree/data").mkdir(parents=True)
Path("tree/nothing").mkdir()
Path("tree/data/real.bin").write_bytes(b"0123456789")
Path("tree/file link").symlink_to("data/real.bin")
Path("tree/folder link").symlink_to("data")
with mlflow.start_run() as run:
    mlflow.log_artifacts("tree", "tree")
back = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="tree", dst_path="back")
seen["a folder"] = {"was": paths("tree"), "is": paths(back)}

# --- all or nothing -------------------------------------------------------------

Path("half/deep").mkdir(parents=True)
Path("half/a.txt").write_text("good")
Path("half/deep/b.txt").write_text("good")
os.mkfifo("half/pipe")
with mlflow.start_run() as run:
    failed = outcome(mlflow.log_artifacts, "half")
left = [info.path for info in mlflow.artifacts.list_artifacts(run_id=run.info.run_id)]
seen["a folder that cannot be logged"] = [failed is not None, left]

# --- what comes back is what was logged -----------------------------------------

payload = random.Random(0).randbytes(100_000)
Path("payload.bin").write_bytes(payload)
with mlflow.start_run() as run:
    mlflow.log_artifact("payload.bin")
Path("payload.bin").unlink()
for file in filter(Path.is_file, Path().rglob("*")):
    at = file.read_bytes().find(payload[5000:5100])
    if at >= 0:
        with file.open("r+b") as stored:
            stored.seek(at)
            stored.write(bytes([payload[5000] ^ 1]))
fetch = {"run_id": run.info.run_id, "artifact_path": "payload.bin", "dst_path": "fetched"}
raised = outcome(mlflow.artifacts.download_artifacts, **fetch)
fetched = Path("fetched/payload.bin")
seen["a flipped bit"] = [raised, fetched.exists() and fetched.read_bytes() != payload]

Path("differs.json").write_text(json.dumps(seen))
