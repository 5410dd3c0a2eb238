"""Every key of a store: one table, and the functions that make and read it.

SPEC.md, "Objects and keys". Keys that no row of the table describes are foreign: they are
reported, and never read or deleted.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from holdall.errors import FormatError

DESCRIPTOR: Final = "holdall.json"
CANARY: Final = "canary"
GARBAGE: Final = "gc/"
HINTS: Final = "hints/"
PACKS: Final = "packs/"
EXPERIMENTS: Final = "experiments/"
RUNS: Final = "runs/"
MODELS: Final = "models/"
NAMES: Final = "names/"
SLOTS: Final = "keys/slots/"
ROOTS: Final = "keys/roots/"
OWN_KEYS: Final = "keys/experiments/"
CATALOG: Final = f"catalog/{'0' * 16}/log/"
SHARES: Final = "shares/"
MAX_KEY: Final = 512
_PLAIN: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.")
_LAST: Final = 2**64 - 1
_LAST_MS: Final = 2**42 - 1  # ms since 1970, in the year 2109: ids that tell the time come before most random ones
MAX_TIME: Final = 2**53  # ms; each time is below
GENERATIONS: Final = 2**53  # the number of each is below: a fence says it as a count; of catalogs too
_MODEL: Final = r"m-[0-9a-f]{32}-(?:0|[1-9][0-9]{0,9})"  # a model that a run logged
_REGISTERED: Final = r"[0-9a-f]{32}"
_WORD: Final = r"(?:(?!\.)(?=[^/]{1,200}(?:/|$))(?:[A-Za-z0-9_.-]|%[0-9A-F]{2})+|~[0-9a-f]{64})"
_LOG: Final = rf"(?:runs/[0-9a-f]{{32}}|experiments/[0-9a-f]{{16}}|models/(?:{_REGISTERED}|{_MODEL})|names/{_WORD})"

# sort of object -> the shape of its key
SHAPES: Final = {
    "descriptor": re.compile(r"holdall\.json"),
    "canary": re.compile(r"canary"),
    "pack": re.compile(r"packs/(?P<folder>[0-9a-f]{2})/(?P<pack>(?P=folder)[0-9a-f]{30}-[0-9a-f]{8})"),
    "log": re.compile(rf"(?P<log>{_LOG})/log/(?P<down>[0-9a-f]{{16}})"),
    "hint": re.compile(r"hints/(?P<chunk>[0-9a-f]{64})"),
    "condemn": re.compile(r"gc/(?P<down>[0-9a-f]{16})/condemn"),
    "verdict": re.compile(r"gc/(?P<down>[0-9a-f]{16})/verdict"),
    "done": re.compile(r"gc/(?P<down>[0-9a-f]{16})/done"),
    "damaged": re.compile(r"gc/damaged/(?P<pack>[0-9a-f]{32}-[0-9a-f]{8})"),
    "catalog": re.compile(r"catalog/0{16}/log/(?P<down>[0-9a-f]{16})"),
    "reserved": re.compile(r"catalog/[0-9a-f]{16}/(?:log/[0-9a-f]{16}|tail/[0-9a-f]{16}-[0-9a-f]{32}-[0-9a-f]{16})"),
    "slot": re.compile(r"keys/slots/(?P<count>[0-9a-f]{8})"),
    "revoked": re.compile(r"keys/slots/(?P<count>[0-9a-f]{8})-revoked"),
    "root": re.compile(r"keys/roots/(?P<count>[0-9a-f]{8})"),
    "keys": re.compile(r"keys/experiments/(?P<experiment>[0-9a-f]{16})"),
    "shredded": re.compile(r"keys/experiments/(?P<experiment>[0-9a-f]{16})-shredded"),
    "own": re.compile(r"experiments/(?P<experiment>[0-9a-f]{16})/keys"),
    "share": re.compile(rf"shares/(?P<share>[0-9a-f]{{16}}-[0-9a-f]{{32}}/[0-9a-f]{{32}}/{_WORD})"),
    "probe": re.compile(r"probe/[0-9a-f]{32}/[a-z0-9-]{1,32}"),
}

_OF_A_PACK: Final = ("pack", "damaged")
_OF_A_GENERATION: Final = ("condemn", "verdict", "done", "catalog")


class PackName(NamedTuple):
    """The name of a pack: the session that wrote it, and its number there.

    Attributes:
        session: 16 bytes, not all zero.
        number: Counted up from 0 by the session; below 2^32.
    """

    session: bytes
    number: int

    def __str__(self) -> str:
        return f"{self.session.hex()}-{self.number:08x}"

    @property
    def key(self) -> str:
        """Return the pack's key."""
        return f"{PACKS}{self.session[:1].hex()}/{self}"

    @staticmethod
    def parse(text: object, what: str) -> PackName:
        """Return the name whose `str()` this is. Raises: FormatError, about `what`."""
        if isinstance(text, str) and re.fullmatch(r"[0-9a-f]{32}-[0-9a-f]{8}", text):
            name = PackName(bytes.fromhex(text[:32]), int(text[33:], 16))
            if any(name.session):
                return name
        raise FormatError(what, f"{text!r} is not the name of a pack")


