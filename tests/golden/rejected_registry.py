"""Cases of what is wrong in the logs of registered models and of names."""

from __future__ import annotations

from typing import Any

from tests.golden.rejected_builder import DAMAGE, MODEL, NAME, UNKNOWN, case

from holdall.format.digest import sha256, show
from holdall.format.document import encode_document

VERSION: dict[str, Any] = {
    "op": "version",
    "version": 1,
    "source": "runs:/" + "ab" * 16 + "/model",
    "run": "ab" * 16,
    "path": "model",
    "digest": show("sha256", sha256(b"")),
    "pin": MODEL + "/" + "0" * 16,
    "user": None,
    "run_link": None,
    "model_id": None,
}
ENTRY = {"n": 1, "write_id": "c" * 32, "prev": "d" * 64, "time": 1, "writer": "x", "state_at": None}
FIRST = ENTRY | {"n": 0, "prev": None}


def registry() -> None:
    """All of them."""
    for make in (_ops, _folds):
        make()


def _ops() -> None:
    """An operation by itself."""
    wrong: dict[str, tuple[dict[str, Any], str, str]] = {
        "version-zero": (VERSION | {"version": 0}, DAMAGE, "version has version 0"),
        "version-text": (VERSION | {"version": "1"}, DAMAGE, "version has version '1'"),
        "version-run": (VERSION | {"run": "me"}, DAMAGE, "version has run 'me'"),
        "version-digest": (VERSION | {"digest": "00"}, DAMAGE, "is not a sha256 digest"),
        "version-no-pin": (VERSION | {"pin": None}, DAMAGE, "version has pin None"),
        "version-user": (VERSION | {"user": 0}, DAMAGE, "version has user 0"),
        "alias-true": ({"op": "alias", "alias": "a", "version": True}, DAMAGE, "alias has version True"),
        "stage-lower-case": ({"op": "stage", "version": 1, "stage": "production"}, DAMAGE, "stage has stage"),
        "stage-list": ({"op": "stage", "version": 1, "stage": []}, DAMAGE, "stage has stage []"),
        "describe-number": ({"op": "describe", "version": None, "text": 1}, DAMAGE, "describe has text 1"),
        "tag-value": ({"op": "version_tag", "version": 1, "key": "a", "value": 1}, DAMAGE, "version_tag has value 1"),
        "drop-nothing": ({"op": "drop"}, DAMAGE, "drop has version None"),
        "name-null": ({"op": "name", "name": None}, DAMAGE, "name has name None"),
        "unknown": ({"op": "webhook"}, UNKNOWN, "operation webhook"),
    }
    for name, (op, error, part) in wrong.items():
        case("model", name, encode_document({"log": MODEL} | ENTRY | {"ops": [op]}), error, part)
    case("model", "claim-at", encode_document({"log": MODEL} | ENTRY | {"ops": [_claim(-1)]}), DAMAGE, "has at -1")
    for op in (VERSION, {"op": "alias", "alias": "a", "version": 1}, {"op": "name", "name": "a"}):
        body = {"log": "runs/" + "ab" * 16} | ENTRY | {"ops": [op]}
        case("entry", f"op-of-a-model-{op['op']}", encode_document(body), UNKNOWN, f"operation {op['op']}")


def _folds() -> None:
    """Operations that do not follow from those before."""
    create = {"op": "create", "name": "fraud"}
    for name, ops, part in (
        ("version-gap", [VERSION, VERSION | {"version": 3}], "version 3 follows version 1"),
        ("version-again", [VERSION, VERSION], "version 1 follows version 1"),
        ("version-reused", [VERSION, {"op": "drop", "version": 1}, VERSION], "version 1 follows version 1"),
        ("alias-of-none", [{"op": "alias", "alias": "a", "version": 1}], "version 1, which does not exist"),
        ("stage-of-none", [{"op": "stage", "version": 1, "stage": "None"}], "version 1, which does not exist"),
        ("drop-twice", [VERSION, *[{"op": "drop", "version": 1}] * 2], "version 1, which does not exist"),
    ):
        case("registered", name, encode_document({"log": MODEL} | FIRST | {"ops": [create, *ops]}), DAMAGE, part)
    other = {"op": "create", "name": "Fraud"}
    case("holder", "other-name", encode_document({"log": NAME} | FIRST | {"ops": [other]}), DAMAGE, "whose log is else")


def _claim(at: int) -> dict[str, Any]:
    return {"op": "claim", "id": "cd" * 16, "at": at}
