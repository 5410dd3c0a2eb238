"""Registered models, written from SPEC.md, "Registered models", alone."""

from __future__ import annotations

import hashlib
from typing import Any

from tests.golden.independent_reader import Run, manifest
from tests.golden.independent_writer import Json, Session, Store

PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.")


def escape(name: str) -> str:
    """Return a name as a part of a key: "Escape"."""
    plain = "".join(chr(byte) if byte in PLAIN else f"%{byte:02X}" for byte in name.encode())
    plain = "%2E" + plain[1:] if plain.startswith(".") else plain
    return plain if 0 < len(plain) <= 200 else "~" + hashlib.sha256(name.encode()).hexdigest()


def say(store: Store, log: str, *ops: Json) -> int:
    """Append an entry to a log that is no run's, or one to a run's that needs no session; return its number."""
    return Session(store, log).append(lambda _: ([*ops], [], None))


def create(store: Store, name: str) -> str:
    """Make a registered model, and return its log: "To create"."""
    id = store.random(16).hex()
    say(store, f"models/{id}", {"op": "create", "name": name})
    claim(store, name, id, at=0)
    return f"models/{id}"


def claim(store: Store, name: str, id: str, *, at: int) -> None:
    """Claim a name that nobody has claimed before."""
    log = f"names/{escape(name)}"
    assert not Run(store.root, log).entries, "whether another's claim stands is not looked at here"
    say(store, log, {"op": "create", "name": name}, {"op": "claim", "id": id, "at": at})


def add_version(store: Store, model: str, number: int, run: str, path: str) -> None:
    """Register what a run holds at a path: the run gets its pin first."""
    pin = f"{model}/{store.random(8).hex()}"
    say(store, f"runs/{run}", {"op": "pin", "pin": pin, "by": "a registered model", "path": path})
    held: dict[str, Any] = Run(store.root, f"runs/{run}").fold(0)
    below = {at.removeprefix(f"{path}/"): entry for at, entry in held.items() if at.startswith(f"{path}/")}
    files = {at: entry for at, entry in below.items() if entry[0] != "directory"}
    digest = "sha256:" + hashlib.sha256(manifest(files).encode()).hexdigest()
    told = {"source": f"runs:/{run}/{path}", "run": run, "path": path, "digest": digest, "pin": pin}
    unknown = {"user": None, "run_link": None, "model_id": None}
    say(store, model, {"op": "version", "version": number, **told, **unknown})


def rename(store: Store, model: str, old: str, new: str) -> None:
    """Give a model a name that nobody has claimed before: "To rename"."""
    id, at = model.removeprefix("models/"), len(Run(store.root, model).entries) - 1
    claim(store, new, id, at=at)
    say(store, model, {"op": "name", "name": new})
    say(store, f"names/{escape(old)}", {"op": "release", "id": id})
