"""From an address to a bucket.

    ./runs  ~/runs  file:///data     a folder of this machine
    runs.zip                         a bundle: a store in one file, which is only read
    memory://name                    a dict of this process, shared by name
    s3://bucket/prefix               S3 and what speaks it
    gs:// gcs:// az:// abfs://       through fsspec
    any other scheme of fsspec       only with unsafe_single_writer=True

Every bucket comes back in the same two wrappers, a limit and then a retry
around it, so that a slot is given back while a retry waits. Folders and dicts
get them too: a network file system does answer ESTALE, and a caller that
meets one shape everywhere cannot depend on the absence of the other.
"""

from __future__ import annotations

import difflib
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from holdall.errors import InvalidURIError
from holdall.storage.bucket import Bucket
from holdall.storage.wrappers import DEADLINE, Contact, LimitBucket, RetryBucket

SCHEMES = ("abfs", "az", "file", "gcs", "gs", "memory", "s3")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(/*)")  # two letters at least: C:\ is a path
_BUCKET = re.compile(r"(arn:[^/]+(/[^/]+)?|[A-Za-z0-9][A-Za-z0-9._-]*)(/.*)?", re.DOTALL)

_memory: dict[str, Bucket] = {}
_memory_lock = threading.Lock()
_contacts: dict[tuple[str, str], Contact] = {}  # by what is asked, and where


def bucket_at(
    url: str,
    options: Mapping[str, object] | None = None,
    *,
    s3_lane: str | None = None,
    deadline: float = DEADLINE,
) -> Bucket:
    """Open the bucket at an address; nothing is asked of it yet.

    Args:
        url: A path or a URL, as in this module's table; slashes at its end do not matter.
        options: `unsafe_single_writer`, `deadline`, and what the scheme's adapter takes: for
            s3:// the names of s3fs (`key`, `secret`, `token`, `endpoint_url`,
            `profile`, `anon`, ...) and `lane`, for the others of fsspec those of their filesystem.
        s3_lane: The lane of an s3:// bucket whose options name none.
        deadline: Seconds after which a request that fails is not sent again, where no option says so.

    Returns:
        A handle that is safe between threads, picklable and usable after fork.

    Raises:
        InvalidURIError: The address is empty, misspelt or names no bucket.
        UnsafeBucketError: The scheme cannot create an object only if it is absent.
        ValueError: An option that the scheme does not know.

    Cost: none.
    """
    given = dict(options or {})
    seconds = _seconds(given.pop("deadline", None) or deadline)
    adapter = _adapter(url, dict(given), s3_lane)
    place = "/".join(adapter.url.split("/", 3)[:3]), str(given.get("endpoint_url") or "")
    return RetryBucket(LimitBucket(adapter), deadline=seconds, contact=_contacts.setdefault(place, Contact()))


def _seconds(given: object) -> float:
    try:
        seconds = float(str(given))
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise ValueError(f"the option deadline is a number of seconds, not {given!r}")
    return seconds


def _adapter(url: str, options: dict[str, object], s3_lane: str | None) -> Bucket:
    single_writer = bool(options.pop("unsafe_single_writer", False))
    scheme, rest = _split(url)
    if scheme in ("", "file", "memory"):
        if options:
            raise ValueError(f"a {scheme or 'local'} bucket takes no options, not {', '.join(sorted(options))}")
        return _in_memory(rest) if scheme == "memory" else _on_disk(url, scheme, rest)
    if scheme not in SCHEMES and not single_writer:
        _refuse_unknown(url, scheme)
    _check_place(url, scheme, rest)
    place = f"{scheme}://{rest.rstrip('/')}"
    if scheme == "s3":
        from holdall.storage.s3 import S3Bucket

        return S3Bucket(place, {"lane": s3_lane, **options})
    from holdall.storage.remote import RemoteBucket

    return RemoteBucket(place, options, unsafe_single_writer=single_writer)


def _split(url: str) -> tuple[str, str]:
    if not url.strip():
        raise InvalidURIError(url, "the address is empty")
    match = _SCHEME.match(url)
    if match is None:
        return "", url
    scheme, slashes = match[1].lower(), match[2]
    if len(slashes) < 2:
        if scheme in SCHEMES:
            rest = url[match.end() :]
            raise InvalidURIError(url, f"two slashes belong after the colon; did you mean {scheme}://{rest}?")
        return "", url  # a file name may hold a colon
    return scheme, url[match.end(1) + 3 :]


def _refuse_unknown(url: str, scheme: str) -> None:
    near = difflib.get_close_matches(scheme, (*SCHEMES, "s3a", "s3n"), n=1, cutoff=0.5)
    guess = {"s3a": "s3", "s3n": "s3"}.get(near[0], near[0]) if near else ""
    if scheme in ("http", "https"):
        reason = "a bucket's address begins with s3://; pass the server as the option endpoint_url"
    elif guess:
        reason = f"did you mean {guess}://?"
    else:
        known = ", ".join(f"{name}://" for name in SCHEMES)
        reason = f"known are folders, {known}; others only with unsafe_single_writer=True"
    raise InvalidURIError(_without_user(url), f"unknown scheme {scheme}://; {reason}")


def _check_place(url: str, scheme: str, rest: str) -> None:
    if "@" in rest.split("/", 1)[0] and scheme != "abfs":
        raise InvalidURIError(_without_user(url), "credentials belong into options or the environment")
    if scheme not in SCHEMES:
        return
    if not rest.strip("/") or (scheme == "s3" and not _BUCKET.fullmatch(rest)):
        raise InvalidURIError(_without_user(url), f"a bucket's name belongs after {scheme}://")
    if "//" in rest.rstrip("/") or any(part in (".", "..") for part in rest.split("/")):
        raise InvalidURIError(_without_user(url), "a prefix has no empty, . or .. parts")
    if scheme == "s3" and ("?" in rest or "#" in rest):
        raise InvalidURIError(_without_user(url), "? and # have no meaning here; pass settings as options")


def _without_user(url: str) -> str:
    return re.sub(r"://[^/]*@", "://...@", url)


def _on_disk(url: str, scheme: str, rest: str) -> Bucket:
    if scheme == "file":
        parts = urlsplit(url)
        if parts.netloc not in ("", "localhost"):
            raise InvalidURIError(url, "file:// has three slashes before an absolute path")
        if not parts.path:
            raise InvalidURIError(url, "a path belongs after file://")
        return _folder_or_bundle(Path(unquote(parts.path)))
    return _folder_or_bundle(Path(rest).expanduser())


def _folder_or_bundle(path: Path) -> Bucket:
    from holdall.storage.bundle import BundleBucket, is_bundle
    from holdall.storage.local import LocalBucket

    if is_bundle(path):
        return BundleBucket(path)
    return LocalBucket(path)


def _in_memory(name: str) -> Bucket:
    from holdall.storage.memory import MemoryBucket

    name = name.strip("/") or "memory"
    with _memory_lock:
        bucket = _memory.get(name)
        if bucket is None:
            bucket = _memory[name] = MemoryBucket(name)
        return bucket
