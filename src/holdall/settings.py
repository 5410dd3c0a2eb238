"""The settings that the environment makes, read once into a frozen value.

| variable | meaning | default |
|---|---|---|
| `HOLDALL_STORE` | where the store is | `./holdall-store` |
| `HOLDALL_WORKERS` | processes that share large transfers (`holdall guide cores`) | one a core; `0` below 4 |
| `HOLDALL_MEMORY` | bytes that transfers and workers may hold at once; `64M`, `1G` | `256M`; `64M` a process if more |
| `HOLDALL_EXPERIMENT` | the experiment of new runs, by name; else `MLFLOW_EXPERIMENT_NAME` | `Default` |
| `HOLDALL_RUN_NAME` | what a new run is called; else `MLFLOW_RUN_NAME` | a random name |
| `HOLDALL_RUN_ID` | the run that the first `start_run` goes on with; else `MLFLOW_RUN_ID` | a new one |
| `HOLDALL_SYSTEM_METRICS` | `1`: runs log what the machine does; else `MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING` | off |
| `HOLDALL_SYSTEM_METRICS_INTERVAL` | seconds between two looks; else `MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL` | `10` |
| `HOLDALL_CACHE` | folder for what searching and the stat cache remember; `off`: nowhere | `~/.cache/holdall` |
| `HOLDALL_PROGRESS` | of long transfers: `bar`, `log` lines, `auto`: the one or else the other, `off` | `auto` |
| `HOLDALL_AUTO_RUN` | `1`: a log verb without a run starts one | off |
| `HOLDALL_ENVIRONMENT` | what runs keep of where they ran: `minimal`, `off`, `full,-host` (guide: runs) | `full` |
| `HOLDALL_STAT_CACHE` | `1`: local files that look unchanged are not read again (`holdall guide safety`) | off |
| `HOLDALL_DEADLINE` | seconds for which a request is sent again to a bucket that fails to answer | `120` |
| `HOLDALL_CREATE` | `never`: logging where there is no store is an error; else it makes one, and says so | `auto` |
| `HOLDALL_VERIFY_SHARED` | `1`: all that runs share is read and verified first (`holdall guide safety`) | off |
| `HOLDALL_LINEAGE` | `off`: what an active run reads is kept only if it says so (`holdall guide lineage`) | `auto` |
| `HOLDALL_S3_LANE` | the client that s3:// goes through: `boto3`, `s3fs` | `boto3` |
| `HOLDALL_MLFLOW_STRICT` | `1`: under MLflow no artifact is replaced (`holdall guide mlflow`) | off |
| `HOLDALL_REFERENCES` | where references may lead: `off`, or `s3://data/ file:///data/` | object stores |
| `HOLDALL_PASSPHRASE` | opens an encrypted store (`holdall guide encryption`) | none |
| `HOLDALL_PASSPHRASE_COMMAND` | a program, with its arguments, that prints such a passphrase as its first line | none |
| `HOLDALL_IDENTITY` | files of keys that open an encrypted store, parted as in `PATH`; or the text of one | none |
| `HOLDALL_ENCRYPTED` | `required`: a store that is not encrypted is refused | `any` |
| `HOLDALL_KMS` | `1`: AWS KMS is asked to open an encrypted store, also where no other key is given | off |
| `HOLDALL_TRUST` | whose models may run code: `any`, `same-store`, `signed`, `listed` | `any`, and a warning |
| `HOLDALL_TRUSTED` | digests of models that may in any case, `sha256:...`; or a file of them, one per line | none |
| `HOLDALL_TRUSTED_KEYS` | for `signed`: files of public keys, `:` between them; or a key's text | none |
| `HOLDALL_SIGNING_KEY` | the key that signs, a file or its text; with a command, the public key | none |
| `HOLDALL_SIGNING_COMMAND` | a command that signs: bytes on its standard input, the signature on its output | none |
| `HOLDALL_SIGNING_PASSPHRASE` | what the key's file is encrypted by | none |

Of MLflow's variables these are read, and `MLFLOW_SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING`,
`MLFLOW_SYSTEM_METRICS_NODE_ID`. `MLFLOW_TRACKING_URI` is not: it names MLflow's server or database, and a
store is named by `HOLDALL_STORE` alone. Nor is `MLFLOW_EXPERIMENT_ID`, a number of that database.

Nothing else in holdall reads the environment, nor more than these and, for
their defaults, `XDG_CACHE_HOME`, `HOME` and `TERM`. Two exceptions copy all of
it and look at no value: when a run starts, `runs/environment.py` does, for git
and nvidia-smi, which it calls; and `workers/surroundings.py`, for the workers.
The AWS variables are read by the AWS libraries.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from holdall.errors import InvalidArgumentError, SigningKeyError
from holdall.progress import observer_for
from holdall.sizes import parse_size
from holdall.store import DEADLINE, EVERYBODY, POLICIES, Disclosure, Store, Trust, Unlock

if TYPE_CHECKING:
    from holdall.store import SigningKey

PROGRESS: Final = ("auto", "bar", "log", "off")
S3_LANES: Final = ("boto3", "s3fs")


@dataclass(frozen=True, slots=True)
class Settings:
    """Attributes: as in the table above; None where nothing is set."""

    store: str = "./holdall-store"
    memory: int | None = None
    workers: int | None = None
    experiment: str | None = None
    run_name: str | None = None
    cache: Path | None = None
    auto_run: bool = False
    progress: str = "auto"
    s3_lane: str | None = None
    trust: Trust = EVERYBODY
    stat_cache: bool = False
    deadline: float = DEADLINE
    verify_shared: bool = False
    create: bool = True
    lineage: bool = True
    references: tuple[str, ...] | None = None
    run_id: str | None = None
    system_metrics: bool = False
    system_interval: float = 10.0
    system_samples: int = 1
    system_node_id: str | None = None
    mlflow_strict: bool = False
    environment: str = "full"
    unlock: Unlock | None = None
    signing_key: str | None = field(default=None, repr=False)
    signing_command: str | None = None
    signing_passphrase: str | None = field(default=None, repr=False)

    def load_signing_key(self) -> SigningKey:
        """Return the key that these settings name.

        Raises:
            SigningKeyError: They name none, or it cannot be read.
            MissingLibraryError: The package `cryptography` is not installed.
        """
        from holdall.store import SigningKey, command_key

        if not self.signing_key:
            reason = "set it to the file of a private key; with HOLDALL_SIGNING_COMMAND, to that of its public key"
            raise SigningKeyError("HOLDALL_SIGNING_KEY", f"it is not set: {reason}")
        if self.signing_command:
            return command_key(self.signing_command, self.signing_key)
        return SigningKey.load(self.signing_key, self.signing_passphrase)

    def open_store(
        self, url: str | None = None, options: Mapping[str, Any] | None = None, *, environment: bool | None = None
    ) -> Store:
        """Open the store at an address as these settings say; the one that they name when None.

        Args:
            url: The address, as for `Store.open`.
            options: What the storage library takes, as for `Store.open`.
            environment: False where runs record nothing of what ran where, whatever the settings say.

        Raises:
            As `Store.open`.

        Cost: no request.
        """
        return Store.open(
            url or self.store,
            options,
            memory=self.memory,
            workers=self.workers,
            cache=self.cache,
            observer=observer_for(self.progress, sys.stderr),
            s3_lane=self.s3_lane,
            stat_cache=self.stat_cache,
            deadline=self.deadline,
            verify_shared=self.verify_shared,
            create=self.create,
            references=self.references,
            environment=self.environment if environment is None else environment,
            unlock=self.unlock,
        )


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings that an environment makes.

    Raises:
        ValueError: A variable has a value that it cannot have.
    """
    given = os.environ if environment is None else environment
    default = Settings()
    memory = given.get("HOLDALL_MEMORY", "").strip()
    return Settings(
        store=given.get("HOLDALL_STORE") or default.store,
        memory=parse_size("HOLDALL_MEMORY", memory) if memory else None,
        workers=_workers(given),
        experiment=given.get("HOLDALL_EXPERIMENT") or given.get("MLFLOW_EXPERIMENT_NAME") or None,
        run_name=given.get("HOLDALL_RUN_NAME") or given.get("MLFLOW_RUN_NAME") or None,
        run_id=given.get("HOLDALL_RUN_ID") or given.get("MLFLOW_RUN_ID") or None,
        system_metrics=_on(given, _either(given, "HOLDALL_SYSTEM_METRICS", "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING")),
        system_interval=_seconds(
            given, _either(given, "HOLDALL_SYSTEM_METRICS_INTERVAL", "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL")
        )
        or default.system_interval,
        system_samples=_count(given, "MLFLOW_SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING") or default.system_samples,
        system_node_id=given.get("MLFLOW_SYSTEM_METRICS_NODE_ID") or None,
        cache=_cache(given),
        auto_run=_on(given, "HOLDALL_AUTO_RUN"),
        progress=_progress(given),
        s3_lane=_lane(given),
        trust=Trust(_policy(given), _digests(given), _keys(given)),
        stat_cache=_on(given, "HOLDALL_STAT_CACHE"),
        deadline=_seconds(given, "HOLDALL_DEADLINE") or default.deadline,
        verify_shared=_on(given, "HOLDALL_VERIFY_SHARED"),
        create=_create(given),
        lineage=_lineage(given),
        mlflow_strict=_on(given, "HOLDALL_MLFLOW_STRICT"),
        references=_references(given),
        environment=_environment(given),
        unlock=_unlock(given),
        signing_key=given.get("HOLDALL_SIGNING_KEY") or None,
        signing_command=given.get("HOLDALL_SIGNING_COMMAND") or None,
        signing_passphrase=given.get("HOLDALL_SIGNING_PASSPHRASE") or None,
    )


