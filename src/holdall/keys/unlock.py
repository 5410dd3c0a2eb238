"""What a user gives to open an encrypted store: a passphrase, a command that prints one, identities, AWS KMS."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Final

from holdall.errors import InvalidArgumentError
from holdall.keys.identities import SECRET
from holdall.storage.credentials import warn_if_unlock_is_pickled

_PATIENCE: Final = 120.0  # seconds: somebody may have to touch a token
_MOST: Final = 64 << 10  # bytes that a command may print


@dataclass(frozen=True, slots=True)
class Unlock:
    """What may open an encrypted store; whichever fits one of its key slots does. Its text shows no secret.

    Attributes:
        passphrase: A passphrase.
        passphrase_command: A program and its arguments, as one text; the first line that it prints is a passphrase. No
            shell reads it, and it runs only where a slot takes a passphrase and `passphrase` is None.
        identities: Files of identities (`age-keygen`'s, or those of `holdall store key new`), or identities themselves.
        kms: Whether AWS is asked, where a slot's key is there.
        required: Whether a store that is not encrypted is refused, instead of read and written in the open: who may
            delete objects could put one in the place of yours.
        ask: Asks a person for a passphrase, where a slot takes one and nothing above opened any.

    Example:
        >>> holdall.Unlock(passphrase="correct horse battery staple")
        Unlock(passphrase, kms)
    """

    passphrase: str | None = None
    passphrase_command: str | None = None
    identities: tuple[Path | str, ...] = ()
    kms: bool = True
    required: bool = False
    ask: Callable[[], str | None] | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        named = {
            "passphrase": self.passphrase,
            "passphrase_command": self.passphrase_command,
            "identities": self.identities,
            "kms": self.kms,
        }
        return f"Unlock({', '.join(name for name, value in named.items() if value)})"

    def __reduce__(self) -> tuple[object, ...]:
        texts = [each for each in self.identities if str(each).strip().lower().startswith(SECRET)]
        warn_if_unlock_is_pickled([*["a passphrase"] * bool(self.passphrase), *["an identity"] * bool(texts)])
        return Unlock, tuple(getattr(self, each.name) for each in fields(self))

    @staticmethod
    def of(given: object) -> Unlock | None:
        """Return what was given, or None. Raises: InvalidArgumentError: it is something else, not shown."""
        if given is None or isinstance(given, Unlock):
            return given
        raise InvalidArgumentError("unlock is what holdall.Unlock(...) makes, such as holdall.Unlock(passphrase=...)")

    def given_passphrase(self) -> str | None:
        """Return the passphrase that is given, or that the command prints; None where there is neither.

        Raises:
            InvalidArgumentError: The command fails, prints nothing, or takes more than two minutes.
        """
        if self.passphrase is not None or self.passphrase_command is None:
            return self.passphrase
        return _printed_by(self.passphrase_command)


@lru_cache(maxsize=8)
def _printed_by(command: str) -> str:
    """Return the first line that a program prints; once in a process, for somebody may have to touch a token."""
    what = "the command of HOLDALL_PASSPHRASE_COMMAND"
    try:
        words = shlex.split(command)
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=_PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        raise InvalidArgumentError(f"{what} gave no passphrase in {_PATIENCE:.0f} seconds") from None
    except (OSError, ValueError, IndexError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its quotes do not match, or it is empty"
        raise InvalidArgumentError(f"{what} cannot be run: {reason}") from None
    if done.returncode:
        raise InvalidArgumentError(f"{what} failed with status {done.returncode}")
    try:
        line = done.stdout[:_MOST].partition(b"\n")[0].rstrip(b"\r").decode()
    except UnicodeDecodeError:  # half of its bytes would become one and the same character
        raise InvalidArgumentError(f"{what} printed bytes that are no text: let it print them as base64") from None
    if not line:
        raise InvalidArgumentError(f"{what} printed no passphrase")
    return line
