"""Deleting shares whose link has ended or whose run is purged, and what is left of those that were never whole."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field

from holdall.errors import NotDeletedError
from holdall.format.layout import SHARES, parse_key
from holdall.storage.links import links_of
from holdall.trees.location import Location
from holdall.trees.shares import list_shares


@dataclass(slots=True)
class Expired:
    """Shares that nothing opens any more. Attributes: keys, bytes, unfinished (keys), refused (why, by key)."""

    keys: list[str] = field(default_factory=list)
    bytes: int = 0
    unfinished: Sequence[str] = ()
    refused: dict[str, str] = field(default_factory=dict)


def expired_shares(location: Location, now: int, gone: Container[str] = ()) -> Expired:
    """Return the shares whose links have ended by a time, and those of runs that are gone.

    Cost: a listing, and one request more where links are.
    """
    found = Expired()
    for name, info in list_shares(location.bucket):
        if name.expires <= now or name.run_id in gone:
            found.keys.append(name.key)
            found.bytes += info.size
    links = links_of(location.bucket)
    there = links.unfinished(SHARES) if links else []
    found.unfinished = [key for key in there if _ended(key, now)]
    return found


def delete_expired(location: Location, expired: Expired) -> None:
    """Delete them; what the bucket refuses is noted. Cost: a request for a thousand, and two for an unfinished one."""
    try:
        if expired.keys:
            location.bucket.delete_many(expired.keys)
    except NotDeletedError as error:
        expired.refused = {key: why.reason for key, why in error.failed.items()}
    links = links_of(location.bucket)
    if links and expired.unfinished:
        links.abort(expired.unfinished)


def _ended(key: str, now: int) -> bool:
    found = parse_key(key)
    return bool(found and found.share and found.share.expires <= now)
