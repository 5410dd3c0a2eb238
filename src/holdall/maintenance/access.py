"""Policies for a store's bucket: who may read, write, collect, own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from holdall.access import bucket_policy, caveats, policy
from holdall.errors import InvalidArgumentError
from holdall.format.names import PLAIN_NAMES
from holdall.storage.s3 import split_place
from holdall.trees.location import Location

_DIALECTS: Final = {"s3": "aws", "gs": "gcs", "gcs": "gcs"}


class AccessVerbs:
    """Who may do what: a part of `Maintenance`."""

    _location: Location

    def access_policy(
        self, role: str, *, dialect: str | None = None, experiments: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Return the policy of the bucket's server by which a role may do its work in this store, and nothing else.

        Args:
            role: reader, writer, collector or owner.
            dialect: The server's: aws, minio, ceph or gcs; aws for s3:// and gcs for gs:// when None.
            experiments: Names of the experiments that a reader or writer is limited to; all when there are none. In an
                encrypted store their ids follow from its keys, so it must have been opened with one.

        Returns:
            A document for JSON: an identity policy, or bindings of Google's IAM. `access_caveats` says what it cannot
            prevent.

        Raises:
            InvalidArgumentError: No such role or dialect, a role that cannot be limited, or a store in no bucket.

        Cost: no request; with experiments of an encrypted store, those of finding its keys.

        Example:
            >>> there = holdall.open("s3://models/team")
            >>> there.maintenance.access_policy("reader")["Statement"][1]
            {'Effect': 'Allow', 'Action': 's3:GetObject', 'Resource': 'arn:aws:s3:::models/team/*'}
        """
        bucket, prefix, usual = self._place()
        ids = self._ids(experiments)
        return policy(role, bucket=bucket, prefix=prefix, dialect=dialect or usual, experiments=ids)

    def bucket_policy(
        self, principals: Mapping[str, Sequence[str]], *, dialect: str | None = None, experiments: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Return the policy of the bucket that lets some users have their roles, and denies everything else.

        Args:
            principals: ARNs of users and roles, by the role that each has in the store: reader, writer, collector,
                owner. They may do nothing else in the whole bucket.
            dialect: The server's: aws or ceph; aws when None.
            experiments: Names of the experiments that readers and writers are limited to; all when there are none.

        Raises:
            InvalidArgumentError: As `access_policy`; nobody is named; or a server whose buckets deny nothing.

        Cost: no request.

        Example:
            >>> there = holdall.open("s3://models/team")
            >>> found = there.maintenance.bucket_policy({"writer": ["arn:aws:iam::111122223333:role/train"]})
            >>> found["Statement"][0]["Principal"]
            {'AWS': 'arn:aws:iam::111122223333:role/train'}
        """
        bucket, prefix, usual = self._place()
        ids = self._ids(experiments)
        return bucket_policy(principals, bucket=bucket, prefix=prefix, dialect=dialect or usual, experiments=ids)

    def access_caveats(self, role: str, *, dialect: str | None = None, experiments: Sequence[str] = ()) -> list[str]:
        """Return what the policy of a role cannot prevent, a sentence for each. Cost: no request.

        Example:
            >>> there = holdall.open("s3://models/team")
            >>> there.maintenance.access_caveats("reader")
            ['a reader reads all content, of deleted runs too until they are purged']
        """
        return caveats(role, dialect=dialect or self._place()[2], experiments=self._ids(experiments))

    def _ids(self, experiments: Sequence[str]) -> list[str]:
        names = self._location.names if experiments else PLAIN_NAMES  # of no experiment nobody needs the keys
        return [names.experiment_id(name) for name in experiments]

    def _place(self) -> tuple[str, str, str]:
        """Return the bucket, the prefix, and the language of its policies."""
        scheme, _, place = self._location.bucket.url.partition("://")
        if scheme not in _DIALECTS:
            raise InvalidArgumentError(
                f"{self._location.bucket.url} is in no bucket that has policies: s3:// and gs:// are"
            )
        return *split_place(place), _DIALECTS[scheme]
