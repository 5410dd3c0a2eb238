"""Credentials that end by themselves, from a security token service (STS): AWS's, MinIO's or Ceph's.

    AssumeRole           of a role, for 15 minutes to 12 hours, no longer than the role allows
    GetFederationToken   of the user whose own key asks, where no role is named; AWS alone has it

What they may do is what the role, or the user, may do and the policy that is sent along allows as well. So whoever
asks for them gives away no more than they have.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from holdall.errors import AccessDeniedError, MissingBackendError, StorageError
from holdall.storage.s3_client import CONNECT_TIMEOUT, READ_TIMEOUT
from holdall.storage.s3_errors import answer, meaning

_ATTEMPTS: Final = 3
_ANY_ROLE: Final = "arn:aws:iam::000000000000:role/holdall"  # MinIO wants one, and looks at none
_WHO: Final = "sts"


@dataclass(frozen=True, slots=True)
class Issued:
    """What a token service gave. Attributes: key, secret, token, expires (ms since 1970 UTC)."""

    key: str
    secret: str
    token: str
    expires: int

    def __repr__(self) -> str:
        return f"Issued(key={self.key!r}, expires={self.expires})"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of a token service. Attributes: policy (JSON), seconds, session (its name), role (ARN or None)."""

    policy: str
    seconds: int
    session: str
    role: str | None = None


def issue(options: Mapping[str, Any], wanted: Wanted, endpoint: str | None = None) -> Issued:
    """Return credentials that a token service issues to who has a store's storage options.

    Args:
        options: Of an S3 store: its keys, profile or whatever botocore finds ask for them.
        wanted: What for.
        endpoint: The token service's address; AWS's own when None.

    Raises:
        AccessDeniedError: It gives none to these credentials, or for this role.
        StorageError: It refused for another reason, or cannot be reached.

    Cost: one request.
    """
    where = endpoint or "AWS STS"
    client = _client(options, endpoint, where)
    asked: dict[str, Any] = {"Policy": wanted.policy, "DurationSeconds": wanted.seconds}
    before = sys.exception()
    try:
        if wanted.role or endpoint:
            role = wanted.role or _ANY_ROLE
            found = client.assume_role(RoleArn=role, RoleSessionName=wanted.session, **asked)
        else:
            found = client.get_federation_token(Name=wanted.session[:32], **asked)
    except Exception as error:
        raise _meaning(where, error, before) from error
    return _issued(where, found.get("Credentials") or {})


def _client(options: Mapping[str, Any], endpoint: str | None, where: str) -> Any:
    try:
        from botocore.config import Config
        from botocore.session import Session
    except ImportError as error:
        raise MissingBackendError(where, _WHO, "a token service needs a package: pip install botocore") from error
    session = Session(profile=options.get("profile"))
    _refuse_circle(session, options, where)
    keys = {
        "aws_access_key_id": options.get("key") or options.get("username"),
        "aws_secret_access_key": options.get("secret") or options.get("password"),
        "aws_session_token": options.get("token"),
    }
    region = (options.get("client_kwargs") or {}).get("region_name") or session.get_config_variable("region")
    config = Config(
        retries={"total_max_attempts": _ATTEMPTS}, connect_timeout=CONNECT_TIMEOUT, read_timeout=READ_TIMEOUT
    )
    # AWS's endpoint of all regions is in us-east-1, and its tokens are good in each
    return session.create_client("sts", region_name=region or "us-east-1", endpoint_url=endpoint, config=config, **keys)


def _refuse_circle(session: Any, options: Mapping[str, Any], where: str) -> None:
    """Refuse to ask with credentials that this very command is to provide: it would start itself without an end."""
    mine = "store credentials" in str(session.get_scoped_config().get("credential_process") or "")
    if mine and not (options.get("key") or options.get("username")):
        profile = session.get_config_variable("profile") or "default"
        error = AccessDeniedError(where, _WHO, f"the credentials of profile {profile} are what this command provides")
        error.hint = "name a profile that has credentials of its own: holdall -o profile=NAME store credentials ..."
        raise error


def _meaning(where: str, error: Exception, before: BaseException | None) -> StorageError:
    found = meaning(where, _WHO, error, verb="sts", before=before)
    told = (answer(error, before) or {}).get("Error", {})
    if told.get("Code") in ("PackedPolicyTooLarge", "PackedPolicyTooLargeException"):
        found.hint = "name fewer experiments; a prefix that is shorter makes a shorter policy, too"
    elif "DurationSeconds" in str(told.get("Message", "")):
        found.hint = "ask for less: a role has a MaxSessionDuration of an hour unless it says more, and who has such "
        found.hint += "credentials already gets an hour at most"
    elif isinstance(found, AccessDeniedError):
        found.hint = "the role's trust policy must allow sts:AssumeRole to these credentials; without --role-arn, a "
        found.hint += "user's own key with sts:GetFederationToken is needed"
    return found


def _issued(where: str, found: Mapping[str, Any]) -> Issued:
    """Return what an answer says. Raises: StorageError: It says it not."""
    words = [found.get(name) for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")]
    end = found.get("Expiration")
    if not all(isinstance(word, str) and word for word in words) or not isinstance(end, datetime):
        raise StorageError(where, _WHO, "the answer has no credentials")
    key, secret, token = map(str, words)
    return Issued(key, secret, token, int(end.timestamp() * 1000))
