"""AWS KMS: a key that never leaves AWS wraps the root, and whoever may use it there can open the store.

Region, endpoint and credentials are AWS's own settings; where the key is named by its ARN, that says the region. What a
slot is of goes along as the encryption context, which AWS binds to what it wraps and writes into its own log.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from holdall.errors import KeyUnavailableError
from holdall.libraries import library

_ARN: Final = re.compile(
    r"arn:aws[a-z-]{0,16}:kms:(?P<region>[a-z0-9-]{1,32}):[0-9]{12}:(?:key|alias)/[A-Za-z0-9/_-]{1,256}"
)
_PURPOSE: Final = "a key in AWS KMS"


def is_arn(key: str) -> bool:
    """Return whether a key is named by its ARN."""
    return _ARN.fullmatch(key) is not None


def wrap_by_kms(url: str, key: str, context: Mapping[str, str], plain: bytes) -> tuple[str, bytes]:
    """Return the ARN of the key that wrapped something, and what it was wrapped into.

    Raises:
        KeyUnavailableError: AWS did not do it; its reason is in the text.

    Cost: one request to AWS.
    """
    done = _ask(url, key, "encrypt", KeyId=key, Plaintext=plain, EncryptionContext=dict(context))
    return str(done["KeyId"]), bytes(done["CiphertextBlob"])


def unwrap_by_kms(url: str, key: str, context: Mapping[str, str], wrapped: bytes) -> bytes:
    """Return what a key of AWS KMS wrapped.

    Raises:
        KeyUnavailableError: AWS did not do it; its reason is in the text.

    Cost: one request to AWS.
    """
    if not is_arn(key):  # it comes from a bucket, and decides whom we ask
        raise KeyUnavailableError(url, f"{key[:100]!r} is no ARN of a key")
    done = _ask(url, key, "decrypt", KeyId=key, CiphertextBlob=wrapped, EncryptionContext=dict(context))
    return bytes(done["Plaintext"])


def _ask(url: str, key: str, verb: str, **given: Any) -> Mapping[str, Any]:
    session = library("botocore.session", _PURPOSE, "botocore").Session()
    failed = library("botocore.exceptions", _PURPOSE, "botocore")
    arn = _ARN.fullmatch(key)
    config = library("botocore.config", _PURPOSE, "botocore").Config(
        connect_timeout=10, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 3}
    )
    try:
        client = session.create_client("kms", region_name=arn["region"] if arn else None, config=config)
        answer: Mapping[str, Any] = getattr(client, verb)(**given)
    except (failed.BotoCoreError, failed.ClientError, ValueError) as error:
        raise KeyUnavailableError(url, f"AWS KMS did not {verb} by {key[:200]}: {error}") from error
    return answer