class ShareName(NamedTuple):
    """What the key of a share says: a copy of a file, or of a folder as a ZIP, for those who have a link to it.

    Attributes:
        expires: When its link ends, in ms since 1970 UTC: a listing shows those that end first.
        id: 32 hex digits, random.
        run_id: Of the run that it was made of.
        name: What it is called, escaped.
    """

    expires: int
    id: str
    run_id: str
    name: str

    @property
    def key(self) -> str:
        """Return the share's key."""
        return f"{SHARES}{self.expires:016x}-{self.id}/{self.run_id}/{self.name}"

    @staticmethod
    def parse(text: str) -> ShareName | None:
        """Return what a key without its beginning says; None where it tells a time that no writer could say."""
        when, run_id, name = text.split("/")
        expires = int(when[:16], 16)
        return ShareName(expires, when[17:], run_id, name) if expires < MAX_TIME else None


_DIGITS: Final = re.compile("[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Key:
    """A parsed key: the sort of object, and the parts of its name.

    Attributes:
        kind: A name in `SHAPES`.
        log: For a log entry, its log, such as `runs/<id>`.
        number: For a log entry, a generation or a key slot its number; for a root key its epoch.
        pack: For a pack, or the record of its damage, the pack's name.
        chunk: For a hint, the chunk's id in hex.
        share: For a share, what its key says.
        experiment: For keys of an experiment's own and their marks, its id.
    """

    kind: str
    log: str = ""
    number: int = 0
    pack: PackName | None = None
    chunk: str = ""
    share: ShareName | None = None
    experiment: str = ""


def parse_key(key: str) -> Key | None:
    """Return what this key is for; None when it is foreign."""
    for kind, shape in SHAPES.items():
        if found := shape.fullmatch(key):
            parts = found.groupdict()
            if kind in _OF_A_PACK and not parts["pack"].startswith("0" * 32):
                return Key(kind, pack=PackName.parse(parts["pack"], key))
            if kind == "share":
                share = ShareName.parse(parts["share"])
                return Key(kind, share=share) if share else None
            if kind not in _OF_A_PACK:
                number = int(parts["count"], 16) if "count" in parts else _LAST - int(parts.get("down") or "0", 16)
                if kind in _OF_A_GENERATION and number >= GENERATIONS:
                    return None
                log, chunk, owner = (parts.get(name) or "" for name in ("log", "chunk", "experiment"))
                return Key(kind, log, number, None, chunk, None, owner)
    return None


def entry_number(log: str, key: str) -> int | None:
    """Return the number of the entry of this log that has this key; None where it has none, at a third of the cost."""
    begin, digits = key[:-16], key[-16:]
    if begin != f"{log}/log/" or not _DIGITS.fullmatch(digits):
        return None
    return _LAST - int(digits, 16)


def log_key(log: str, n: int) -> str:
    """Return the key of entry n of a log; later entries sort first."""
    return f"{log}/log/{_LAST - n:016x}"


def run_log(run_id: str) -> str:
    """Return the name of a run's log."""
    return f"{RUNS}{run_id}"


def experiment_log(experiment_id: str) -> str:
    """Return the name of an experiment's log."""
    return f"{EXPERIMENTS}{experiment_id}"


def model_log(id: str) -> str:
    """Return the name of a registered model's log."""
    return f"{MODELS}{id}"


def name_log(name: str) -> str:
    """Return the name of the log that says which registered model holds a name."""
    return f"{NAMES}{escape(name)}"


def parse_model_id(text: str) -> tuple[str, int] | None:
    """Return the run id and the number in a logged model's id, `m-<run id>-<n>`; None if it is no such id."""
    return (text[2:34], int(text[35:])) if re.fullmatch(_MODEL, text) else None


def hint_key(chunk: bytes) -> str:
    """Return the key of the hint for a chunk."""
    return f"{HINTS}{chunk.hex()}"


def generation_key(generation: int, word: str) -> str:
    """Return the key of `condemn`, `verdict` or `done` of a garbage generation."""
    return f"{GARBAGE}{_LAST - generation:016x}/{word}"


def catalog_key(number: int) -> str:
    """Return the key of a catalog; the newest comes first in a listing."""
    return f"{CATALOG}{_LAST - number:016x}"


def slot_key(number: int) -> str:
    """Return the key of a key slot."""
    return f"{SLOTS}{number:08x}"


def revoked_key(number: int) -> str:
    """Return the key of the mark that a key slot was revoked, which stays when the slot is gone."""
    return f"{SLOTS}{number:08x}-revoked"


def root_key(epoch: int) -> str:
    """Return the key of the object that holds the root before this epoch's."""
    return f"{ROOTS}{epoch:08x}"


def own_keys_key(experiment: str) -> str:
    """Return the key of the object that holds an experiment's own keys."""
    return f"{OWN_KEYS}{experiment}"


def shredded_key(experiment: str) -> str:
    """Return the key of the mark that an experiment's own keys were destroyed."""
    return f"{OWN_KEYS}{experiment}-shredded"


def own_mark_key(experiment: str) -> str:
    """Return the key of the mark that an experiment has keys of its own: it sorts before the experiment's log."""
    return f"{experiment_log(experiment)}/keys"


def damage_key(pack: PackName) -> str:
    """Return the key of the record that a pack is damaged; the key names the pack, so a listing tells writers."""
    return f"{GARBAGE}damaged/{pack}"


def experiment_id(name: str) -> str:
    """Return the id of the experiment of this name, which the name determines."""
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def run_id(experiment: str, random: bytes) -> str:
    """Return a run's id, made of its experiment's id and 12 random bytes, as runs had before these told the time."""
    return experiment[:8] + random.hex()


def timed_run_id(experiment: str, began: int, random: bytes) -> str:
    """Return the id of a run that begins now, made of its experiment's id, the time in ms and 6 random bytes.

    Times count down, so that the newest runs of an experiment come first in a listing.
    """
    return f"{experiment[:8]}{_LAST_MS - min(max(began, 0), _LAST_MS):012x}{random.hex()}"


def keyed_run_id(experiment: str, key: str) -> str:
    """Return the id of the run that a key names in an experiment: who computes it again gets the same."""
    return experiment[:8] + hashlib.sha256(key.encode()).hexdigest()[:24]


def is_run_id(text: str) -> bool:
    """Return whether this has the shape of a run's id."""
    return re.fullmatch(r"[0-9a-f]{32}", text) is not None


def is_experiment_id(text: object) -> bool:
    """Return whether this has the shape of an experiment's id."""
    return isinstance(text, str) and re.fullmatch(r"[0-9a-f]{16}", text) is not None


def escape(name: str) -> str:
    """Return a name as one part of a key. It is never unescaped: the log itself says the name."""
    plain = "".join(chr(byte) if chr(byte) in _PLAIN else f"%{byte:02X}" for byte in name.encode())
    if plain.startswith("."):
        plain = "%2E" + plain[1:]
    return plain if 0 < len(plain) <= 200 else "~" + hashlib.sha256(name.encode()).hexdigest()