def tell_libraries(**variables: str) -> None:
    """Set variables that a library reads from the environment while it is imported, which must be still to come."""
    os.environ.update(variables)


def _either(given: Mapping[str, str], ours: str, theirs: str) -> str:
    """Return the name of the variable to read: ours, where it is set."""
    return ours if given.get(ours) else theirs


def _count(given: Mapping[str, str], name: str) -> int | None:
    named = given.get(name, "").strip()
    if named and not re.fullmatch(r"[1-9]\d{0,6}", named):
        raise ValueError(f"{name}={named!r} is not a whole number such as 3")
    return int(named) if named else None


def _workers(given: Mapping[str, str]) -> int | None:
    named = given.get("HOLDALL_WORKERS", "").strip()
    if named and not re.fullmatch(r"[0-9]{1,4}", named):
        raise ValueError(f"HOLDALL_WORKERS={named!r} is not a whole number such as 8, or 0")
    return int(named) if named else None


def _unlock(given: Mapping[str, str]) -> Unlock | None:
    """Return what opens an encrypted store; None where nothing is set, so that nobody looks whether a store is one."""
    names = ("HOLDALL_PASSPHRASE", "HOLDALL_PASSPHRASE_COMMAND", "HOLDALL_IDENTITY")
    passphrase, command, identity = (given.get(name) or None for name in names)
    kms, required = _on(given, "HOLDALL_KMS"), _encrypted(given)
    if not (passphrase or command or identity or kms or required):
        return None
    return Unlock(passphrase, command, _identities(identity or ""), kms, required)


