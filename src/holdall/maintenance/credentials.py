"""Credentials for a role in a store, which end by themselves."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from holdall.errors import InvalidArgumentError
from holdall.maintenance.access import AccessVerbs
from holdall.runs.times import milliseconds
from holdall.storage.bucket import adapter_of
from holdall.storage.s3 import S3Bucket
from holdall.storage.sts import Wanted, issue

MAX_POLICY: Final = 2048  # characters that AWS takes of a session's policy
_LEAST: Final = 900  # seconds
_MOST: Final = 12 * 3600
_NAME: Final = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_SHORTEN: Final = "name fewer experiments, or none; a shorter prefix of the store makes it shorter, too"
# botocore asks anew a quarter of an hour before the end: with less, before each request
LEAST_TO_REFRESH: Final = 1800


@dataclass(frozen=True, slots=True, repr=False)
class ShortLived:
    """Credentials of S3 that end by themselves.

    Attributes:
        access_key, secret_key, token: As AWS has them.
        expires: When they end, in ms since 1970 UTC.
        role: What they are for.
    """

    access_key: str
    secret_key: str
    token: str
    expires: int
    role: str

    def __repr__(self) -> str:
        return f"ShortLived(role={self.role!r}, access_key={self.access_key!r}, expires={self.expires})"

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables by which a process has them."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_SESSION_TOKEN": self.token,
        }

    @property
    def process(self) -> dict[str, Any]:
        """Return what AWS wants a `credential_process` to print."""
        end = datetime.fromtimestamp(self.expires / 1000, UTC).isoformat(timespec="seconds")
        return {
            "Version": 1,
            "AccessKeyId": self.access_key,
            "SecretAccessKey": self.secret_key,
            "SessionToken": self.token,
            "Expiration": end,
        }


class CredentialVerbs(AccessVerbs):
    """Short-lived credentials: a part of `Maintenance`."""

    def credentials(
        self,
        role: str,
        *,
        experiments: Sequence[str] = (),
        lifetime: str | int = "12h",
        role_arn: str | None = None,
        dialect: str = "aws",
        sts_endpoint: str | None = None,
        session_name: str | None = None,
    ) -> ShortLived:
        """Return credentials by which a role may do its work in this store for some hours, and nothing else.

        They are issued by a token service (STS) to the credentials with which the store is opened. They may do what
        those, or the role of `role_arn`, may do and `access_policy` allows as well.

        Args:
            role: reader, writer, collector or owner.
            experiments: Names of the experiments that a reader or writer is limited to; all when there are none.
            lifetime: From "15m" to "12h", or in seconds.
            role_arn: A role of AWS or Ceph to assume. Without one AWS issues them to the user whose own key asks, by
                GetFederationToken.
            dialect: The server's: aws, minio or ceph.
            sts_endpoint: The address of a token service that is not AWS's own; of MinIO and Ceph the store's
                `endpoint_url`, when None.
            session_name: What the server's own log calls them; `holdall-` and the role when None.

        Raises:
            InvalidArgumentError: No such role, a lifetime that cannot be, a store that is not in S3, or a policy that
                is longer than the 2,048 characters that a session may have.
            AccessDeniedError: The token service issues none to these credentials.
            StorageError: It refused for another reason, which is said, or cannot be reached.

        Cost: one request, to the token service; none to the bucket.

        Example:
            >>> there = holdall.open("s3://models/team")
            >>> there.maintenance.credentials("writer", lifetime="3d")
            Traceback (most recent call last):
            ...
            holdall.errors.InvalidArgumentError: lifetime='3d': credentials last from 15m to 12h
        """
        options = self._options_of_s3()
        seconds = milliseconds("lifetime", lifetime) // 1000
        if not _LEAST <= seconds <= _MOST:
            raise InvalidArgumentError(f"lifetime={lifetime!r}: credentials last from 15m to 12h")
        name = session_name or f"holdall-{role}"
        if not _NAME.fullmatch(name):
            raise InvalidArgumentError(f"session_name={name!r} is not 2 to 64 letters, digits and any of +=,.@_-")
        policy = session_policy(self.access_policy(role, dialect=dialect, experiments=experiments))
        endpoint = sts_endpoint or (options.get("endpoint_url") if dialect in ("minio", "ceph") else None)
        if dialect == "ceph" and role_arn is None:
            raise InvalidArgumentError("Ceph issues credentials for a role alone: say which by role_arn (--role-arn)")
        found = issue(options, Wanted(policy, seconds, name, role_arn), endpoint)
        return ShortLived(found.key, found.secret, found.token, found.expires, role)

    def _options_of_s3(self) -> dict[str, Any]:
        adapter = adapter_of(self._location.bucket)
        if not isinstance(adapter, S3Bucket):
            raise InvalidArgumentError(f"{self._location.bucket.url} is not in S3, whose token services issue these")
        return adapter.client.options


def session_policy(policy: dict[str, Any]) -> str:
    """Return a policy as it is sent along. Raises: InvalidArgumentError: It is longer than a session's may be."""
    text = json.dumps(policy, separators=(",", ":"))
    if len(text) > MAX_POLICY:
        size = f"the policy has {len(text)} characters, of {MAX_POLICY} that are allowed"
        raise InvalidArgumentError(f"{size}: {_SHORTEN}")
    return text
