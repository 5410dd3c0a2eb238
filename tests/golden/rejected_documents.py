"""Cases of what is wrong in JSON: documents, descriptors, log entries, operations, references, records."""

from __future__ import annotations

import json

from tests.golden.rejected_builder import (
    DAMAGE,
    DATA,
    LOG,
    PACK,
    REF,
    UNKNOWN,
    body_of,
    case,
    changer,
    document,
    patched,
)

from holdall.format.damage import DamageRecord, encode_damage
from holdall.format.digest import show
from holdall.format.document import encode_document
from holdall.format.records import Descriptor, encode_descriptor, encode_generation, encode_hint
from holdall.format.state import State


def documents() -> None:
    """All of them."""
    for make in (_plain_documents, _descriptors, _entries, _ops, _references, _records):
        make()


def _plain_documents() -> None:
    good = encode_document({"a": 1})
    case("document", "empty", b"", DAMAGE, "not a document of two lines")
    case("document", "third-line", good + b"\n", DAMAGE, "not a document of two lines")
    case("document", "no-last-newline", good[:-1], DAMAGE, "not a document of two lines")
    case("document", "crlf", good.replace(b"\n", b"\r\n"), DAMAGE, "not the digest of its first")
    case("document", "flipped-bit", patched(good, 5, b"3"), DAMAGE, "not the digest of its first")
    case("document", "digest-upper-case", good[:19] + good[19:].upper(), DAMAGE, "not the digest of its first")
    case("document", "digest-spaced", good.replace(b'":"', b'": "'), DAMAGE, "not the digest of its first")
    case("document", "list", document(b"[]"), DAMAGE, "not a JSON object")
    case("document", "not-json", document(b"{a:1}"), DAMAGE, "not JSON")
    case("document", "byte-order-mark", document(b'\xef\xbb\xbf{"a":1}'), DAMAGE, "not JSON")
    case("document", "utf-16", document('{"a":1}'.encode("utf-16-le")), DAMAGE, "not JSON")
    case("document", "latin-1", document(b'{"a":"\xe9"}'), DAMAGE, "not JSON")
    case("document", "nan", document(b'{"a":NaN}'), DAMAGE, "NaN is not JSON")
    case("document", "huge-float", document(b'{"a":1e999}'), DAMAGE, "no finite number")
    case("document", "twin-keys", document(b'{"a":1,"a":1}'), DAMAGE, "has a key twice")
    case("document", "lone-surrogate", document(b'{"a":"\\ud800"}'), DAMAGE, "not JSON")
    case("document", "nested", document(b'{"a":' + b"[" * 64 + b"]" * 64 + b"}"), DAMAGE, "nests more than 64 deep")
    case("document", "endless-number", document(b'{"a":' + b"9" * 5000 + b"}"), DAMAGE, "not JSON")
    case("document", "deep", document(b'{"a":' + b"[" * 2000 + b"]" * 2000 + b"}"), DAMAGE, "not JSON")


def _descriptors() -> None:
    good = body_of(encode_descriptor(Descriptor("0" * 32, 1)))
    change, chunker = changer("descriptor", good), good["chunker"]
    change("format-2", UNKNOWN, "format 2", format=2, chunker=...)
    change("format-true", UNKNOWN, "format True", format=True)
    change("keyed-chunks", UNKNOWN, "chunk_id blake3-keyed", chunk_id="blake3-keyed")
    change("other-file-id", UNKNOWN, "file_id sha512", file_id="sha512")
    change("other-chunker", UNKNOWN, "chunker rabin", chunker=chunker | {"name": "rabin"})
    change("reader-feature", UNKNOWN, "reader feature sealing", reader_features=["sealing"])
    change("features-missing", DAMAGE, "writer_features is not a list", writer_features=...)
    change("no-chunker", DAMAGE, "names no chunker", chunker=...)
    change("chunker-unordered", DAMAGE, "chunk sizes must obey", chunker=chunker | {"min": 65536})
    change("chunker-too-large", DAMAGE, "chunk sizes must obey", chunker=chunker | {"max": 1 << 25})
    change("pack-size", DAMAGE, "pack_size 4095 is out of bounds", pack_size=4095)
    change("store-upper-case", DAMAGE, "not 32 lower-case hex digits", store="A" * 32)
    change("created-float", DAMAGE, "its created is 1.5", created=1.5)


