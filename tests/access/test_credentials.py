"""Credentials for a role end by themselves; a job that outlives them is given new ones."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from tests.support.http import ETAG, Answer, Asked, Recorder, error, recorder
from tests.support.servers import Server
from tests.support.shell import Shell

import holdall
from holdall.errors import InvalidArgumentError
from holdall.maintenance.credentials import MAX_POLICY
from holdall.storage.s3 import LANES
from holdall.storage.schemes import bucket_at

ARN = "arn:aws:iam::123456789012:role/trainer"
MINE = {"key": "mine", "secret": "secret"}
ISSUED = """<{0}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{0}Result><Credentials>
<AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>hidden1</SecretAccessKey><SessionToken>hidden2</SessionToken>
<Expiration>2030-01-01T00:00:00Z</Expiration></Credentials></{0}Result></{0}Response>"""


def issuing(asked: Asked) -> Answer:
    """A token service that issues to whoever asks."""
    [action] = parse_qs(asked.body.decode())["Action"]
    return Answer(200, ISSUED.format(action).encode(), {"Content-Type": "text/xml"})


def sent(record: Recorder) -> dict[str, str]:
    return {name: value for name, [value] in parse_qs(record.asked[-1].body.decode()).items()}


@pytest.fixture(autouse=True)
def nobody_elses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The configuration of AWS of whoever runs the tests is not looked at."""
    config = tmp_path / "config"
    config.write_text("")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return config


