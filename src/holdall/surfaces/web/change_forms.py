"""What can be changed from a page: for each verb its form, and the verb of the store that it calls.

A form is drawn with what is there now, and says what will happen; sent, it calls the same verb that Python has. An
alias moves only if it is still where the form showed it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from holdall.store import DESCRIPTION
from holdall.surfaces.web.models import versions_of
from holdall.surfaces.web.site import Site

Given = Mapping[str, str]
_MOST: Final = 200  # versions to choose from


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a form. Attributes: kind: "hidden", "text", "area" or "choice"; choices: of the last kind."""

    name: str
    label: str = ""
    value: str = ""
    kind: str = "text"
    choices: Sequence[str] = ()
    needed: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """What a verb asks for.

    Attributes:
        title: What it does.
        says: What will happen, in a sentence or two.
        fields: What is sent.
        button: The word on its button.
        page, arguments: Where its reader is led afterwards.
        danger: Whether it takes something away.
    """

    title: str
    says: str
    fields: Sequence[Field]
    button: str
    page: str
    arguments: Mapping[str, str]
    danger: bool = False


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb: what draws its form, and what does it."""

    form: Callable[[Site, Given], Form]
    perform: Callable[[Site, Given], Any]


def _hidden(given: Given, *names: str) -> list[Field]:
    return [Field(name, value=given.get(name, ""), kind="hidden") for name in names]


def _tag_fields(given: Given, tags: Mapping[str, str]) -> list[Field]:
    key = given.get("key", "")
    return [Field("key", "Tag", key, needed=True), Field("value", "Value; empty removes it", tags.get(key, ""))]


# --- runs and experiments ---


def _run(kind: str) -> Callable[[Site, Given], Form]:
    def form(site: Site, given: Given) -> Form:
        record = site.store.runs.get(given.get("id", "")).record
        name, tags, fields = record.info.run_name, record.data.tags, _hidden(given, "id")
        back = ("run", {"id": record.info.run_id})
        if kind == "describe":
            area = Field("text", "Description", tags.get(DESCRIPTION, ""), "area")
            return Form(f"Describe {name}", "Empty removes the description.", [*fields, area], "Save", *back)
        if kind == "tag":
            return Form(f"Tag {name}", "Sets or removes a tag.", [*fields, *_tag_fields(given, tags)], "Save", *back)
        if kind == "delete":
            says = "It can be restored for seven days at least; then a collection frees what nothing else needs."
            return Form(f"Delete {name}?", says, fields, "Delete the run", *back, danger=True)
        return Form(f"Restore {name}", "It is found again, with all that it held.", fields, "Restore the run", *back)

    return form


def _tag_run(site: Site, given: Given, tags: Mapping[str, str | None]) -> None:
    run = site.store.runs.get(given["id"])
    run.set_tags(tags)
    run.flush()


def _experiment(kind: str) -> Callable[[Site, Given], Form]:
    def form(site: Site, given: Given) -> Form:
        found, fields = site.store.experiments.get(given.get("id", "")), _hidden(given, "id")
        back = ("experiment", {"id": found.experiment_id})
        if kind == "describe":
            area = Field("text", "Description", found.tags.get(DESCRIPTION, ""), "area")
            return Form(f"Describe {found.name}", "Empty removes the description.", [*fields, area], "Save", *back)
        if kind == "tag":
            tags = _tag_fields(given, found.tags)
            return Form(f"Tag {found.name}", "Sets or removes a tag.", [*fields, *tags], "Save", *back)
        if kind == "delete":
            says = "Its runs are deleted with it. All can be restored for seven days at least."
            return Form(f"Delete {found.name}?", says, fields, "Delete the experiment", *back, danger=True)
        says = "With the runs that its deletion took along."
        return Form(f"Restore {found.name}", says, fields, "Restore the experiment", *back)

    return form


# --- models and versions ---


def _model(kind: str) -> Callable[[Site, Given], Form]:
    def form(site: Site, given: Given) -> Form:
        name, number = given.get("name", ""), given.get("version", "")
        registry = site.store.registry
        found: Any = registry.get_version(name, number) if number else registry.get_model(name)
        called, fields = f"{name} {number}".strip(), _hidden(given, "name", "version")
        back = ("model_version", {"name": name, "version": number}) if number else ("model", {"name": name})
        if kind == "describe":
            area = Field("text", "Description", found.description or "", "area")
            return Form(f"Describe {called}", "Empty removes the description.", [*fields, area], "Save", *back)
        return Form(
            f"Tag {called}", "Sets or removes a tag.", [*fields, *_tag_fields(given, found.tags)], "Save", *back
        )

    return form


def _describe_model(site: Site, given: Given) -> None:
    text = given.get("text", "") or None
    if given.get("version"):
        site.store.registry.describe_version(given["name"], given["version"], text)
    else:
        site.store.registry.describe_model(given["name"], text)


def _tag_model(site: Site, given: Given) -> None:
    key, value = given.get("key", ""), given.get("value", "") or None
    if given.get("version"):
        site.store.registry.set_version_tag(given["name"], given["version"], key, value)
    else:
        site.store.registry.set_model_tag(given["name"], key, value)


def _alias_form(site: Site, given: Given) -> Form:
    name, alias = given.get("name", ""), given.get("alias", "")
    model = site.store.registry.get_model(name)
    now = model.aliases.get(alias, "0")
    numbers = [version.version for version in versions_of(site, name)[:_MOST]]
    says = f"@{alias} points at version {now} now." if alias in model.aliases else "The alias is made if there is none."
    other = next((number for number in numbers if number != now), "")
    fields = [
        *_hidden(given, "name"),
        Field("alias", "Alias", alias, "hidden" if alias in model.aliases else "text", needed=True),
        Field("expected", value=now, kind="hidden"),
        Field(
            "version",
            f"From {now} to version" if now != "0" else "To version",
            given.get("version") or other,
            "choice",
            numbers,
        ),
    ]
    title = f"Move @{alias} of {name}" if alias in model.aliases else f"Point an alias of {name} at a version"
    return Form(
        title, says, fields, "Move the alias" if alias in model.aliases else "Set the alias", "model", {"name": name}
    )


def _move_alias(site: Site, given: Given) -> None:
    name, alias, expected = given["name"], given.get("alias", ""), given.get("expected") or "0"
    site.store.registry.set_alias(name, alias, given.get("version", ""), expected=expected)


def _unalias_form(site: Site, given: Given) -> Form:
    name, alias = given.get("name", ""), given.get("alias", "")
    now = site.store.registry.get_model(name).aliases.get(alias, "0")
    says = f"It points at version {now} now; who loads models:/{name}@{alias} then finds nothing."
    fields = [*_hidden(given, "name", "alias"), Field("expected", value=now, kind="hidden")]
    return Form(f"Delete @{alias} of {name}?", says, fields, "Delete the alias", "model", {"name": name}, danger=True)


def _unalias(site: Site, given: Given) -> None:
    site.store.registry.delete_alias(given["name"], given.get("alias", ""), expected=given.get("expected") or "0")


def _tag_of(given: Given) -> dict[str, str | None]:
    return {given.get("key", ""): given.get("value", "") or None}


def _text_of(given: Given) -> dict[str, str | None]:
    return {DESCRIPTION: given.get("text", "") or None}


VERBS: Final[Mapping[str, Verb]] = {
    "describe-run": Verb(_run("describe"), lambda site, given: _tag_run(site, given, _text_of(given))),
    "tag-run": Verb(_run("tag"), lambda site, given: _tag_run(site, given, _tag_of(given))),
    "delete-run": Verb(_run("delete"), lambda site, given: site.store.runs.get(given["id"]).delete()),
    "restore-run": Verb(_run("restore"), lambda site, given: site.store.runs.get(given["id"]).restore()),
    "describe-experiment": Verb(
        _experiment("describe"), lambda site, given: site.store.experiments.set_tags(given["id"], _text_of(given))
    ),
    "tag-experiment": Verb(
        _experiment("tag"), lambda site, given: site.store.experiments.set_tags(given["id"], _tag_of(given))
    ),
    "delete-experiment": Verb(_experiment("delete"), lambda site, given: site.store.experiments.delete(given["id"])),
    "restore-experiment": Verb(_experiment("restore"), lambda site, given: site.store.experiments.restore(given["id"])),
    "describe-model": Verb(_model("describe"), _describe_model),
    "tag-model": Verb(_model("tag"), _tag_model),
    "alias": Verb(_alias_form, _move_alias),
    "delete-alias": Verb(_unalias_form, _unalias),
}
"""What can be changed, by the word in the address: `url("change", verb="tag-run", id=...)` is the page of its form."""