def _entries() -> None:
    good = {"log": LOG, "n": 1, "write_id": "c" * 32, "prev": "d" * 64, "time": 1, "writer": "x", "state_at": None}
    change = changer("entry", good | {"ops": []})
    blob = {"id": show("blake3", REF.id), "codec": 0, "raw": 1, "kind": 0, "data": "YQ=="}
    change("other-log", DAMAGE, "it says that it is", log="runs/" + "0" * 32)
    change("other-number", DAMAGE, "it says that it is", n=2)
    change("number-true", DAMAGE, "it says that it is", n=True)
    change("prev-missing", DAMAGE, "its prev is not the digest", prev=None)
    change("prev-short", DAMAGE, "not 64 lower-case hex digits", prev="d" * 63)
    change("write-id-missing", DAMAGE, "not 32 lower-case hex digits", write_id=...)
    change("time-negative", DAMAGE, "its time is -1", time=-1)
    change("writer-missing", DAMAGE, "names no writer", writer=...)
    change("state-at-later", DAMAGE, "its state_at is 2", state_at=2)
    change("state-unsaid", DAMAGE, "its state is not where it says", state={})
    change("state-missing", DAMAGE, "its state is not where it says", state_at=1)
    change("sealed", UNKNOWN, "sealed entries", sealed="...")
    change("ops-missing", DAMAGE, "its ops are no list", ops=...)
    change("blob-not-base64", DAMAGE, "not base64", blobs=[blob | {"data": "Y*=="}])
    change("blob-unpadded", DAMAGE, "not base64", blobs=[blob | {"data": "YQ"}])
    change("blob-not-ascii", DAMAGE, "not base64", blobs=[blob | {"data": "é"}])
    change("blobs-bomb", DAMAGE, "decode to more than", blobs=[blob | {"raw": 9 << 20}] * 2)
    change("facts-bomb", DAMAGE, "cannot be", blobs=[blob | {"kind": 3, "raw": 2 << 20}])
    change("blob-kind", DAMAGE, "of kind 4", blobs=[blob | {"kind": 4}])
    change("blob-bomb", DAMAGE, "cannot be", blobs=[blob | {"raw": (16 << 20) + 1}])
    change("blob-empty", DAMAGE, "cannot be", blobs=[blob | {"raw": 0}])
    change("blob-other-digest", DAMAGE, "is not a blake3 digest", blobs=[blob | {"id": show("sha256", REF.id)}])