@pytest.mark.parametrize(
    ("arn", "dialect", "action"),
    [
        (ARN, "aws", "AssumeRole"),
        (None, "aws", "GetFederationToken"),
        (None, "minio", "AssumeRole"),
        (ARN, "ceph", "AssumeRole"),
    ],
)
def test_a_session_is_asked_for_with_the_roles_policy(
    arn: str | None, dialect: str, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is sent along is what `store policy` prints; MinIO and Ceph are asked where the store is."""
    with recorder() as record:
        record.reply = issuing
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", record.url)
        store = holdall.open("s3://models/team", **MINE, **({} if dialect == "aws" else {"endpoint_url": record.url}))
        care = store.maintenance
        found = care.credentials("writer", experiments=["vision"], lifetime="3h", role_arn=arn, dialect=dialect)
        asked = sent(record)
    assert (asked["Action"], asked["DurationSeconds"]) == (action, "10800")
    assert json.loads(asked["Policy"]) == care.access_policy("writer", experiments=["vision"], dialect=dialect)
    assert asked.get("RoleArn", ARN) == arn or arn is None
    assert "Credential=mine/" in record.asked[-1].headers["authorization"]
    assert found.process == {
        "Version": 1,
        "AccessKeyId": "ASIA1",
        "SecretAccessKey": "hidden1",
        "SessionToken": "hidden2",
        "Expiration": "2030-01-01T00:00:00+00:00",
    }
    assert "hidden" not in repr(found)


def test_what_moto_issues_opens_the_store(moto: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The lines for a shell are those by which a process has them, and nothing else is on the standard output."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", moto.url)
    url = moto.new_bucket()
    shell = Shell(tmp_path)
    at = ["--store", url, *(word for name, value in moto.options.items() for word in ("-o", f"{name}={value}"))]
    done = shell.run(*at, "store", "credentials", "--role", "writer", "--role-arn", ARN, "--for", "1h")
    lines = [line.removeprefix("export ").partition("=") for line in done.stdout.splitlines()]
    words = {name: value.strip("'") for name, _, value in lines}
    assert sorted(words) == ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]
    for name, value in words.items():
        monkeypatch.setenv(name, value)
    with holdall.open(url, endpoint_url=moto.url).runs.start() as run:
        assert run.log_text("fine", "a.txt").size == 4


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"role": "writer", "lifetime": "14m"}, "from 15m to 12h"),
        ({"role": "writer", "lifetime": "13h"}, "from 15m to 12h"),
        ({"role": "boss"}, "there is no role 'boss'"),
        ({"role": "writer", "session_name": "a b"}, "session_name"),
        ({"role": "writer", "dialect": "ceph"}, "say which by role_arn"),
        (
            {"role": "writer", "experiments": [f"experiment {n}" for n in range(20)]},
            f"of {MAX_POLICY} that are allowed",
        ),
    ],
)
def test_what_no_token_service_would_issue_is_refused_before_it_is_asked(given: dict[str, object], why: str) -> None:
    """And it is said how to mend it."""
    with pytest.raises(InvalidArgumentError, match=why):
        holdall.open("s3://models/team", **MINE).maintenance.credentials(**given)  # type: ignore[arg-type]


def test_only_a_store_in_s3_has_them() -> None:
    """A folder's rights are its file system's."""
    with pytest.raises(InvalidArgumentError, match="is not in S3"):
        holdall.open("memory://team").maintenance.credentials("writer")


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (error(403, "AccessDenied", "not authorized to perform: sts:AssumeRole"), "trust policy"),
        (error(400, "PackedPolicyTooLarge", "packed size is 104%"), "fewer experiments"),
        (error(400, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration"), "an hour"),
    ],
)
def test_a_refusal_says_how_to_mend_it(answer: Answer, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the token service says comes along."""
    with recorder() as record:
        body = answer.body.replace(b"<Error>", b"<ErrorResponse><Error>").replace(
            b"</Error>", b"</Error></ErrorResponse>"
        )
        record.replies(Answer(answer.status, body, answer.headers))
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", record.url)
        with pytest.raises(holdall.errors.StorageError) as caught:
            holdall.open("s3://models/team", **MINE).maintenance.credentials("writer", role_arn=ARN)
    assert hint in caught.value.hint


def test_a_profile_that_would_ask_itself_is_refused(nobody_elses: Path, tmp_path: Path) -> None:
    """Or each process would start another one, without an end."""
    nobody_elses.write_text(
        "[default]\ncredential_process = holdall store credentials --role writer --format process\n"
    )
    said = Shell(tmp_path)("--store", "s3://b", "store", "credentials", "--role", "writer", code=1)
    assert "what this command provides" in said
    assert "-o profile=NAME" in said


def test_credentials_that_would_be_renewed_at_once_are_refused(tmp_path: Path) -> None:
    """botocore renews a quarter of an hour before the end, so with 15 minutes it would before each request."""
    words = ["store", "credentials", "--role", "writer", "--for", "20m", "--format", "process"]
    assert "30m or more" in Shell(tmp_path)("--store", "s3://b", *words, code=2)


@pytest.mark.parametrize("lane", LANES)
def test_a_job_outlives_its_credentials(lane: str, nobody_elses: Path, tmp_path: Path) -> None:
    """By AWS's own mechanism: the client asks the profile's process again, and nobody else does anything."""
    calls = tmp_path / "calls"
    calls.write_text("")
    program = tmp_path / "process.py"
    # what `--format process` prints, of credentials that have a second left
    program.write_text(
        "import json, pathlib, time\n"
        f"calls = pathlib.Path({str(calls)!r})\n"
        "key = f'ASIA{len(calls.read_text())}'\n"
        "calls.write_text(calls.read_text() + 'x')\n"
        "end = time.strftime('%Y-%m-%dT%H:%M:%S+00:00', time.gmtime(time.time() + 2))\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': key, 'SecretAccessKey': 's', 'SessionToken': key, "
        "'Expiration': end}))\n"
    )
    nobody_elses.write_text(
        f"[profile job]\ncredential_process = {sys.executable} -I -S {program}\nregion = us-east-1\n"
    )
    ended: set[str] = set()

    def enforcing(asked: Asked) -> Answer:
        return error(403, "ExpiredToken") if asked.headers["x-amz-security-token"] in ended else Answer(headers=ETAG)

    with recorder() as record:
        record.reply = enforcing
        bucket = bucket_at("s3://b", {"endpoint_url": record.url, "profile": "job", "lane": lane}, deadline=1.0)
        bucket.put("first", b"1")
        first = record.asked[-1].headers["x-amz-security-token"]
        ended.add(first)
        time.sleep(2.1)  # the process said when they end
        bucket.put("second", b"2")
        second = record.asked[-1].headers["x-amz-security-token"]
    assert first != second
    assert [asked.path for asked in record.asked if asked.method == "PUT"] == ["/b/first", "/b/second"]
