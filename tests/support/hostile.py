"""A store whose every name, text and file attacks the page that shows it.

What runs would set `pwned` on its window, or ask `evil.example` for something; what leaks would say so there.
"""

from __future__ import annotations

import base64
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any, Final

from holdall.store import Store

SCRIPT: Final = "window.pwned=1;fetch('http://evil.example/x').catch(()=>0)"
ATTACKS: Final = (
    f"<script>{SCRIPT}</script>",
    f'"><img src=x onerror="{SCRIPT}">',
    "' onmouseover='window.pwned=1' autofocus onfocus='window.pwned=1' x='",
    "{{ 7 * 7 }}{% raw %}{{ config }}",
    "javascript:window.pwned=1//",
    "\x1b[2J\x1b]52;c;cHduZWQ=\x07\u202egnp.exe\u2066\u2069\u0000"[:-1],
    "</textarea></title></style></script><svg onload=window.pwned=1>",
    "[x](javascript:window.pwned=1) ![y](http://evil.example/y.png) <http://evil.example>",
    "\ud7ff\ufffe\u2028\u2029\x7f\x85",
)
LONG: Final = "<b>" + "N" * 6_000
_SVG: Final = '<svg xmlns="http://www.w3.org/2000/svg"'
_NPY: Final = b"{'descr': '<f8', 'fortran_order': False, 'shape': (536870912,), }".ljust(117) + b"\n"
_XML: Final = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


def png(width: int, height: int, rows: bytes = b"") -> bytes:
    """A PNG that says it is so large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = rows or b"".join(bytes(width + 1) for _ in range(min(height, 8)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def zip_bomb(members: int = 40) -> bytes:
    """An archive that holds far more than it has, under names that lead out of it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for n in range(members):
            archive.writestr(f"../../{n}<script>window.pwned=1</script>", bytes(1 << 16))
    return file.getvalue()


def notebook() -> bytes:
    """A notebook whose outputs are scripts."""
    html = {"text/html": [f"<script>{SCRIPT}</script>"], "image/svg+xml": f"<svg onload='{SCRIPT}'/>"}
    fake = {"image/png": base64.b64encode(f"<svg onload='{SCRIPT}'>".encode()).decode()}
    huge = {"image/png": base64.b64encode(png(100_000, 100_000, b"0")).decode()}
    outputs = [{"output_type": "display_data", "data": data} for data in (html, fake, huge, {"text/plain": 7})]
    cells = [
        {"cell_type": "markdown", "source": list(ATTACKS)},
        {"cell_type": "code", "source": ATTACKS[0], "execution_count": ATTACKS[0], "outputs": outputs},
        {"cell_type": ATTACKS[1], "source": {"not": "text"}, "outputs": "none"},
        "no cell",
    ]
    return json.dumps({"nbformat": 4, "cells": cells, "metadata": None}).encode()


