"""Files of a web server, `https://host/path`: read by ranges, told by a strong ETag or a time.

No redirect is followed: it would lead where the reader did not allow. There is
no listing, so a folder cannot be referenced.
"""

from __future__ import annotations

import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn
from urllib.parse import quote

from holdall.errors import (
    AccessDeniedError,
    BucketUnreachableError,
    InvalidURIError,
    ObjectNotFoundError,
    ReferenceChangedError,
    StorageError,
    TransientStorageError,
)
from holdall.storage.bucket import Bytes
from holdall.storage.elsewhere.seen import Seen, check_same

_SECONDS = 60.0  # of silence
_SIZE = re.compile("[0-9]{1,18}")
_PASSING = (408, 425, 429, 500, 502, 503, 504)


class WebElsewhere:
    """The files of a server. Options: `headers`, sent with each request."""

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self.url = url
        self._headers = {"Accept-Encoding": "identity", **options.get("headers", {})}

    def stat(self, key: str) -> Seen:
        """Return a file as it is now. Raises: ObjectNotFoundError. Cost: one request, of its first byte."""
        with closing(self._ask(key, {"Range": "bytes=0-0"})) as answer:
            return _seen(key, answer)

    def list(self, prefix: str) -> Iterator[Seen]:
        """Raise InvalidURIError: a web server lists nothing."""
        raise InvalidURIError(f"{self.url}/{prefix}", "a web server lists nothing: reference its files one by one")

    def read(self, seen: Seen, start: int, stop: int) -> Bytes:
        """Return some bytes of the file that was seen. Raises: ReferenceChangedError."""
        asked = {"Range": f"bytes={start}-{max(stop, start + 1) - 1}"}
        asked |= {"If-Match": seen.etag} if seen.etag else {}
        try:
            with closing(self._ask(seen.key, asked)) as answer:
                check_same(self.url, seen, _seen(seen.key, answer))
                if stop <= start:
                    return b""
                if answer.status != 206 and (start, stop) != (0, seen.size):
                    raise StorageError(self.url, seen.key, "the server gives no ranges")
                found = answer.read(stop - start + 1)
        except ObjectNotFoundError as error:
            raise ReferenceChangedError(f"{self.url}/{seen.key}", "it is gone") from error
        except (OSError, http.client.HTTPException) as error:
            raise BucketUnreachableError(self.url, seen.key, str(error)) from error
        if len(found) != stop - start:
            raise TransientStorageError(self.url, seen.key, f"{len(found)} bytes came for {start}-{stop}")
        return bytes(found)

    def _ask(self, key: str, headers: Mapping[str, str]) -> Any:
        request = urllib.request.Request(  # of http:// and https:// alone
            f"{self.url}/{quote(key, safe='/%~:@!$&()*+,;=')}", headers={**self._headers, **headers}
        )
        try:
            return _opener.open(request, timeout=_SECONDS)
        except urllib.error.HTTPError as error:
            with closing(error):
                if error.code == 416:  # of nothing, which has no first byte
                    return error
                self._refused(key, error)
        except (OSError, http.client.HTTPException) as error:
            raise BucketUnreachableError(self.url, key, str(error)) from error
        except ValueError as error:  # a pointer may pin an ETag that no header can say
            raise StorageError(self.url, key, f"it cannot be asked for: {error}") from error

    def _refused(self, key: str, error: urllib.error.HTTPError) -> NoReturn:
        if error.code in (404, 410):
            raise ObjectNotFoundError(self.url, key, f"HTTP {error.code}") from error
        if error.code == 412:
            raise ReferenceChangedError(f"{self.url}/{key}", "its ETag is another now") from error
        if error.code in (401, 403):
            raise AccessDeniedError(self.url, key, f"HTTP {error.code}") from error
        if error.code in _PASSING:
            raise TransientStorageError(self.url, key, f"HTTP {error.code}") from error
        leads = error.headers.get("Location") if 300 <= error.code < 400 else None
        raise StorageError(
            self.url, key, f"HTTP {error.code}" + (f", which leads to {leads[:300]!r}: reference that" if leads else "")
        ) from error


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirects)


def _seen(key: str, answer: Any) -> Seen:
    """Return what an answer's headers tell. A weak ETag tells nothing of bytes."""
    headers = answer.headers
    told = str(headers.get("Content-Range") or "").rpartition("/")[2] or str(headers.get("Content-Length") or "")
    etag = headers.get("ETag")
    try:
        modified = int(parsedate_to_datetime(headers["Last-Modified"]).timestamp() * 1000)
    except (TypeError, ValueError, KeyError):
        modified = None
    strong = etag if etag and not etag.startswith("W/") else None
    return Seen(key, int(told) if _SIZE.fullmatch(told) else 0, strong, None, modified)