def _ops() -> None:
    commit = {"op": "commit", "tree": REF.to_json(), "files": 1, "bytes": 1, "new_bytes": 1, "stored_bytes": 1}
    inline = {key: value for key, value in REF.to_json().items() if key not in ("pack", "offset")} | {"blob": 0}
    wrong: dict[str, tuple[object, str, str]] = {
        "text": ("commit", DAMAGE, "is not an operation"),
        "nameless": ({}, DAMAGE, "is not an operation"),
        "unknown": ({"op": "rename"}, UNKNOWN, "operation rename"),
        "commit-no-tree": ({**commit, "tree": {}}, DAMAGE, "lacks a number"),
        "commit-no-count": ({**commit, "files": None}, DAMAGE, "commit has files None"),
        "open-short": ({"op": "open", "session": "ab"}, DAMAGE, "open has session"),
        "pin-path": ({"op": "pin", "pin": "p", "by": "b", "path": None}, DAMAGE, "pin has path None"),
        "param-number": ({"op": "param", "key": "a", "value": 1}, DAMAGE, "param has value 1"),
        "tag-key-missing": ({"op": "tag", "value": None}, DAMAGE, "tag has key None"),
        "status": ({"op": "status", "status": "DONE"}, DAMAGE, "status has status 'DONE'"),
        "metric-short": ({"op": "metric", "points": [["a", 1, 2]]}, DAMAGE, "metric has points"),
        "metric-true": ({"op": "metric", "points": [["a", True, 2, 3]]}, DAMAGE, "metric has points"),
        "metric-huge": ({"op": "metric", "points": [["a", 10**400, 2, 3]]}, DAMAGE, "metric has points"),
        "fence-negative": ({"op": "fence", "generation": -1}, DAMAGE, "fence has generation -1"),
        "create-late": ({"op": "create", "experiment": "0" * 16}, DAMAGE, "create is not the first of entry 0"),
        "commit-bomb": ({**commit, "tree": REF.to_json() | {"raw": (1 << 20) + 1}}, DAMAGE, "cannot be"),
        "commit-later": ({**commit, "tree": inline | {"entry": 2}}, DAMAGE, "its tree is in entry 2"),
        "environment-later": ({"op": "environment", "facts": inline | {"entry": 2}}, DAMAGE, "facts is in entry 2"),
        "metric-step-float": ({"op": "metric", "points": [["a", 1, 2.0, 3]]}, DAMAGE, "metric has points"),
        "metric-step-small-text": ({"op": "metric", "points": [["a", 1, "2", 3]]}, DAMAGE, "metric has points"),
        "of-a-name": ({"op": "claim", "id": "x", "at": 0}, DAMAGE, "does not belong in this log"),
        "remove-nothing": ({"op": "remove", "paths": []}, DAMAGE, "remove has paths []"),
        "remove-text": ({"op": "remove", "paths": "last.pt"}, DAMAGE, "remove has paths 'last.pt'"),
        "remove-up": ({"op": "remove", "paths": ["a", "../b"]}, DAMAGE, "remove has paths ['a', '../b']"),
        "remove-root": ({"op": "remove", "paths": [""]}, DAMAGE, "remove has paths ['']"),
        "remove-many": ({"op": "remove", "paths": ["a"] * 10_001}, DAMAGE, "remove has paths"),
        "trim-path-missing": ({"op": "trim", "before": 1}, DAMAGE, "trim has path None"),
        "trim-path-absolute": ({"op": "trim", "path": "/a", "before": 1}, DAMAGE, "trim has path '/a'"),
        "trim-before-negative": ({"op": "trim", "path": "", "before": -1}, DAMAGE, "trim has before -1"),
        "trim-before-text": ({"op": "trim", "path": "", "before": "1"}, DAMAGE, "trim has before '1'"),
        "create-experiment": ({"op": "create", "experiment": "Default"}, DAMAGE, "create has experiment"),
    }
    good = {"log": LOG, "n": 1, "write_id": "c" * 32, "prev": "d" * 64, "time": 1, "writer": "x", "state_at": None}
    for name, (op, error, part) in wrong.items():
        case("entry", f"op-{name}", encode_document(good | {"ops": [op]}), error, part)
    later = good | {"state": {"versions": inline | {"entry": 2}}, "state_at": 1, "ops": []}
    case("entry", "versions-later", encode_document(later), DAMAGE, "its versions is in entry 2")
    first = good | {"n": 0, "prev": None, "ops": [{"op": "open", "session": "e" * 32}]}
    case("first", "no-create", encode_document(first), DAMAGE, "or is missing there")
    for name, op, part in (
        ("create-name", {"op": "create", "name": "Default"}, "does not begin with what the log is of"),
        ("create-of-another", {"op": "create", "experiment": "0" * 16}, "has no run of this id"),
    ):
        case("first", name, encode_document(first | {"ops": [op]}), DAMAGE, part)
    paths = {"op": "create", "experiment": "ab" * 8, "paths": "mutable"}
    case("first", "create-paths", encode_document(first | {"ops": [paths]}), DAMAGE, "create has paths 'mutable'")
    for op in ({"op": "remove", "paths": ["a"]}, {"op": "trim", "path": "", "before": 1}):
        case("immutable", str(op["op"]), encode_document(good | {"ops": [op]}), DAMAGE, "but the run is not versioned")
    born = first | {"ops": [{"op": "create", "experiment": "ab" * 8}]}
    case("first", "no-ops", encode_document(first | {"ops": []}), DAMAGE, "does not begin with what the log is of")
    case("first", "state", encode_document(born | {"state": {}, "state_at": 0}), DAMAGE, "begins a log")
    named = {"log": "names/fraud", "n": 1, "state_at": 0, "ops": []}
    case("name", "state-at", encode_document(good | named), DAMAGE, "is not of a run")
    case(
        "name",
        "tag",
        encode_document(good | named | {"state_at": None, "ops": [{"op": "tombstone"}]}),
        DAMAGE,
        "belong",
    )
    kept = {"log": "experiments/" + "ab" * 8, "ops": [{"op": "unpin", "pin": "p"}]}
    case("experiment", "pin", encode_document(good | kept), DAMAGE, "does not belong in this log")
    case("first", "prev", encode_document(first | {"prev": "d" * 64}), DAMAGE, "its prev is not the digest")


