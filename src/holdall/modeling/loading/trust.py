"""Whose models may run code here: the reader decides, not the model.

    any           all of them, as MLflow has it (a warning says so once, unless the reader chose it)
    same-store    those of the reader's store, and those that are listed
    listed        those that are listed, by the digest of their files

Only files whose loading can run code are asked about; a model that has none
(skops with types that are known to be harmless, safetensors, ONNX, ...) loads
under every policy. The digest is that of the manifest of the model's folder,
the same whether it is in a store, fetched or copied.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from holdall.errors import ContentError, UntrustedModelError
from holdall.format.digest import file_hash
from holdall.format.manifest import manifest_digest, manifest_text
from holdall.format.tree import Entry, Kind

POLICIES: Final = ("any", "same-store", "listed")
_log = logging.getLogger("holdall")
_warned = False


@dataclass(frozen=True, slots=True)
class Trust:
    """What the reader trusts.

    Attributes:
        policy: One of `POLICIES`; None is `any` with a warning.
        digests: `sha256:<hex>` of models that are trusted wherever they come from.
    """

    policy: str | None = None
    digests: frozenset[str] = frozenset()

    def admit(self, folder: Path, files: Sequence[str], *, own: bool) -> None:
        """Refuse a model that is not trusted to run code.

        Args:
            folder: The model's folder.
            files: What in it can run code.
            own: Whether it came out of the reader's store.

        Raises:
            UntrustedModelError: It is not trusted; the error has the digest to list.

        Cost: hashing the folder, unless the policy decides without.
        """
        if not files:
            return
        if self.policy in (None, "any"):
            if self.policy is None:
                _warn_once(files)
            return
        if self.policy == "same-store" and own:
            return
        digest = folder_digest(folder)
        if digest not in self.digests:
            raise UntrustedModelError(str(self.policy), ", ".join(files), digest)


EVERYBODY: Final = Trust()


def folder_digest(folder: Path) -> str:
    """Return `sha256:` of the manifest of a model's folder, as its place in a run has it. Cost: reading every file.

    Everything that a loader could open is in it, whatever its name: what is left out could be exchanged.

    Raises:
        ContentError: There is something in it that no run can hold.
    """
    found = [path for path in sorted(folder.rglob("*")) if path.is_symlink() or not path.is_dir()]
    return manifest_digest(manifest_text(_entry(path, path.relative_to(folder).as_posix()) for path in found))


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
            "loading %s can run any code that is in it; set HOLDALL_TRUST=same-store or listed to refuse "
            "models of others, or HOLDALL_TRUST=any to allow all of them without this warning",
            ", ".join(files),
        )
