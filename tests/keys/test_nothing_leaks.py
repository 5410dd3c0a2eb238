"""Nothing of what an encrypted store holds is in the bucket, in a cache, in a temporary file or in a log line.

A process does all that users do, with one word in every name, text and file (`tests/support/leaking.py`). Afterwards
that word, and windows of what does not compress, are looked for in every object and in every file that was written or
deleted: as they are, in UTF-16, hex and base64, and in whatever is a zstd frame; and the digests of contents and names.
"""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard
from blake3 import blake3
from tests.support.leaking import SMALL, WORD, contents, large, names, noise
from tests.support.servers import ROOT

import holdall

_MAGIC = b"\x28\xb5\x2f\xfd"


def spellings(secret: bytes) -> Iterator[bytes]:
    """All ways to write some bytes that are looked for; in base64 they may begin at each of three places."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    for before in range(3):
        inside = base64.b64encode(bytes(before) + secret)[-(-before * 8 // 6) :]
        yield inside[: len(inside) // 4 * 4 - 4]
    if secret.isascii():
        yield secret.decode().encode("utf-16-le")
        yield secret.decode().encode("utf-16-be")
        yield secret.title()


def needles() -> dict[bytes, str]:
    """What must be nowhere, and what it is."""
    found = dict.fromkeys(spellings(WORD.encode()), "the word")
    for n, content in enumerate(contents()):
        for at in (0, len(content) // 3, len(content) - 20):
            found |= dict.fromkeys(spellings(content[at : at + 20]), f"content {n} at {at}")
    digested = [*contents(), *(name.encode() for name in names())]
    for data in digested:
        for digest in (hashlib.sha256(data).digest(), blake3(data).digest()):
            found |= dict.fromkeys(spellings(digest), f"digest of {data[:30]!r}")
            found[digest.hex()[:16].encode()] = f"id of {data[:30]!r}"
    return found


def unpacked(data: bytes) -> Iterator[bytes]:
    """Some bytes, and what the zstd frames anywhere in them hold."""
    yield data
    at = data.find(_MAGIC)
    while at >= 0:
        with suppress(zstandard.ZstdError):
            yield from unpacked(zstandard.ZstdDecompressor().decompressobj().decompress(data[at:]))
        at = data.find(_MAGIC, at + 1)


def first_line(path: Path) -> str:
    """What a file in the graveyard says of where it was."""
    return path.read_bytes().partition(b"\n")[0].decode("latin-1")


def may_be_open(path: Path) -> bool:
    """Whether a file that went was the user's own, or one that a library saved a model in, for `log_model`."""
    own = (f"/{WORD}/files/downloaded/", "/tmp/holdall-")
    return path.parent.name == "graveyard" and first_line(path).startswith(own)


def leaks(folder: Path, looked: dict[bytes, str]) -> tuple[list[str], int]:
    """What is found below a folder, in names and in bytes; and how many bytes were looked at."""
    found, size = [], 0
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not may_be_open(path)):
        name = path.relative_to(folder).as_posix()
        for data in unpacked(name.encode() + b"\n" + path.read_bytes()):
            size += len(data)
            found += [f"{what} in {name}" for needle, what in looked.items() if needle in data]
    return found, size


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an encrypted store in which everything was done, and all that was written beside it."""
    root = tmp_path_factory.mktemp("scene")
    files = root / WORD / "files"
    (files / WORD).mkdir(parents=True)
    for name, data in ((f"{WORD}.txt", large("text")), ("a.bin", noise(1)), ("b.bin", noise(2)), ("c.txt", SMALL)):
        (files / WORD / name).write_bytes(data)
    for folder in ("tmp", "home", "cache", "graveyard"):
        (root / folder).mkdir()
    key = root / "key"
    key.write_text("AGE-SECRET-KEY-1GPQ5YS6YG4RYWJZFFF95CN2WFAG9Z5JN2324V46CT9D9KHZATE0S5FAZ64\n")
    url = f"file://{root}/store"
    holdall.open(url, unlock=holdall.Unlock(identities=(key,))).maintenance.create(encrypt=True)
    env = {**os.environ, "HOLDALL_IDENTITY": str(key), "HOLDALL_WORKERS": "2", "HOLDALL_PROGRESS": "off"}
    env |= {"TMPDIR": f"{root}/tmp", "HOME": f"{root}/home", "XDG_CACHE_HOME": f"{root}/cache", "USER": f"{WORD}-user"}
    env |= {"GRAVEYARD": f"{root}/graveyard", "LOGGED": f"{root}/log.txt"}
    (root / "sitecustomize.py").write_text("import tests.support.graveyard\n")  # in worker processes too
    env |= {"PYTHONPATH": f"{root}:{ROOT}/src:{ROOT}", "SCENE": str(root)}
    env |= {"LOGNAME": f"{WORD}-user", "HOLDALL_STAT_CACHE": "on"}
    for act, code in (("everything", 0), ("killed", 9)):
        command = [sys.executable, "-m", "tests.support.leaking", act, url, str(files)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, cwd=root / WORD, timeout=300)
        assert done.returncode == code, done.stderr[-3000:]
    return root


def test_the_search_finds_what_is_in_the_open(tmp_path: Path) -> None:
    """In each spelling, in a frame in a frame, and in a name: else finding nothing would mean nothing."""
    looked = needles()
    frame = zstandard.ZstdCompressor().compress(b"before " + WORD.encode() + b" behind " + noise(1)[60_000:70_000])
    for n, data in enumerate((*spellings(b"xx" + WORD.encode() + b"yy"), b"junk" + frame, noise(1), bytes(3) + SMALL)):
        (tmp_path / f"{n}").write_bytes(data)
        assert leaks(tmp_path, looked)[0], f"{n}: {data[:50]!r}"
        (tmp_path / f"{n}").unlink()
    (tmp_path / f"a-{WORD}-b").touch()
    assert leaks(tmp_path, looked)[0]


@pytest.mark.parametrize("part", ["store", "cache", "tmp", "home", "graveyard"])
def test_nothing_of_it_is_anywhere(scene: Path, part: str, record_property: Callable[[str, object], None]) -> None:
    """Not in an object or a key, not in a cache, not in a temporary file while it was there."""
    looked = needles()
    found, size = leaks(scene / part, looked)
    assert found == []
    record_property("counted", f"{part}: {len(looked)} spellings looked for in {size} bytes")


def test_only_a_model_is_in_a_temporary_folder(scene: Path) -> None:
    """What a library saves before it is logged is all that lay open there, and all of it went; the guide says so."""
    gone = [first_line(path) for path in (scene / "graveyard").iterdir()]
    (saved,) = {line.split("/")[2] for line in gone if line.startswith("/tmp/holdall-")}
    assert not (scene / "tmp" / saved).exists()
    assert [line for line in gone if line.startswith("a file without a name")] == []


def test_log_lines_say_nothing_of_it(scene: Path) -> None:
    """Whatever is logged for support names objects, not what they hold."""
    assert [line for line in (scene / "log.txt").read_text().splitlines() if WORD in line] == []
