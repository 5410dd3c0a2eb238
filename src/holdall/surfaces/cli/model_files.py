"""`holdall model inspect`, `get`, `export`: a model's files, looked at or brought here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from holdall.errors import InvalidURIError
from holdall.exporting import model_to_huggingface, model_to_oci, push_model
from holdall.settings import read_settings
from holdall.sizes import format_size
from holdall.surfaces.cli.fetching import is_there, refuse_to_replace
from holdall.surfaces.cli.model import model
from holdall.surfaces.cli.program import json_option, not_empty, opened
from holdall.surfaces.cli.signing import signing_key
from holdall.surfaces.cli.table import files, show_facts, show_json, show_table
from holdall.surfaces.cli.writer import say, tell
from holdall.terminal import printable

if TYPE_CHECKING:
    from holdall.store import Inspection


@model.command("inspect")
@click.argument("uri", callback=not_empty)
@json_option
def inspect(uri: str, as_json: bool) -> None:
    """Show a model without loading it: flavors, signature, requirements, and what its pickles would import.

    URI may be a local folder, too. No code of the model is run.

    \b
    Example: holdall model inspect models:/fraud@champion
    """
    found = opened().models.inspect(uri)
    show_json(_document(found)) if as_json else _show(found)


@model.command("get")
@click.argument("uri", callback=not_empty)
@click.option(
    "-d", "--to", "destination", type=click.Path(path_type=Path), default=Path(), help="The folder to put it in."
)
@click.option("--force", is_flag=True, help="Replace files that are there with other content.")
@json_option
def get(uri: str, destination: Path, force: bool, as_json: bool) -> None:
    """Download a model's folder; every byte is verified. Prints the folder's path.

    \b
    Example: holdall model get models:/fraud@champion -d fetched
    """
    run, path = opened().artifacts._run(_of_the_store(uri))
    run = run._at_one_look()
    wanted = run._select(path or None)
    missing = [one for one in wanted.entries if not is_there(one, destination)]
    if not force:
        refuse_to_replace(missing, destination)
    run._fetch_selected(wanted.but(missing), destination)
    fetched = [one for one in missing if one.kind.name == "FILE"]
    tell(f"fetched {files(len(fetched))}, {format_size(sum(one.size for one in fetched))}")
    place = destination / path
    show_json({"path": str(place)}) if as_json else say(str(place))


@model.command("export")
@click.argument("uri", callback=not_empty)
@click.argument("target", type=click.Path(path_type=Path), required=False)
@click.option("--oci", is_flag=True, help="As an OCI image layout, by ModelPack's media types.")
@click.option("--tag", default="latest", show_default=True, callback=not_empty, help="With --oci: the image's tag.")
@click.option(
    "--oci-push", "reference", callback=not_empty, metavar="REF", help="Into a registry, such as HOST/NAME:TAG."
)
@click.option("--insecure", is_flag=True, help="With --oci-push: by HTTP.")
@click.option("--hf", is_flag=True, help="As a folder of the Hugging Face Hub, with a card.")
@click.option(
    "--sign",
    "key",
    is_flag=False,
    flag_value="",
    metavar="[KEY]",
    help="With a model.sig, by KEY or HOLDALL_SIGNING_KEY.",
)
@json_option
def export(
    uri: str,
    target: Path | None,
    oci: bool,
    tag: str,
    reference: str | None,
    insecure: bool,
    hf: bool,
    key: str | None,
    as_json: bool,
) -> None:
    """Write a model to TARGET for programs without holdall: a folder, or .tar, .tar.gz, .tgz or .zip.

    `mlflow.pyfunc.load_model` and `mlflow models serve` take the folder as it is; `oras` and `skopeo` what --oci
    makes, `hf upload` what --hf makes. With --sign, the package model-signing verifies it.

    \b
    Example: holdall model export models:/fraud@champion fraud.tar.gz
    """
    ways = [oci, hf, reference is not None]
    if sum(ways) > 1 or (target is None) != (reference is not None):
        raise click.UsageError("give TARGET, perhaps with one of --oci and --hf; or --oci-push and no TARGET")
    if key is not None and any(ways):
        raise click.UsageError("--sign goes with a folder or an archive, which have room for a model.sig")
    signer = None if key is None else signing_key(key or None)
    store, address = opened(), _of_the_store(uri)
    said: dict[str, object]
    if reference is not None:
        said = {"reference": reference, "digest": push_model(store, address, reference, insecure=insecure)}
        show_json(said) if as_json else say(f"{reference}@{said['digest']}")
        return
    assert target is not None, "one of both was given"
    said = {"path": str(target)}
    if oci:
        image = model_to_oci(store, address, target, tag=tag)
        said |= asdict(image)
    else:
        said["files"] = (
            model_to_huggingface(store, address, target) if hf else store.models.export(address, target, sign=signer)
        )
    tell(f"wrote {files(int(str(said['files'])))}")
    shown = f"{target}:{tag}@{said['digest']}" if oci else str(target)
    show_json(said) if as_json else say(shown)


def _of_the_store(uri: str) -> str:
    if not uri.startswith(("models:/", "runs:/")):
        raise InvalidURIError(uri, "a model's address is models:/NAME/VERSION, models:/NAME@ALIAS or runs:/RUN_ID/PATH")
    return uri


def _document(found: Inspection) -> dict[str, object]:
    imports = None
    if found.imports is not None:
        imports = {name: [asdict(each) for each in some] for name, some in found.imports.items()}
    return {
        "digest": found.digest,
        "model": found.model.to_dict(),
        "requirements": found.requirements,
        "runs_code": found.runs_code,
        "imports": imports,
        "unread": found.unread,
        "trusted": found.digest in read_settings().trust.digests,
    }


def _show(found: Inspection) -> None:
    said = found.model
    environment = (said.holdall or {}).get("environment") or {}
    git = environment.get("repository") or {} if isinstance(environment, dict) else {}
    facts = [
        ("model", said.model_id or said.model_uuid or ""),
        ("digest", found.digest + ("  (listed in HOLDALL_TRUSTED)" * (found.digest in read_settings().trust.digests))),
        ("flavors", ", ".join(f"{name}{_version(name, body)}" for name, body in said.flavors.items())),
        ("made", f"{said.utc_time_created} UTC" if said.utc_time_created else ""),
        ("git", str(git.get("commit") or "") if isinstance(git, dict) else ""),
        ("runs code", ", ".join(found.runs_code) or "nothing: it loads under every policy of HOLDALL_TRUST"),
    ]
    show_facts([(name, value) for name, value in facts if value])
    signature = said.signature.to_dict() if said.signature else {}
    _section("signature", [f"{key}  {text}" for key, text in signature.items() if text])
    _section("requirements", found.requirements)
    _show_imports(found)


def _show_imports(found: Inspection) -> None:
    if found.imports is None:
        if found.runs_code:
            say("\nwhat its pickles import is not known: pip install 'holdall[inspect]'")
        return
    for name, imports in found.imports.items():
        unread = "  (the scan could not follow it to its end)" * (name in found.unread)
        say(f"\n{printable(name)} imports{unread}")
        if imports:
            order = {"dangerous": 0, "unknown": 1, "known": 2}
            show_table([["", one.verdict, one.name] for one in sorted(imports, key=lambda one: order[one.verdict])])


def _version(name: str, body: object) -> str:
    version = body.get(f"{name}_version") if isinstance(body, dict) else None
    return f" {version}" if version else ""


def _section(title: str, lines: Iterable[str]) -> None:
    if shown := list(lines):
        say(f"\n{title}")
        for line in shown:
            say(printable(f"  {line}"))
