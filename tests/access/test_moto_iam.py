"""Roles on moto's IAM, which looks at the actions and resources of a policy, over HTTP and with signatures.

What moto does not enforce: conditions, so neither prefixes of listings nor If-None-Match (it refuses all that has
one, so they are left out here); and of a bulk deletion it looks at the bucket only, so the bucket is named as well.
`test_table.py` has both, by a reader of policies of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any, Final
from urllib.request import Request, urlopen

import pytest
from tests.access.table import shown
from tests.access.verbs import VERBS, World, built
from tests.support.depth import thinned
from tests.support.enforcing import EnforcingBucket
from tests.support.stores import Serial, tiny_location

from holdall.access import ROLES, policy
from holdall.demo.server import MotoServer, moto_server
from holdall.errors import AccessDeniedError, HoldallError, NotDeletedError
from holdall.storage.memory import MemoryBucket
from holdall.storage.s3 import S3Bucket
from holdall.store import Store

BUCKET: Final = "roles"
VERBS_TRIED: Final = thinned(
    ("run.log_text", "maintenance.purge", "run.download", "run.log_stream", "experiments.set_tag", "run.log_bytes"), 3
)


def for_moto(document: dict[str, Any]) -> dict[str, Any]:
    """A policy without what moto does not understand."""
    found = deepcopy(document)
    for each in found["Statement"]:
        each.pop("Condition", None)
        if each["Action"] == "s3:DeleteObject":
            each["Resource"] = [*([each["Resource"]] if isinstance(each["Resource"], str) else each["Resource"])]
            each["Resource"].append(f"arn:aws:s3:::{BUCKET}")
    return found


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[MotoServer, dict[str, dict[str, object]]]]:
    """A server with a bucket, and the credentials of a user for each role, by it."""
    with moto_server() as found:
        found.create_bucket(BUCKET)
        users = {role: _user(found, role, policy(role, bucket=BUCKET, prefix=f"of-{role}")) for role in ROLES}
        _enforce(found, "0")
        try:
            yield found, users
        finally:
            _enforce(found, "inf")


def _enforce(server: MotoServer, after: str) -> None:
    """Let moto look at policies after so many requests."""
    address = f"{server.url}/moto-api/reset-auth"
    asked = Request(address, data=after.encode(), headers={"Content-Type": "text/plain"}, method="POST")
    with urlopen(asked, timeout=30):
        pass


def _user(server: MotoServer, role: str, document: dict[str, Any]) -> dict[str, object]:
    import botocore.session

    iam: Any = botocore.session.get_session().create_client(
        "iam", "us-east-1", endpoint_url=server.url, aws_access_key_id="test", aws_secret_access_key="test"
    )
    iam.create_user(UserName=role)
    text = json.dumps(for_moto({"Version": "2012-10-17", **document}))
    iam.put_user_policy(UserName=role, PolicyName=role, PolicyDocument=text)
    key = iam.create_access_key(UserName=role)["AccessKey"]
    return {"key": key["AccessKeyId"], "secret": key["SecretAccessKey"], "endpoint_url": server.url}


def opened(url: str, options: dict[str, object], to: Path, seed: int) -> World:
    """A store there, as somebody opens it; the world's own bucket takes no part."""
    location = tiny_location(S3Bucket(url, options), seed=seed, create=False, pool=Serial())
    nobody = EnforcingBucket(MemoryBucket(), None, "nowhere")
    return World(Store(location), nobody, to, built()[1])


def fill(prefix: str) -> None:
    """Put the small store there, past the server, which takes 30 ms of CPU for each object."""
    from moto.s3.models import s3_backends

    for key, data in built()[0].items():
        s3_backends["123456789012"]["aws"].put_object(BUCKET, f"{prefix}/{key}", data)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.every(8)
def test_a_role_may_what_the_table_says(
    server: tuple[MotoServer, dict[str, dict[str, object]]], role: str, tmp_path: Path
) -> None:
    """All that it may, works; all else is refused by the server, and the error names the action."""
    _, users = server
    place = f"s3://{BUCKET}/of-{role}"
    fill(f"of-{role}")
    number = ROLES.index(role)
    for seed, verb in enumerate(VERBS_TRIED, 100):
        here = opened(place, users[role], tmp_path, seed)
        try:
            if shown()[verb].outcomes[number] == "no":
                with pytest.raises((AccessDeniedError, NotDeletedError), match=r"s3:\w+ was refused"):
                    VERBS[verb](here)
            else:
                VERBS[verb](here)
        finally:
            with suppress(HoldallError):
                here.store._close()
