"""Addresses of models, and the words that people use for versions.

    models:/<name>/<version>     models:/<name>@<alias>     models:/<name>/latest     models:/<name>/<stage>
    models:/<model_id>           `m-<run id>-<n>`, a model that a run logged

A path may follow each of them. Only texts and values: nothing is looked up here.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Final

from holdall.errors import InvalidNameError, InvalidPathError, InvalidURIError
from holdall.format.layout import parse_model_id
from holdall.format.ops import STAGES
from holdall.format.paths import check_path

MODELS: Final = "models:/"
LATEST: Final = "latest"
_BY_WORD: Final = {word.lower(): word for word in (*STAGES, LATEST)}
_MAX: Final = 256
_ALIAS: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")
_LIKE_A_VERSION: Final = re.compile(r"[vV]?[0-9]+")


@dataclass(frozen=True, slots=True)
class ModelURI:
    """What an address names: a logged model by its id; else a version by number, alias or stage, or the latest.

    Attributes:
        path: Below the model's root; "" for all of it.
    """

    name: str = ""
    version: int | None = None
    alias: str | None = None
    stage: str | None = None
    model_id: str | None = None
    path: str = ""


def parse_model_uri(uri: str) -> ModelURI:
    """Parse an address that begins with `models:/`.

    Raises:
        InvalidURIError: It is none; the error says what is missing.
    """
    if not uri.startswith(MODELS) or uri.startswith(MODELS + "/"):
        raise InvalidURIError(
            uri, "a model's address is models:/<name>/<version>, models:/<name>@<alias> or models:/<id>"
        )
    first, _, rest = uri[len(MODELS) :].rstrip("/").partition("/")
    if parse_model_id(first):
        return ModelURI(model_id=first, path=_path(uri, rest))
    which, _, below = rest.partition("/")
    if re.fullmatch("[0-9]{1,15}", which):
        return ModelURI(_name(uri, first), int(which), path=_path(uri, below))
    if which.lower() in _BY_WORD:
        return ModelURI(_name(uri, first), stage=_BY_WORD[which.lower()], path=_path(uri, below))
    name, at, alias = first.rpartition("@")
    if at and alias:
        return ModelURI(_name(uri, name), alias=alias, path=_path(uri, rest))
    raise InvalidURIError(uri, _what_is_missing(first, which))


def check_name(name: object) -> str:
    """Return the name, if a model may have it.

    Raises:
        InvalidNameError: It may not.
    """
    reason = ""
    if not isinstance(name, str) or not 0 < len(name) <= _MAX:
        reason = f"a name has 1 to {_MAX} characters"
    elif set(name) & set("/:"):
        reason = "a name has no / and no :, which part addresses"
    elif not name.isprintable():
        reason = "it has a character that cannot be printed"
    elif parse_model_id(name):
        reason = "this is the id of a model that a run logged"
    if reason:
        raise InvalidNameError("registered model", str(name), reason)
    return str(name)


def check_alias(alias: object) -> str:
    """Return the alias, if it is a valid one.

    Raises:
        InvalidNameError: It may not.
    """
    if not isinstance(alias, str) or not _ALIAS.fullmatch(alias):
        raise InvalidNameError("alias", str(alias), "an alias has 1 to 255 letters, digits, - or _")
    if alias.lower() == LATEST or _LIKE_A_VERSION.fullmatch(alias):
        raise InvalidNameError("alias", alias, "it would read like a version")
    return alias


def check_version(version: object) -> int:
    """Return a version's number, given as a number or its digits.

    Raises:
        InvalidNameError: It is none.
    """
    if isinstance(version, bool) or not re.fullmatch("[0-9]{1,15}", str(version)):
        raise InvalidNameError("version", str(version), "a version is a number from 1 on, such as '3'")
    return int(str(version))


def check_stage(stage: object) -> str:
    """Return a stage in its own spelling, given in any case.

    Raises:
        InvalidNameError: It is none.
    """
    found = _BY_WORD.get(str(stage).lower())
    if not found or found == LATEST:
        raise InvalidNameError("stage", str(stage), f"known are {', '.join(STAGES)}{_meant(str(stage))}")
    return found


def _name(uri: str, name: str) -> str:
    try:
        return check_name(name)
    except InvalidNameError as error:
        raise InvalidURIError(uri, str(error)) from error


def _path(uri: str, path: str) -> str:
    try:
        return check_path(path) if path else ""
    except InvalidPathError as error:
        raise InvalidURIError(uri, str(error)) from error


def _what_is_missing(name: str, which: str) -> str:
    if not which:
        return f"say which version: models:/{name}/1, models:/{name}/latest or models:/{name}@<alias>"
    alias = f"; an alias is written models:/{name}@{which}" if _ALIAS.fullmatch(which) else ""
    return f"{which!r} is no version, no stage and not latest{_meant(which) or alias}"


def _meant(word: str) -> str:
    word = word.lower()
    near = difflib.get_close_matches(word, _BY_WORD, n=1) or [
        known for known in _BY_WORD if word and known.startswith(word)
    ]
    return f"; did you mean {_BY_WORD[near[0]]}?" if near else ""