def files() -> Mapping[str, bytes]:
    """Files of each kind that is shown, each against who shows it."""
    attack = "\n".join(ATTACKS).encode("utf-8", "replace")
    parquet = b"PAR1" + bytes(64)
    nested = b"\x19\x1c" * 200
    return {
        "page.html": f"<!doctype html><script>{SCRIPT}</script><img src=http://evil.example/i.png>".encode(),
        "drawing.svg": f'{_SVG} onload="{SCRIPT}"><script>{SCRIPT}</script></svg>'.encode(),
        "document.xml": f"{_XML}<x>&a;<script xmlns='http://www.w3.org/1999/xhtml'>{SCRIPT}</script></x>".encode(),
        "picture.png": f"<html><script>{SCRIPT}</script></html>".encode(),
        "polyglot.gif": b"GIF89a/*\1\1\1\1*/=1;" + f"<html><script>{SCRIPT}</script>".encode(),
        "polyglot.js": b"\xff\xd8\xff\xfe" + f"<script>{SCRIPT}</script>".encode(),
        "large.png": png(100_000, 100_000, b"0"),
        "small.png": png(8, 8),
        "notes.ipynb": notebook(),
        "broken.ipynb": b'{"cells": 7}',
        "table.csv": b'name,"=HYPERLINK(""http://evil.example"")"\n' + attack + b'\n"never closed\n' * 3,
        "wide.csv": b",".join(b"<b>%d" % n for n in range(3_000)),
        "readme.md": attack + b"\n\n|a|\n|--:|\n|<b>|\n\n" + b"[" * 3_000 + b"\n\n" + b"> " * 3_000,
        "deep.json": b"[" * 100_000,
        "nested.json": json.dumps({text: [text] for text in ATTACKS}).encode(),
        "number.json": b"9" * 100_000,
        "lines.jsonl": b'{"a": 1}\n{{{\n',
        "bomb.zip": zip_bomb(),
        "lying.zip": b"PK\x03\x04" + bytes(40) + b"PK\x05\x06" + bytes(4) + b"\xff" * 12 + bytes(2),
        "short.parquet": parquet + (0xFFFFFFFF).to_bytes(4, "little") + b"PAR1",
        "deep.parquet": b"PAR1" + nested + len(nested).to_bytes(4, "little") + b"PAR1",
        "huge.npy": b"\x93NUMPY\x01\x00\x76\x00" + _NPY,
        "weights.safetensors": (1 << 40).to_bytes(8, "little") + b"{}",
        "model.pkl": b"\x80\x04cos\nsystem\n(S'echo pwned'\ntR.",
        "many.pkl": b"\x80\x04" + b"(" * 50_000,
        "bytes.bin": bytes(range(256)),
        "empty": b"",
        "text.txt": attack + b"\n" + b"L" * 100_000,
        "latin.txt": "caf\xe9 ".encode("latin-1") * 20,
        "wide.txt": ATTACKS[0].encode("utf-16"),
    }  # fmt: skip


def _raw_ops(named: Mapping[str, str]) -> list[dict[str, Any]]:
    """What no writer of ours writes: names with anything in them."""
    texts = dict(named) | {text: text for text in ATTACKS} | {LONG[:2_000]: LONG}
    ops: list[dict[str, Any]] = [{"op": "param", "key": key, "value": value} for key, value in texts.items()]
    ops += [{"op": "tag", "key": key, "value": value} for key, value in texts.items()]
    points: list[list[Any]] = [[text, 0.5, step, step] for text in (*ATTACKS, LONG[:2_000]) for step in (1, 2)]
    return [*ops, {"op": "metric", "points": [*points, ["nan", "nan", 1, 1], ["inf", "inf", 1, 1]]}]


def hostile_store() -> Store:
    """The store: two runs, one of which reads the other, with all that a page shows."""
    store = Store.open("memory://hostile-pages")
    named = dict(zip((f"key{n}" for n in range(99)), ATTACKS, strict=False))
    safe = [text.replace("/", "|").replace(":", ";") for text in ATTACKS]
    with store.runs.start(name=ATTACKS[0], experiment=ATTACKS[1], description="\n\n".join(ATTACKS)) as run:
        run._buffer_ops(_raw_ops(named))
        run.log_metrics({"loss": 0.25}, step=2)
        for path, data in files().items():
            run.log_bytes(data, path)
        run.log_text("text", f"folder <script>window.pwned=1</script>/{safe[1]}.txt")
        run.log_input(
            {"name": ATTACKS[0], "digest": ATTACKS[1][:30], "source": ATTACKS[4], "source_type": "x"},
            context=ATTACKS[0],
        )
    with store.runs.start(name=LONG[:200], experiment=ATTACKS[1], parent=run.id, paths="versioned") as other:
        other.use_artifact(f"runs:/{run.id}/readme.md")
        for text in ATTACKS[:2]:
            other.log_text(text, "last.txt", on_conflict="replace")
        store.log_model(other, lambda model_input: model_input, "model", pip_requirements=["<b>"])
    store.registry.register(f"runs:/{other.id}/model", safe[0], tags={"t": ATTACKS[1]}, description="\n".join(ATTACKS))
    return store
