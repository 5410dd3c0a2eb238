"""No credential reaches the store, whatever it was mistaken for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from holdall.format.codec import decode
from holdall.format.entry import parse_entry
from holdall.format.layout import parse_key
from holdall.format.pack import parse_pack
from holdall.storage.local import LocalBucket
from holdall.store import Store

SECRET = "correct-horse-battery-staple"
SCRIPT = """
import logging
logging.basicConfig(level=logging.DEBUG)
import holdall
with holdall.start_run() as run:
    holdall.log_param("rate", 0.1)
    holdall.log_text("harmless " * 20_000, "notes.txt")
print(run.id)
"""


def everything(store: Path) -> bytes:
    """All bytes of a store, as they are and decoded."""
    bucket, found = LocalBucket(store), []
    for info in bucket.list():
        data, key = bucket.get(info.key), parse_key(info.key)
        found += [info.key.encode(), data]
        if key and key.kind == "log":
            blobs = parse_entry(data, key.log, key.number).blobs
            found += [decode(blob.codec, blob.data, blob.raw) for blob in blobs]
        elif key and key.kind == "pack":
            rows = parse_pack(data, info.key).rows
            found += [decode(row.codec, data[row.offset : row.offset + row.stored], row.raw) for row in rows]
    return b"\n".join(found)


def test_a_planted_secret_is_nowhere_in_the_store_or_the_logs(tmp_path: Path) -> None:
    """In arguments, a git remote, a direct requirement and the environment: masked before anything is written."""
    work, packages = tmp_path / "work", tmp_path / "packages"
    work.mkdir()
    (work / "train.py").write_text(SCRIPT)
    for words in (["init", "-q"], ["remote", "add", "origin", f"https://me:{SECRET}@example.org/repo.git"]):
        subprocess.run(["git", *words], cwd=work, check=True)
    info = packages / "planted-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1.0\n")
    url = f'{{"url": "https://me:{SECRET}@example.org/p.git", "vcs_info": {{"vcs": "git", "commit_id": "abc"}}}}'
    (info / "direct_url.json").write_text(url)
    environment = os.environ | {
        "HOLDALL_STORE": str(tmp_path / "store"),
        "PYTHONPATH": str(packages),
        "MY_TOKEN": SECRET,
    }
    words = [
        "--api-key",
        SECRET,
        f"--db_password={SECRET}",
        f"https://u:{SECRET}@host/x",
        f"TOKEN={SECRET}",
        "--rate",
        "7",
    ]
    command = [sys.executable, "train.py", *words]
    done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    written = everything(tmp_path / "store")
    assert b"harmless harmless" in written
    assert SECRET.encode() not in written
    assert SECRET not in done.stdout + done.stderr
    recorded = Store.open(str(tmp_path / "store")).runs.get(done.stdout.split()[-1]).environment
    assert recorded["process"]["command"][-2:] == ["--rate", "7"]
    assert "planted" in recorded["distributions"]
