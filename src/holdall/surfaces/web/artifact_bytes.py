"""The bytes of an artifact: as a download, and shut in as a page of its own.

    raw       a download, whatever it is; of pictures, sound and film the type that their first bytes say, so that a
              page of ours can show them
    sandbox   HTML and SVG, that may run and see nothing: `SANDBOX` takes everything from it, and only a frame of
              ours may hold it

What is sent was verified, block by block, before it goes. An answer that meets damage on the way breaks off.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

from holdall.errors import InvalidArgumentError
from holdall.store import ArtifactReader, RunSnapshot
from holdall.surfaces.web.addresses import Query
from holdall.surfaces.web.page import Body, Page, Pages
from holdall.surfaces.web.site import Site
from holdall.surfaces.web.sniffing import HEAD, media_type_of

SANDBOX: Final = "; ".join(
    [
        "sandbox allow-scripts",
        "default-src 'none'",
        "script-src 'unsafe-inline' 'unsafe-eval'",
        "style-src 'unsafe-inline'",
        "img-src data: blob:",
        "font-src data:",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'self'",
    ]
)
MOST_SHUT_IN: Final = 8 << 20
"""Bytes of a page that is shown: plotly's own script has five million."""
_BLOCK: Final = 1 << 20
_RANGE: Final = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")
_UNSAFE: Final = re.compile(r'[^\w.+=,@~()\[\] -]|[\\";%]')


def raw(site: Site, query: Query) -> Page | Body:
    """Send a file, or a range of it."""
    file = open_file(site, query)
    size, tag = file.raw.entry.size, f'"{file.raw.entry.sha256.hex()}"'
    kind = media_type_of(file.raw.read_at(0, min(HEAD, size))) if size else None
    headers = {
        "accept-ranges": "bytes",
        "content-disposition": disposition(query.text("path")),
        "content-security-policy": "default-src 'none'; sandbox",
        "etag": tag,
    }
    wanted = _range_of(query.headers.get("range", ""), size)
    if wanted is None or query.headers.get("if-range", tag) != tag:
        start, stop, status = 0, size, 200
    elif wanted[0] >= wanted[1]:
        return Body(b"", headers={**headers, "content-range": f"bytes */{size}"}, status=416)
    else:
        (start, stop), status = wanted, 206
        headers["content-range"] = f"bytes {start}-{stop - 1}/{size}"
    headers["content-length"] = str(stop - start)
    blocks = None if query.method == "HEAD" else _blocks(file, start, stop)
    return Body(b"", kind or "application/octet-stream", headers, status, blocks)


def sandbox(site: Site, query: Query) -> Page | Body:
    """Send HTML or SVG to a frame of ours, and to nothing else."""
    if query.headers.get("sec-fetch-dest", "iframe") != "iframe":
        raise InvalidArgumentError("this address is for a frame of its preview; look at that, or download the file")
    file = open_file(site, query)
    size = file.raw.entry.size
    if size > MOST_SHUT_IN:
        raise InvalidArgumentError(f"it has {size} bytes, more than the {MOST_SHUT_IN} that are shown; download it")
    content = b"" if query.method == "HEAD" else file.raw.read_at(0, size)
    kind = "image/svg+xml" if query.text("as") == "svg" else "text/html; charset=utf-8"
    headers = {"content-security-policy": SANDBOX, "x-dns-prefetch-control": "off", "content-length": str(size)}
    return Body(content, kind, headers)


def open_file(site: Site, query: Query) -> ArtifactReader:
    """Open the file that a query names. Raises: as `Run.open`."""
    return snapshot_of(site, query).open(query.text("path"), version=version_of(query))


def snapshot_of(site: Site, query: Query) -> RunSnapshot:
    """Return the run that a query names, as it is now."""
    return site.store.runs.get(query.text("id")).snapshot()


def version_of(query: Query) -> int | None:
    """Return which earlier version of a file a query names, if it does."""
    return query.count("version", 0, most=1 << 40) if query.text("version") else None


def disposition(path: str) -> str:
    """Return a header that has a browser keep a file under its own name, as RFC 6266 says it.

    Example:
        >>> disposition('a/r\\u00e9sum\\u00e9 "1".txt')
        "attachment; filename=\\"r_sum_ _1_.txt\\"; filename*=UTF-8''r%C3%A9sum%C3%A9%20_1_.txt"
    """
    name = _UNSAFE.sub("_", path.rpartition("/")[2])[-120:].strip(" .") or "download"
    plain = "".join(c if " " <= c < "\x7f" else "_" for c in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _blocks(file: ArtifactReader, start: int, stop: int) -> Iterator[bytes]:
    """Return the bytes of a range in blocks; the first is read now, so that what is damaged there is an error page."""
    first = file.raw.read_at(start, min(_BLOCK, stop - start)) if stop > start else b""

    def rest() -> Iterator[bytes]:
        yield first
        for at in range(start + len(first), stop, _BLOCK):
            yield file.raw.read_at(at, min(_BLOCK, stop - at))

    return rest()


def _range_of(header: str, size: int) -> tuple[int, int] | None:
    """Return the first and the next byte that a Range header asks for; the same twice if it cannot be satisfied.

    None: all of it, as of several ranges at once, and of a header that is none.
    """
    found = _RANGE.fullmatch(header)
    if not found or not (found[1] or found[2]):
        return None
    if not found[1]:
        return (max(size - int(found[2]), 0), size) if int(found[2]) else (size, size)
    start, last = int(found[1]), int(found[2] or size - 1)
    if found[2] and last < start:
        return None
    return (start, min(last + 1, size)) if start < size else (size, size)


PAGES: Final[Pages] = {"raw": raw, "sandbox": sandbox}
