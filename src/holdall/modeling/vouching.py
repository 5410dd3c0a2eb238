"""Signing the files of stored models, and verifying those of any model, stored or in a local folder.

What a store keeps of it is a tag of the model's run (`runs.verifying`); a local folder has a `model.sig` of OpenSSF
model signing beside its files, or none.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from pathlib import Path

from holdall.errors import ContentError, NotSignedError
from holdall.format.manifest import manifest_digest, manifest_text
from holdall.format.signature import FILES
from holdall.format.tree import Kind
from holdall.modeling.loading.model_folder import local_folder
from holdall.modeling.loading.reader import ModelReader
from holdall.modeling.loading.trust import read_folder
from holdall.runs.signatures import SignatureInfo
from holdall.runs.verifying import Key, Keys, Verified, keys_of
from holdall.signing.folders import signer_of
from holdall.signing.public_keys import PublicKey


class ModelSigner(ModelReader):
    """Signing and verifying models: a part of `Models`."""

    def sign(self, uri: str, key: Key) -> SignatureInfo:
        """Sign the files of a stored model: its key's owner answers for them, to whoever knows the key.

        Its run may go on: only the model's files are signed.

        Args:
            uri: Its address; of a registered version what it names is signed, if that is what was registered.
            key: The key, or its file, or its text.

        Returns:
            The signature, which is kept in the model's run.

        Raises:
            SigningKeyError: There is no such key, or it does not sign.
            VersionChangedError: What the version names is not what was registered.
            InvalidURIError: It is a local folder; `export` with `sign` writes a signed one.
            Others: as `load`.

        Cost: as `Run.sign`.

        Example:
            >>> key = holdall.SigningKey.generate()
            >>> store.models.sign(logged.model_uri, key).of
            'files'
        """
        run, path = self._artifacts._run(uri)
        return run._sign(key, FILES, path)

    def verify(
        self,
        uri: str | os.PathLike[str],
        *,
        signed_by: Keys | Iterable[Keys] | None = None,
        ignore: Collection[str] = (),
    ) -> Verified:
        """Read all files of a model, verify every digest, and tell who signed them; nothing of it is loaded.

        Args:
            uri: Its address; of a local folder its `model.sig` is looked at, too.
            signed_by: Public keys, or files or texts of them: one of them must have signed the files.
            ignore: Of a local folder, paths that need not be signed, such as `.gitattributes`.

        Returns:
            What was read, and the signatures, as `Run.verify`.

        Raises:
            NotSignedError: None of the keys in `signed_by` signed what is there now.
            Others: as `Run.verify`, and as `load`.

        Example:
            >>> key = holdall.SigningKey.generate()
            >>> signature = store.models.sign(logged.model_uri, key)
            >>> store.models.verify(logged.model_uri, signed_by=key.public).signatures[0].key == signature.key
            True
        """
        local = local_folder(uri)
        if local is not None:
            return _of_folder(local, None if signed_by is None else keys_of(signed_by), ignore)
        run, path = self._artifacts._run(str(uri).rstrip("/"))
        return run.verify(path or None, signed_by=signed_by)


def _of_folder(folder: Path, keys: Collection[PublicKey] | None, ignore: Collection[str]) -> Verified:
    if not folder.is_dir():
        raise ContentError(str(folder), "a model's folder", "there is no folder here")
    entries = read_folder(folder)
    digest, signatures = manifest_digest(manifest_text(entries)), list[SignatureInfo]()
    if keys is not None:
        known = {each.path: each.sha256 for each in entries if each.kind is Kind.FILE}
        found = signer_of(folder, keys, known, ignore)
        if not isinstance(found, PublicKey):
            raise NotSignedError(str(folder), found)
        signatures = [SignatureInfo(str(folder), FILES, found.fingerprint, None, digest, None)]
    files = [each for each in entries if each.kind is Kind.FILE]
    return Verified(str(folder), digest, len(files), sum(each.size for each in files), signatures)
