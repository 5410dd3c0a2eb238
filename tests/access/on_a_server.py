"""Try the roles on a real server that enforces policies, by hand; what was seen is in the guide.

    python -m tests.access.on_a_server --for ceph --endpoint http://127.0.0.1:7480 --admin KEY:SECRET \\
        --user reader=NAME:KEY:SECRET --user writer=... --user collector=... --user owner=...

The administrator must be allowed to give users policies (Ceph: `radosgw-admin caps add --uid=X --caps="user-policy=*"`)
and owns the bucket, which is made anew. Each user gets the policy of its role by PutUserPolicy, or, with
--bucket-policy, all get one of the bucket. Then each verb is tried as each user, and what came of it is printed beside
what the guide's table says.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import botocore.session
from tests.access.table import ROLES, shown
from tests.access.test_moto_iam import opened
from tests.access.verbs import EXPERIMENT, LIMITED, VERBS, built

from holdall.access import bucket_policy, policy
from holdall.errors import AccessDeniedError, NotDeletedError
from holdall.format.layout import experiment_id
from holdall.storage.s3 import S3Bucket

TRIED: Final = (
    *("runs.search", "run.download", "artifacts.read", "registry.resolve", "maintenance.du", "maintenance.check"),
    *("runs.start", "run.log_text", "run.log_stream", "run.log_bytes", "experiments.set_tag", "registry.set_alias"),
    *("maintenance.catalog", "maintenance.doctor", "maintenance.purge"),
)
# what no role may, asked past holdall's own client: what came of it is told
BEYOND: Final[Mapping[str, Callable[[Any, str], object]]] = {
    "put without If-None-Match": lambda s3, b: s3.put_object(Bucket=b, Key="p/canary", Body=b"overwritten"),
    "list the bucket": lambda s3, b: s3.list_objects_v2(Bucket=b),
    "get beside the prefix": lambda s3, b: s3.get_object(Bucket=b, Key="beside"),
    "get what is missing": lambda s3, b: s3.get_object(Bucket=b, Key="p/runs/missing"),
    "delete the descriptor": lambda s3, b: s3.delete_object(Bucket=b, Key="p/holdall.json"),
}


def client(kind: str, endpoint: str, key: str, secret: str) -> Any:
    """A client of botocore's."""
    keys = {"aws_access_key_id": key, "aws_secret_access_key": secret}
    return botocore.session.get_session().create_client(kind, "us-east-1", endpoint_url=endpoint, **keys)


def outcome(act: Callable[[], object]) -> str:
    """What came of it: yes, no (and of another error its name)."""
    try:
        act()
    except (AccessDeniedError, NotDeletedError) as error:
        return "no" if "was refused" in str(error) else f"no: {error}"
    except Exception as error:
        code = getattr(error, "response", {}).get("Error", {}).get("Code", "")
        return code or f"{type(error).__name__}: {error}"
    return "yes"


def main() -> None:
    """Make a bucket, users' policies and the store; try all; say what differs from the guide."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--for", dest="dialect", default="ceph")
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--admin", required=True, metavar="KEY:SECRET")
    parser.add_argument("--user", action="append", required=True, metavar="ROLE=NAME:KEY:SECRET")
    parser.add_argument("--limited", action="store_true", help="Readers and writers have one experiment.")
    parser.add_argument("--bucket-policy", action="store_true")
    parser.add_argument("--principal", default="arn:aws:iam:::user/{}", help="A user's ARN, of its name.")
    asked = parser.parse_args()
    mine = [experiment_id(EXPERIMENT)] if asked.limited else []
    users = {role: rest.split(":") for role, _, rest in (each.partition("=") for each in asked.user)}
    bucket = f"roles-{uuid.uuid4().hex[:8]}"
    admin = asked.admin.split(":")
    s3 = client("s3", asked.endpoint, *admin)
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="beside", Body=b"")
    place = f"s3://{bucket}/p"
    if asked.bucket_policy:
        who = {role: [asked.principal.format(name)] for role, (name, *_) in users.items()}
        document = bucket_policy(who, bucket=bucket, prefix="p", dialect=asked.dialect, experiments=mine)
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(document))
    else:
        iam = client("iam", asked.endpoint, *admin)
        for role, (name, *_) in users.items():
            some = mine if role in LIMITED else []
            document = policy(role, bucket=bucket, prefix="p", dialect=asked.dialect, experiments=some)
            iam.put_user_policy(UserName=name, PolicyName="holdall", PolicyDocument=json.dumps(document))
    there = S3Bucket(place, _options(asked.endpoint, *admin))
    wrong = 0
    for role, (_, *keys) in users.items():
        options = _options(asked.endpoint, *keys)
        for key in [info.key for info in there.list()]:
            there.delete(key)
        for key, data in built()[0].items():
            there.put(key, data)
        for seed, verb in enumerate(TRIED, 100):
            with tempfile.TemporaryDirectory() as to:
                here = opened(place, options, Path(to), seed)
                here.bucket.inner.objects.update(built()[0])  # for what a verb does as everybody before
                number = ROLES.index((role, asked.limited and role in LIMITED))
                found, wanted = outcome(lambda: VERBS[verb](here)), shown()[verb].outcomes[number]  # noqa: B023
            differs = found != wanted.rstrip("*")
            wrong += differs
            sys.stdout.write(f"{role:10} {verb:28} {found:8} {'GUIDE SAYS ' + wanted if differs else ''}\n")
        for name, act in BEYOND.items():
            told = outcome(lambda: act(client("s3", asked.endpoint, *keys), bucket))  # noqa: B023
            sys.stdout.write(f"{role:10} {name:28} {told}\n")
            if name.startswith("put"):
                there.delete("canary")
                there.put("canary", built()[0]["canary"])
    sys.stdout.write(f"{wrong} differ from the guide\n")


def _options(endpoint: str, key: str, secret: str) -> dict[str, object]:
    return {"endpoint_url": endpoint, "key": key, "secret": secret}


if __name__ == "__main__":
    main()
