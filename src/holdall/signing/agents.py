"""A key that another program holds: it gets bytes and gives their signature.

The command is run without a shell. It reads what is to be signed from its standard input, all of it, and writes the
signature to its standard output: raw, or in base64. So a hardware token, an agent or a key service may sign, and the
private key is never here.
"""

from __future__ import annotations

import base64
import binascii
import os
import shlex
import subprocess
from collections.abc import Sequence
from typing import Final

from holdall.errors import SigningKeyError
from holdall.format.signature import MAX_SIGNATURE
from holdall.signing.keys import SigningKey
from holdall.signing.public_keys import PublicKey, public_keys

_SECONDS: Final = 120.0  # that a command may take: somebody may have to touch a token
_SAID: Final = 300  # characters of what it complained that an error repeats


def command_key(command: str | Sequence[str], public: str | os.PathLike[str] | PublicKey) -> SigningKey:
    """Return a key that a command signs with.

    Args:
        command: The program and its arguments; a text is split as a shell does.
        public: The public key, or its file or text.

    Raises:
        SigningKeyError: There is no such public key, or there are several.

    Example:
        >>> key = holdall.command_key("sign-with-token --slot 9", holdall.SigningKey.generate().public)
    """
    words = shlex.split(command) if isinstance(command, str) else list(command)
    if not words:
        raise SigningKeyError("the command that signs", "it is empty")
    found = [public] if isinstance(public, PublicKey) else public_keys(public)
    if len(found) != 1:
        raise SigningKeyError("the command that signs", f"it signs with one key, and {len(found)} were named")
    return SigningKey(found[0], lambda data: _asked(words, found[0], data))


def _asked(words: Sequence[str], public: PublicKey, data: bytes) -> bytes:
    """Return the signature that the command gives, raw or in base64: whichever of both the key says is one."""
    try:
        done = subprocess.run(words, input=data, capture_output=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SigningKeyError(words[0], f"it did not sign: {error}") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[-_SAID:]
        raise SigningKeyError(words[0], f"it did not sign: it ended with {done.returncode}: {said}")
    for answer in (done.stdout, _decoded(done.stdout)):
        if 0 < len(answer) <= MAX_SIGNATURE and public.verify(answer, data):
            return answer
    raise SigningKeyError(words[0], f"what it wrote is no signature by {public.fingerprint}, raw or in base64")


def _decoded(answer: bytes) -> bytes:
    try:
        return base64.b64decode(answer.strip(), validate=True)
    except (binascii.Error, ValueError):
        return b""
