"""Links that open an artifact without holdall: made, listed, taken back.

A run's files lie cut and compressed in packs, which no browser puts together. So
what is shared is copied once more, as the file that it is, to an object of its
own below `shares/` (SPEC.md, "Shares"), and the link is a signature over that
object's address. The object is no part of the store: no log names it, no reader
reads it, no copy of the store has it. Its key says when the link ends, and a
collector deletes it from then on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import unquote

from holdall.display import Facts, Listing, Shown
from holdall.errors import InvalidArgumentError, NotShareableError, ShareNotFoundError
from holdall.format.layout import ShareName, escape
from holdall.runs.artifacts import Artifacts
from holdall.runs.times import milliseconds
from holdall.sharing.content import Content, file_content, folder_content
from holdall.storage.bucket import ObjectInfo
from holdall.storage.links import MAX_LIFETIME, Link, Links, links_of
from holdall.trees.location import Location
from holdall.trees.shares import list_shares

_NO_SERVER: Final = "nobody serves {}: only what is in S3, Google Cloud Storage or Azure has links"
_SHORT: Final = 12  # digits of a run's id that name a ZIP of all that it holds


@dataclass(frozen=True, slots=True, repr=False)
class Share(Shown):
    """A copy of an artifact that a link opens.

    Attributes:
        id: 32 hex digits, by which it is revoked.
        name: Of the file that its reader gets.
        run_id: Of the run that it was made of.
        size: Bytes.
        created: When, in ms since 1970 UTC by the server's clock; None where that is not known.
        expires: When the link ends, in ms since 1970 UTC.
        url: The link, which is shown once: who has it may read the copy. Empty in a list.
        temporary: Whether the credentials that signed the link end by themselves: it ends with them, if that is sooner.
        left_out: Paths that are not in it: pointers to content elsewhere, and links that lead out of the folder.
    """

    id: str
    name: str
    run_id: str
    size: int
    created: int | None
    expires: int
    url: str = ""
    temporary: bool = False
    left_out: tuple[str, ...] = ()

    def _shown(self) -> Facts:
        facts = {"id": self.id, "name": self.name, "run_id": self.run_id, "size": self.size, "expires": self.expires}
        return {**facts, "url": "..."} if self.url else facts  # a link is as good as the file


class Shares:
    """Links to artifacts, for people without holdall and without credentials: of a store in S3, gs:// or az://."""

    def __init__(self, location: Location, artifacts: Artifacts) -> None:
        self._location, self._artifacts = location, artifacts

    def create(
        self, uri: str, *, lifetime: str | int = "7d", version: int | None = None, plaintext: bool = False
    ) -> Share:
        """Copy an artifact to an object of its own, and return it with a link that a browser opens.

        A folder becomes a ZIP file, in which links stay links; the same folder makes the same file. Each file's
        SHA-256 is compared while it is copied. Whoever has the link may read the copy, until it ends or is revoked.

        Args:
            uri: What to share: `runs:/...`, `models:/...`.
            lifetime: How long the link opens, as "12h", "7d" (the most that S3 signs), or in seconds.
            version: Of a file, an earlier version, as `artifacts.versions` names it.
            plaintext: Whether an encrypted store may be given a copy that is not encrypted: who reads the bucket reads
                it. Without this it is refused there.

        Raises:
            ArtifactNotFoundError: There is nothing at this address.
            NotShareableError: The bucket has no links, the lifetime cannot be, or the store is encrypted.
            IntegrityError: A file is not what was logged; nothing is shared.
            InvalidArgumentError: `lifetime` is no time.

        Cost: reading it, and one request for each 8 MiB; the copy takes as much room as the files have bytes, which
            deduplication does not lessen. 50 MiB of memory, whatever it is.

        Example:
            >>> store.shares.create(f"runs:/{run.id}/report.txt", lifetime="2d")
            Traceback (most recent call last):
            ...
            holdall.errors.NotShareableError: ... only what is in S3, Google Cloud Storage or Azure has links...
        """
        seconds = _lifetime(uri, lifetime)
        links = self._links(uri)
        self._allow(uri, plaintext=plaintext)
        run, path = self._artifacts.snapshot(uri)
        if version is not None or (path and run.stat(path).kind == "file"):
            content = file_content(run, path, version)
        else:
            content = folder_content(run, path, path.rpartition("/")[2] or f"run-{run.id[:_SHORT]}")
        self._location.ready_to_write()
        expires = self._location.clock() + seconds * 1000
        made = ShareName(expires, self._location.entropy(16).hex(), run.id, escape(content.name))
        links.upload(made.key, content.blocks, content.most)
        info = next(self._location.bucket.list(made.key, limit=1))
        return self._linked(uri, links, made, content, info)

    def list(self) -> Listing[Share]:
        """Return what is shared, what ends first first; what has expired until a collection takes it.

        Cost: a listing of `shares/`.

        Example:
            >>> store.shares.list()
            []
        """
        self._location.require_store()
        return Listing(_told(name, info) for name, info in list_shares(self._location.bucket))

    def revoke(self, id: str) -> Share:
        """Delete a share: its link opens nothing any more. What was fetched by it meanwhile nobody can take back.

        Args:
            id: As `create` and `list` tell it, or a beginning of 8 digits or more that only it has.

        Raises:
            ShareNotFoundError: There is none, or more than one.

        Cost: a listing of `shares/`, and the deletion.

        Example:
            >>> store.shares.revoke("0" * 32)
            Traceback (most recent call last):
            ...
            holdall.errors.ShareNotFoundError: ...
        """
        there = [(name, info) for name, info in list_shares(self._location.bucket) if name.id.startswith(id)]
        if len(there) != 1 or len(id) < 8:
            raise ShareNotFoundError(id, self._location.bucket.url)
        [(name, info)] = there
        self._location.bucket.delete(name.key)
        return _told(name, info)

    # --- inside ---

    def _links(self, uri: str) -> Links:
        found = links_of(self._location.bucket)
        if found is None:
            raise NotShareableError(uri, _NO_SERVER.format(self._location.bucket.url))
        return found

    def _allow(self, uri: str, *, plaintext: bool) -> None:
        """Refuse to put content of an encrypted store into its bucket in clear, unless that is meant."""
        if is_encrypted(self._location) and not plaintext:
            error = NotShareableError(uri, "the store is encrypted, and a share is a copy in clear in its bucket")
            error.hint = "plaintext=True allows it: whoever reads the bucket then reads this copy, until it expires"
            error.shell_hint = "--plaintext allows it: whoever reads the bucket then reads this copy, until it expires"
            raise error

    def _linked(self, uri: str, links: Links, made: ShareName, content: Content, info: ObjectInfo) -> Share:
        left = (made.expires - self._location.clock()) // 1000
        if left < 1:
            self._location.bucket.delete(made.key)
            raise NotShareableError(uri, "copying it took longer than the link was to last")
        link = links.sign(made.key, left, content.name, content.kind)
        share = replace(_told(made, info), name=content.name, left_out=tuple(content.left_out))
        return replace(share, url=link.url, temporary=link.temporary, expires=_end(made, link))


def is_encrypted(location: Location) -> bool:
    """Return whether what is in a store's objects is sealed."""
    return bool(getattr(location.descriptor, "sealed", None))


def _lifetime(uri: str, lifetime: str | int) -> int:
    seconds = milliseconds("lifetime", lifetime) // 1000
    if seconds < 1:
        raise InvalidArgumentError(f"lifetime={lifetime!r} is no time in which a link could be opened")
    if seconds > MAX_LIFETIME:
        error = NotShareableError(uri, f"a link opens for seven days at most, not {lifetime}")
        error.hint = error.shell_hint = "share it for 7d or less, and once more when the link has ended"
        raise error
    return seconds


def _end(made: ShareName, link: Link) -> int:
    return made.expires if link.until is None else min(made.expires, link.until)


def _told(name: ShareName, info: ObjectInfo) -> Share:
    shown = unquote(name.name) if not name.name.startswith("~") else name.name
    return Share(name.id, shown, name.run_id, info.size, info.modified, name.expires)
