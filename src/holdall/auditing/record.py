"""What an audit tells, one record for each entry of a log and each other act that left an object."""

from __future__ import annotations

from dataclasses import dataclass

from holdall.display import Facts, Shown


@dataclass(frozen=True, slots=True, repr=False)
class AuditRecord(Shown):
    """Something that was done to a store.

    What the server tells is `stored`. All else is what the writer claims: whoever may write to the bucket may claim any
    name, program and time. `signed_by` alone is proven, where `verified` says so.

    Attributes:
        log: To what: `runs/<id>`, `experiments/<id>`, `models/<id>`, `names/<name>`, `gc/<generation>`, `shares/<id>`,
            `keys/<number>`, `packs/<name>` for a pack that was found damaged.
        entry: The number of the log's entry; None of what is in no log.
        stored: When, by the server's clock, in ms since 1970 UTC; None where its listing tells no times.
        claimed: When, by the writer's clock; None where it says nothing.
        writer: Program and version, as claimed; "" where nothing is said.
        user: Who, as the run's tag `mlflow.user` claims, or a version's user; None where nothing is said.
        sessions: The sessions that were opened or closed, in hex.
        did: What, in plain words. Names in it are anybody's text.
        signed_by: The fingerprint of the key whose signature of the run's files this brings, `sha256:...`; None where
            it brings none, "" where what it brings is no signature.
        verified: Whether that signature is right; None where it was not tried, as `cryptography` is not installed.
        problem: Why the entry cannot be read; "" if it can.
    """

    log: str
    entry: int | None
    stored: int | None
    claimed: int | None = None
    writer: str = ""
    user: str | None = None
    sessions: tuple[str, ...] = ()
    did: tuple[str, ...] = ()
    signed_by: str | None = None
    verified: bool | None = None
    problem: str = ""

    def _shown(self) -> Facts:
        return {
            "log": self.log,
            "entry": self.entry,
            "stored": self.stored,
            "user": self.user,
            "did": "; ".join(self.did),
        }
