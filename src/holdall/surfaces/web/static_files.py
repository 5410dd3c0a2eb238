"""The scripts, sheets and licences that pages need, held in memory: they are few, and no thread is needed for them.

What is asked for is looked up by its whole path, so there is no way out of the folder. A browser keeps what it has, and
asks whether it is still the same; the answer is known by a digest.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

STATIC: Final = Path(__file__).parent / "static"
_TYPES: Final = {".js": "text/javascript", ".LICENSE": "text/plain"}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file that is shipped. Attributes: etag: its digest, as a header has it."""

    content: bytes
    media_type: str
    etag: str


@cache
def static_files() -> Mapping[str, StaticFile]:
    """Return what is shipped, by its path from the folder on."""
    return {path.relative_to(STATIC).as_posix(): _read(path) for path in STATIC.rglob("*") if path.is_file()}


def _read(path: Path) -> StaticFile:
    content = path.read_bytes()
    media_type = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return StaticFile(content, media_type, f'"{sha256(content).hexdigest()[:32]}"')


async def static(request: Request) -> Response:
    """Answer with a file, or that the browser has it."""
    found = static_files().get(request.path_params["path"])
    if found is None:
        raise HTTPException(404)
    headers = {"etag": found.etag, "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == found.etag:
        return Response(status_code=304, headers=headers)
    return Response(found.content, headers=headers, media_type=found.media_type)
