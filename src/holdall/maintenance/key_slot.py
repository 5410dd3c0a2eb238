"""What is told of a key slot of an encrypted store."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KeySlot:
    """One key slot of a store.

    Attributes:
        number: Its own; no other slot ever has it.
        kind: What opens it: `passphrase`, `recipient`, `aws-kms`; empty where that cannot be read any more.
        label: Whose it is, as whoever made it said.
        key: The public key (`age1...`) or the ARN that it is for; empty for a passphrase.
        made: When, in ms since 1970 UTC, by its maker's clock.
        epoch: Which root key it holds; 0 until the store is rekeyed.
        current: Whether that is the newest, so that it opens the store.
        opened: Whether what was given opens it.
        proven: Whether somebody made it who had the store's key; None where nothing was given that tells.
        revoked: Whether it was revoked.
        damage: What is wrong with it; empty where nothing is.
    """

    number: int
    kind: str = ""
    label: str = ""
    key: str = ""
    made: int = 0
    epoch: int = 0
    current: bool = False
    opened: bool = False
    proven: bool | None = None
    revoked: bool = False
    damage: str = ""
