"""The state of a run's log, written from SPEC.md, "Logs" and "State and checkpoints", alone."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
SUMS = ("files", "bytes", "new_bytes", "stored_bytes", "again_bytes")


def state_of(entries: list[Json]) -> Json:
    """Return what some entries amount to: all fields of a checkpoint but `tree` and `inline`."""
    state: Json = dict.fromkeys(SUMS, 0)
    state |= {"status": "RUNNING", "deleted": False, "purged": False, "ended": None, "environment": None}
    state |= {"params": {}, "tags": {}, "metrics": {}, "pins": {}, "pinned": {}, "batches": []}
    state |= {"sessions": set(), "fences": set()}
    for n, entry in enumerate(entries):
        for op in entry["ops"]:
            _happen(state, op, n, entry["time"])
            _note(state, op, n)
    state |= {name: sorted(state[name]) for name in ("sessions", "fences")}
    state["extremes"] = extremes_of(entries)
    return {name: value for name, value in state.items() if value or name not in ("again_bytes", "extremes", "pinned")}


def series_of(entries: list[Json]) -> Json:
    """Return what a block says of some entries: of each key its values, steps and times."""
    found: Json = {}
    for op in (op for entry in entries for op in entry["ops"] if op["op"] == "metric"):
        for key, *point in op["points"]:
            for column, value in zip(found.setdefault(key, [[], [], []]), point, strict=True):
                column.append(value)
    return found


def extremes_of(entries: list[Json]) -> Json:
    """Return the least and the greatest value of each metric that was measured more than once, and how often."""
    found: Json = {}
    for key, (values, _, _) in series_of(entries).items():
        numbers = [value for value in values if value != "nan"] or values
        if len(values) > 1:
            found[key] = [min(numbers, key=float), max(numbers, key=float), len(values)]
    return found


def _happen(state: Json, op: Json, n: int, time: int) -> None:
    """Apply an op that says what was done: by whom, when, with how many bytes."""
    match op:
        case {"op": "create"}:
            state |= {"experiment": op["experiment"], "started": time}
        case {"op": "commit"}:
            state |= {name: state[name] + op.get(name, 0) for name in SUMS}
        case {"op": "open", "session": session}:
            state["sessions"].add(session)
        case {"op": "close", "session": session}:
            state["sessions"].discard(session)
        case {"op": "fence", "generation": generation}:
            state["fences"].add(generation)
        case {"op": "status", "status": status}:
            state |= {"status": status, "ended": None if status in ("RUNNING", "SCHEDULED") else time}
        case {"op": "environment", "facts": ref}:
            state["environment"] = ref if "pack" in ref else {"entry": n, **ref}
        case {"op": "purge"}:
            state["purged"] = True
        case {"op": "tombstone" | "restore"}:
            state["deleted"] = op["op"] == "tombstone"


def _note(state: Json, op: Json, n: int) -> None:
    """Apply an op that says something of the run: a parameter, a tag, a pin, measurements."""
    match op:
        case {"op": "param" | "tag", "key": key, "value": value}:
            state[f"{op['op']}s"].pop(key, None)
            state[f"{op['op']}s"] |= {} if value is None else {key: value}
        case {"op": "pin" | "unpin", "pin": pin}:
            for field, name in (("pins", "by"), ("pinned", "path")):
                state[field].pop(pin, None)
                state[field] |= {pin: op[name]} if name in op else {}
        case {"op": "metric", "points": points}:
            state["batches"] += [n] if points and n not in state["batches"] else []
            for key, *point in points:
                last = state["metrics"].get(key, [*point, 0])
                newer = [int(at) for at in point[1:]] >= [int(at) for at in last[1:3]]
                state["metrics"][key] = [*(point if newer else last[:3]), last[3] + 1]
