"""Whose models may run code here: the reader decides, not the model.

    any           all of them, as MLflow has it (a warning says so once, unless the reader chose it)
    same-store    those of the reader's store, and those that are listed
    signed        those whose files a trusted key signed, and those that are listed
    listed        those that are listed, by the digest of their files

Only files whose loading can run code are asked about; a model that has none
(skops with types that are known to be harmless, safetensors, ONNX, ...) loads
under every policy. The digest is that of the manifest of the model's folder,
the same whether it is in a store, fetched or copied. What a signature is held
against is the same: the files in the folder that is loaded, as they were read
there, never what a store says of them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from holdall.errors import ContentError, UntrustedModelError
from holdall.format.digest import file_hash
from holdall.format.manifest import manifest_digest, manifest_text
from holdall.format.tree import Entry, Kind

if TYPE_CHECKING:
    from holdall.runs.verifying import Keys
    from holdall.signing.public_keys import PublicKey

POLICIES: Final = ("any", "same-store", "signed", "listed")
Vouch: TypeAlias = (
    "Callable[[str, Sequence[PublicKey]], str | None]"  # the key that signed files of a digest, if one did
)
_log = logging.getLogger("holdall")
_warned = False


@dataclass(frozen=True, slots=True)
class Trust:
    """What the reader trusts.

    Attributes:
        policy: One of `POLICIES`; None is `any` with a warning.
        digests: `sha256:<hex>` of models that are trusted wherever they come from.
        keys: Public keys that are trusted under `signed`, or files or texts of them; read when one is asked for.
    """

    policy: str | None = None
    digests: frozenset[str] = frozenset()
    keys: tuple[Keys, ...] = ()

    def admit(self, folder: Path, files: Sequence[str], *, own: bool, vouch: Vouch | None = None) -> None:
        """Refuse a model that is not trusted to run code.

        Args:
            folder: The model's folder.
            files: What in it can run code.
            own: Whether it came out of the reader's store.
            vouch: Of a model that did, tells which of some keys signed files of a digest.

        Raises:
            UntrustedModelError: It is not trusted; the error has the digest to list.
            SigningKeyError: Under `signed`, what names trusted keys cannot be read.

        Cost: hashing the folder, unless the policy decides without; under `signed`, reading the model's run.
        """
        if not files:
            return
        if self.policy in (None, "any"):
            if self.policy is None:
                _warn_once(files)
            return
        if self.policy == "same-store" and own:
            return
        entries = read_folder(folder)
        digest = manifest_digest(manifest_text(entries))
        if digest in self.digests:
            return
        reason = self._unsigned(folder, entries, digest, vouch) if self.policy == "signed" else ""
        if reason or self.policy != "signed":
            raise UntrustedModelError(str(self.policy), ", ".join(files), digest, reason)

    def _unsigned(self, folder: Path, entries: Sequence[Entry], digest: str, vouch: Vouch | None) -> str:
        """Return why no trusted key signed the files; "" if one did: in the store, or by a `model.sig` among them."""
        from holdall.runs.verifying import keys_of  # which few who load models need
        from holdall.signing.folders import signer_of

        if not (keys := keys_of(self.keys)):
            return "HOLDALL_TRUSTED_KEYS names no key"
        if vouch and vouch(digest, keys):
            return ""
        known = {each.path: each.sha256 for each in entries if each.kind is Kind.FILE}
        found = signer_of(folder, keys, known)
        return f"no trusted key signed its files; {found}" if isinstance(found, str) else ""


EVERYBODY: Final[Trust] = Trust()


def folder_digest(folder: Path) -> str:
    """Return `sha256:` of the manifest of a model's folder, as its place in a run has it. Cost: reading every file.

    Everything that a loader could open is in it, whatever its name: what is left out could be exchanged.

    Raises:
        ContentError: There is something in it that no run can hold.
    """
    return manifest_digest(manifest_text(read_folder(folder)))


def read_folder(folder: Path) -> list[Entry]:
    """Return every file and link of a folder, each file hashed. Raises, cost: as `folder_digest`."""
    found = [path for path in sorted(folder.rglob("*")) if path.is_symlink() or not path.is_dir()]
    return [_entry(path, path.relative_to(folder).as_posix()) for path in found]


def _entry(path: Path, name: str) -> Entry:
    if path.is_symlink():
        return Entry(name, Kind.LINK, target=str(path.readlink()))
    if not path.is_file():
        raise ContentError(str(path), "a file", "it is a pipe, a socket or a device, which no model has")
    hasher = file_hash()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            hasher.update(block)
    return Entry(name, Kind.FILE, path.stat().st_size, hasher.digest())


def _warn_once(files: Sequence[str]) -> None:
    global _warned
    if not _warned:
        _warned = True
        _log.warning(
            "loading %s can run any code that is in it; set HOLDALL_TRUST=same-store, signed or listed to refuse "
            "models of others, or HOLDALL_TRUST=any to allow all of them without this warning",
            ", ".join(files),
        )