def _identities(given: str) -> tuple[str, ...]:
    """Return the files that are named, parted as in PATH; what has more lines than one is the text of a file itself."""
    return (given,) if "\n" in given.strip() else tuple(filter(None, given.split(os.pathsep)))


def _encrypted(given: Mapping[str, str]) -> bool:
    named = given.get("HOLDALL_ENCRYPTED", "").strip().lower() or "any"
    if named not in ("any", "required"):
        raise ValueError(f"HOLDALL_ENCRYPTED={named!r} is neither any nor required")
    return named == "required"


def _on(given: Mapping[str, str], name: str) -> bool:
    return given.get(name, "").lower() in ("1", "true", "yes", "on")


def _cache(given: Mapping[str, str]) -> Path | None:
    """Return the folder of the cache: ours where it is set, else the platform's."""
    named = given.get("HOLDALL_CACHE")
    if named:
        return None if named.lower() == "off" else Path(named).expanduser()
    home = given.get("XDG_CACHE_HOME") or (f"{given['HOME']}/.cache" if given.get("HOME") else "")
    return Path(home) / "holdall" if home else None


def _progress(given: Mapping[str, str]) -> str:
    """Return how progress is shown; a terminal that cannot redraw a line gets no bar."""
    named = given.get("HOLDALL_PROGRESS", "").strip().lower()
    if named and named not in PROGRESS:
        raise ValueError(f"HOLDALL_PROGRESS={named!r} is none of {', '.join(PROGRESS)}")
    return named or ("log" if given.get("TERM") == "dumb" else "auto")


