"""The case book: one file for each way to be wrong, and what must be said of it.

    python -m tests.golden.rejected_builder

Each case is a good object with one thing changed. The command adds the cases
that have no file yet, and touches none that has. `cases.json` says for each
file which parser refuses it, with which error, and a part of the message.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from holdall.format.digest import blob_id, sha256
from holdall.format.document import encode_document
from holdall.format.layout import PackName
from holdall.format.reference import Ref

FOLDER: Final = Path(__file__).parent / "rejected"
DAMAGE, UNKNOWN = "FormatError", "UnsupportedFeatureError"
DATA: Final = b"hold fast " * 20
PACK: Final = PackName(bytes(range(1, 17)), 3)
REF: Final = Ref(blob_id(DATA), PACK, 8, 30, len(DATA), 1)
LOG: Final = "runs/" + "ab" * 16
MODEL: Final = "models/" + "cd" * 16
NAME: Final = "names/fraud"

Case = tuple[str, bytes, str, str]  # parser, the file, the error's class, a part of its message
_cases: Final[dict[str, Case]] = {}


def case(parser: str, name: str, data: bytes, error: str, part: str) -> None:
    """Add a case to the book."""
    assert f"{parser}-{name}.bin" not in _cases
    _cases[f"{parser}-{name}.bin"] = parser, data, error, part


def body_of(document: bytes) -> dict[str, Any]:
    """The first line of a document."""
    return dict(json.loads(document.split(b"\n")[0]))


def document(first: bytes) -> bytes:
    """A document with any first line."""
    return first + b'\n{"sha256":"' + sha256(first).hex().encode() + b'"}\n'


def changer(parser: str, good: dict[str, Any]) -> Callable[..., None]:
    """Makes cases of a document with some fields changed, or, given `...`, left out."""

    def change(name: str, error: str, part: str, **fields: Any) -> None:
        body = {key: value for key, value in (good | fields).items() if value is not ...}
        case(parser, name, encode_document(body), error, part)

    return change


def patched(data: bytes, at: int, new: bytes) -> bytes:
    """The bytes with some of them replaced."""
    return data[:at] + new + data[at + len(new) :]


def main() -> None:
    """Write the files that are missing, and the list of all cases."""
    FOLDER.mkdir(exist_ok=True)
    for name, (_, data, _, _) in _cases.items():
        if not (FOLDER / name).exists():
            (FOLDER / name).write_bytes(data)
    told = {name: {"parser": p, "error": error, "says": part} for name, (p, _, error, part) in sorted(_cases.items())}
    (FOLDER / "cases.json").write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    from tests.golden import rejected_builder
    from tests.golden.rejected_documents import documents
    from tests.golden.rejected_registry import registry
    from tests.golden.rejected_tables import tables

    documents()
    tables()
    registry()
    rejected_builder.main()  # the book that they filled is that of the imported module