def _references() -> None:
    good = REF.to_json()
    inline = {key: value for key, value in good.items() if key not in ("pack", "offset")} | {"entry": 1, "blob": 0}
    for name, body, part in (
        ("text", "here", "not an object"),
        ("no-place", {key: good[key] for key in ("id", "codec", "raw", "stored")}, "lacks a number"),
        ("zero-session", good | {"pack": "0" * 32 + "-00000000"}, "not the name of a pack"),
        ("offset-missing", {key: value for key, value in good.items() if key != "offset"}, "lacks a number"),
        ("entry-null", inline | {"entry": None}, "lacks a number"),
        ("codec-true", good | {"codec": True}, "lacks a number"),
        ("codec-large", good | {"codec": 256}, "has one that is none"),
        ("offset-large", good | {"offset": 1 << 32}, "has one that is none"),
        ("behind-a-pack", good | {"offset": (1 << 30) - 29}, "no pack has a byte"),
        ("facts-dense", good | {"raw": 1 << 21, "stored": 9}, "cannot be"),
        ("raw-bomb", good | {"raw": 1 << 40}, "cannot be"),
        ("stored-longer", good | {"stored": len(DATA) + 65}, "cannot be"),
        ("id-short", good | {"id": "blake3:abc"}, "not 64 lower-case hex digits"),
    ):
        case("reference", name, json.dumps(body).encode(), DAMAGE, part)
    state = State().to_json()
    own = inline | {"entry": ...}
    for name, body, part in (
        ("no-tree", {key: value for key, value in state.items() if key != "tree"}, "has no tree"),
        ("environment-own", state | {"environment": {k: v for k, v in own.items() if v is not ...}}, "comes after it"),
        ("tree-bomb", state | {"tree": good | {"raw": (1 << 20) + 1}}, "cannot be"),
        ("count-negative", state | {"files": -1}, "has files -1"),
        ("sessions-unsorted", state | {"sessions": ["b" * 32, "a" * 32]}, "has sessions"),
        ("batches-twice", state | {"batches": [3, 3]}, "has batches"),
        ("metric-without-count", state | {"metrics": {"loss": [1, 2, 3]}}, "has metrics"),
        ("pinned-number", state | {"pins": {"p": "b"}, "pinned": {"p": 1}}, "has pinned"),
        ("pinned-without-pin", state | {"pinned": {"p": "model"}}, "has pinned"),
        ("tag-null", state | {"tags": {"a": None}}, "has tags"),
        ("status", state | {"status": "DONE"}, "has status"),
        ("versions-text", state | {"versions": "none"}, "not an object"),
        ("versions-bomb", state | {"versions": good | {"raw": (1 << 20) + 1}}, "cannot be"),
    ):
        case("state", name, json.dumps(body).encode(), DAMAGE, part)


def _records() -> None:
    change = changer("hint", body_of(encode_hint(REF.id, PACK)))
    change("other-chunk", DAMAGE, "names another chunk", chunk=show("blake3", bytes(32)))
    change("pack-name", DAMAGE, "not the name of a pack", pack="../" + str(PACK))
    change("pack-missing", DAMAGE, "not the name of a pack", pack=...)
    change = changer("condemn", body_of(encode_generation(1, "condemn", [PACK])))
    change("other-generation", DAMAGE, "not what its key says", generation=2)
    change("generation-true", DAMAGE, "its generation is True", generation=True)
    change("deleted", DAMAGE, "not what its key says", packs=..., deleted=[])
    change("pack-name", DAMAGE, "not the name of a pack", packs=[7])
    change = changer("damage", body_of(encode_damage(DamageRecord(PACK, 1, "x", "y", (REF.id,)))))
    digest = show("blake3", REF.id)
    change("other-pack", DAMAGE, "names another pack", pack=str(PACK._replace(number=4)))
    change("pack-missing", DAMAGE, "not the name of a pack", pack=...)
    change("time-negative", DAMAGE, "its time is -1", time=-1)
    change("writer-missing", DAMAGE, "does not say who found what", writer=...)
    change("detail-long", DAMAGE, "does not say who found what", detail="y" * 1001)
    change("blobs-missing", DAMAGE, "its blobs are no list", blobs=...)
    change("blobs-many", DAMAGE, "or one that is too long", blobs=[digest] * 1001)
    change("blobs-twice", DAMAGE, "lists a blob twice", blobs=[digest] * 2)
    change("blob-other-digest", DAMAGE, "is not a blake3 digest", blobs=[show("sha256", REF.id)])
    change("huge", DAMAGE, "bytes cannot be", more="z" * (256 << 10))
