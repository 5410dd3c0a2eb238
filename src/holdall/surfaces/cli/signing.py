"""`holdall run sign`, `model sign`, `run verify`, `model verify`, and `holdall signing-key`: who answers for what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from holdall.settings import read_settings
from holdall.sizes import format_size
from holdall.surfaces.cli.address import run_argument, run_of
from holdall.surfaces.cli.model import model
from holdall.surfaces.cli.program import json_option, not_empty, opened, program
from holdall.surfaces.cli.run import run
from holdall.surfaces.cli.table import files, show_facts, show_json, when
from holdall.surfaces.cli.writer import ask_hidden, say, tell
from holdall.terminal import printable

if TYPE_CHECKING:
    from holdall.store import PublicKey, SignatureInfo, SigningKey, Verified

_key = click.option(
    "--key", callback=not_empty, metavar="FILE", help="The private key; that of HOLDALL_SIGNING_KEY if not given."
)
_signed_by = click.option(
    "--signed-by",
    multiple=True,
    callback=not_empty,
    metavar="KEY",
    help="A file of public keys, one of which must have signed it; repeatable.",
)


def signing_key(file: str | None) -> SigningKey:
    """Return the key of an option, or else that of the settings. Raises: SigningKeyError."""
    from holdall.store import SigningKey

    settings = read_settings()
    return SigningKey.load(file, settings.signing_passphrase) if file else settings.load_signing_key()


def keys_in(given: Sequence[str]) -> list[PublicKey] | None:
    """Return the public keys in files, or texts; None if none were given. Raises: SigningKeyError."""
    from holdall.store import public_keys

    return [key for each in given for key in public_keys(each)] if given else None


@run.command("sign")
@run_argument()
@_key
@json_option
def sign_run(run_id: str, key: str | None, as_json: bool) -> None:
    """Sign all that a run holds now: whoever has the public key sees who answers for it.

    \b
    Example: holdall run sign RUN_ID --key anna.pem
    """
    found = signing_key(key)  # a wrong one asks nothing of a store
    _show_signature(run_of(opened(), run_id).sign(found), as_json=as_json)


@run.command("verify")
@run_argument()
@_signed_by
@json_option
def verify_run(run_id: str, signed_by: Sequence[str], as_json: bool) -> None:
    """Read all that a run holds, verify every digest, and show who signed it.

    Without --signed-by anybody may have made the signatures that are shown.

    \b
    Example: holdall run verify RUN_ID --signed-by anna.pem.pub
    """
    keys = keys_in(signed_by)
    _show_verified(run_of(opened(), run_id).verify(signed_by=keys), as_json=as_json)


@model.command("sign")
@click.argument("uri", callback=not_empty)
@_key
@json_option
def sign_model(uri: str, key: str | None, as_json: bool) -> None:
    """Sign the files of a model. To sign a folder, export the model with --sign.

    \b
    Example: holdall model sign models:/fraud/3 --key anna.pem
    """
    found = signing_key(key)
    _show_signature(opened().models.sign(uri, found), as_json=as_json)


@model.command("verify")
@click.argument("uri", callback=not_empty)
@_signed_by
@click.option(
    "--ignore", multiple=True, callback=not_empty, metavar="PATH", help="Of a folder, what need not be signed."
)
@json_option
def verify_model(uri: str, signed_by: Sequence[str], ignore: Sequence[str], as_json: bool) -> None:
    """Read all files of a model, verify every digest, and show who signed them. Nothing of it is loaded.

    URI may be a local folder with a model.sig of OpenSSF model signing.

    \b
    Example: holdall model verify models:/fraud/3 --signed-by anna.pem.pub
    """
    keys = keys_in(signed_by)
    _show_verified(opened().models.verify(uri, signed_by=keys, ignore=ignore), as_json=as_json)


@program.group("signing-key")
def signing_key_group() -> None:
    """Make and show keys that sign runs and models.

    \b
    Example: holdall signing-key new anna.pem
    """


@signing_key_group.command("new")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--kind",
    type=click.Choice(["ed25519", "p256"]),
    default="ed25519",
    show_default=True,
    help="p256 for keys that also sign what `holdall model export --sign` writes.",
)
@click.option("--passphrase", is_flag=True, help="Ask for a passphrase to encrypt it by.")
@json_option
def new(file: Path, kind: str, passphrase: bool, as_json: bool) -> None:
    """Make a key pair: FILE, the private key, which only you may read, and FILE.pub, for others. Nothing is replaced.

    It is encrypted by HOLDALL_SIGNING_PASSPHRASE if that is set.

    \b
    Example: holdall signing-key new anna.pem
    """
    from holdall.store import SigningKey

    word = read_settings().signing_passphrase
    if passphrase:
        word = ask_hidden("Passphrase", twice=True)
    made = SigningKey.generate(kind)
    made.save(file, word)
    tell(f"keep {file} to yourself, and give {file}.pub to those who verify")
    _show_keys([made.public], as_json=as_json)


@signing_key_group.command("show")
@click.argument("file", callback=not_empty)
@json_option
def show(file: str, as_json: bool) -> None:
    """Show the fingerprints of the public keys in FILE.

    \b
    Example: holdall signing-key show anna.pem.pub
    """
    _show_keys(keys_in([file]) or [], as_json=as_json)


def _show_keys(keys: Sequence[PublicKey], *, as_json: bool) -> None:
    if as_json:
        show_json([{"key": key.fingerprint, "kind": key.kind, "public": key.to_pem()} for key in keys])
        return
    for key in keys:
        say(f"{key.fingerprint}  {key.kind}")


def _show_signature(signature: SignatureInfo, *, as_json: bool) -> None:
    if as_json:
        show_json(asdict(signature))
        return
    show_facts([("signed", signature.artifact), ("digest", signature.digest), ("key", signature.key)])


def _show_verified(found: Verified, *, as_json: bool) -> None:
    """Show who signed something. Ends with 1 where all that is there are signatures that are not valid."""
    _say_verified(found, as_json=as_json)
    if found.signatures and all(each.problem for each in found.signatures):
        raise click.exceptions.Exit(1)


def _say_verified(found: Verified, *, as_json: bool) -> None:
    if as_json:
        show_json(asdict(found))
        return
    facts: list[tuple[str, Any]] = [("verified", found.artifact), ("digest", found.digest)]
    show_facts([*facts, ("read", f"{files(found.files)}, {format_size(found.bytes)}")])
    for each in found.signatures:
        say(printable(f"{signature_line(each)}{f': {each.problem}' if each.problem else ''}"))
    if not found.signatures:
        say("not signed")


def signature_line(found: SignatureInfo) -> str:
    """Return a signature in a line: whether it is valid, of what, whose, and when as its signer says."""
    word = "INVALID" if found.problem else "signed "
    said = f", {when(found.time)} by the signer's clock" if found.time is not None else ""
    return f"{word}  {found.artifact}  by {found.key or 'nobody'}{said}"