def _create(given: Mapping[str, str]) -> bool:
    named = given.get("HOLDALL_CREATE", "").strip().lower()
    if named not in ("", "auto", "never"):
        raise ValueError(f"HOLDALL_CREATE={named!r} is neither auto nor never")
    return named != "never"


def _environment(given: Mapping[str, str]) -> str:
    named = given.get("HOLDALL_ENVIRONMENT", "").strip().lower() or "full"
    try:
        Disclosure.parse(named)
    except InvalidArgumentError as error:
        raise ValueError(f"HOLDALL_ENVIRONMENT: {error}") from error
    return named


def _lineage(given: Mapping[str, str]) -> bool:
    named = given.get("HOLDALL_LINEAGE", "").strip().lower()
    if named not in ("", "auto", "off"):
        raise ValueError(f"HOLDALL_LINEAGE={named!r} is neither auto nor off")
    return named != "off"


def _references(given: Mapping[str, str]) -> tuple[str, ...] | None:
    """Return the beginnings of addresses that references may lead to; the usual ones are None."""
    words = re.split(r"[\s,]+", given.get("HOLDALL_REFERENCES", "").strip())
    if words in ([""], ["auto"]):
        return None
    if words == ["off"]:
        return ()
    for word in words:
        if "://" not in word:
            raise ValueError(
                f"HOLDALL_REFERENCES: {word!r} is neither off nor the beginning of an address, as s3://data/"
            )
    return tuple(words)


def _policy(given: Mapping[str, str]) -> str | None:
    named = given.get("HOLDALL_TRUST", "").strip().lower()
    if named and named not in POLICIES:
        raise ValueError(f"HOLDALL_TRUST={named!r} is none of {', '.join(POLICIES)}")
    return named or None


def _digests(given: Mapping[str, str]) -> frozenset[str]:
    """Return the trusted digests, from the variable or a file; the rest of a digest's line is a comment."""
    named = given.get("HOLDALL_TRUSTED", "").strip()
    if not named or named.startswith("sha256:"):
        return _checked(re.split(r"[\s,]+", named))
    lines = Path(named).expanduser().read_text().splitlines()
    return _checked([words[0] for line in lines if (words := line.split("#")[0].split())])


def _keys(given: Mapping[str, str]) -> tuple[str, ...]:
    """Return the trusted keys as texts or files, which are read where a model asks for them."""
    named = given.get("HOLDALL_TRUSTED_KEYS", "").strip()
    if "\n" in named or named.startswith(("-----BEGIN ", "ssh-", "ecdsa-")):
        return (named,)
    return tuple(filter(None, named.split(os.pathsep)))


def _checked(digests: Sequence[str]) -> frozenset[str]:
    for digest in filter(None, digests):
        if not re.fullmatch("sha256:[0-9a-f]{64}", digest):
            raise ValueError(f"HOLDALL_TRUSTED: {digest!r} is not sha256: and 64 hex digits")
    return frozenset(filter(None, digests))


def _seconds(given: Mapping[str, str], name: str) -> float | None:
    named = given.get(name, "").strip()
    if named and (not re.fullmatch(r"\d{1,7}(\.\d{1,6})?s?", named) or not float(named.rstrip("s"))):
        raise ValueError(f"{name}={named!r} is not a number of seconds such as 30")
    return float(named.rstrip("s")) if named else None


def _lane(given: Mapping[str, str]) -> str | None:
    named = given.get("HOLDALL_S3_LANE", "").strip().lower()
    if named and named not in S3_LANES:
        raise ValueError(f"HOLDALL_S3_LANE={named!r} is none of {', '.join(S3_LANES)}")
    return named or None
