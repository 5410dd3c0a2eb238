"""What only one of the two lanes does, and how a lane is chosen."""

from __future__ import annotations

import re
import ssl
import subprocess
import sys
import time
import zlib
from base64 import b64encode
from collections.abc import Iterator
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import BinaryIO

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.support.http import ETAG, Answer, Asked, Recorder, error, recorder

from holdall.errors import TransientStorageError
from holdall.settings import S3_LANES, read_settings
from holdall.storage.s3 import DEFAULT_LANE, LANES, S3Bucket
from holdall.storage.s3_boto import PIECE, Payload
from holdall.storage.schemes import bucket_at
from holdall.store import Store

CONTENT = bytes(range(251)) * 40_000  # ten megabytes


@pytest.fixture
def server() -> Iterator[Recorder]:
    with recorder() as found:
        yield found


def boto(server: Recorder, **more: object) -> S3Bucket:
    return S3Bucket("s3://bucket", {"endpoint_url": server.url, "lane": "boto3", **more})


# --- which lane


def lane_of(bucket: object) -> str:
    return bucket.inner.inner.client.name  # type: ignore[attr-defined, no-any-return]


def test_an_option_wins_over_the_setting_and_that_over_the_default() -> None:
    """The setting goes to S3 alone: other places have no lanes."""
    assert tuple(LANES) == S3_LANES
    assert lane_of(bucket_at("s3://b")) == DEFAULT_LANE
    assert lane_of(bucket_at("s3://b", {"lane": None})) == DEFAULT_LANE
    assert lane_of(bucket_at("s3://b", s3_lane="s3fs")) == "s3fs"
    assert lane_of(bucket_at("s3://b", {"lane": "boto3"}, s3_lane="s3fs")) == "boto3"
    assert bucket_at("memory://lanes", s3_lane="s3fs").url == "memory://lanes"


def test_the_environment_chooses_a_lane() -> None:
    """By `HOLDALL_S3_LANE`; a word that is none is refused."""
    assert read_settings({}).s3_lane is None
    assert read_settings({"HOLDALL_S3_LANE": "S3FS"}).s3_lane == "s3fs"
    with pytest.raises(ValueError, match="HOLDALL_S3_LANE='obstore' is none of boto3, s3fs"):
        read_settings({"HOLDALL_S3_LANE": "obstore"})
    assert lane_of(Store.open("s3://b", s3_lane="s3fs")._location.bucket) == "s3fs"


def test_an_unknown_lane_is_named() -> None:
    """So is an option that looks like it."""
    with pytest.raises(ValueError, match="boto3 and s3fs, not 'obstore'"):
        bucket_at("s3://b", {"lane": "obstore"})
    with pytest.raises(ValueError, match="did you mean 'lane'"):
        bucket_at("s3://b", {"lanes": "boto3"})


@pytest.mark.parametrize(("lane", "other"), [("boto3", "s3fs,aiobotocore,aiohttp,fsspec"), ("s3fs", "boto3")])
def test_a_lane_imports_nothing_of_the_other(server: Recorder, lane: str, other: str) -> None:
    """Nor anything at all before its first request."""
    options = {"endpoint_url": server.url, "lane": lane, "key": "k", "secret": "s"}
    code = (
        "import sys; from holdall.storage.schemes import bucket_at\n"
        f"bucket = bucket_at('s3://b', {options!r}); assert 'botocore' not in sys.modules\n"
        f"bucket.put('k', b'v'); print(sorted(set({other!r}.split(',')) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2] / "src"
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


# --- sending


def test_a_body_is_sent_as_it_lies_in_memory(server: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the socket is given are parts of the caller's buffer, all of them, in order."""
    from botocore.awsrequest import AWSHTTPConnection

    given: list[memoryview] = []
    send = AWSHTTPConnection.send

    def watched(self: AWSHTTPConnection, data: object) -> object:
        if isinstance(data, memoryview):
            given.append(data)
        return send(self, data)

    monkeypatch.setattr(AWSHTTPConnection, "send", watched)
    buffer = bytearray(CONTENT)
    boto(server).put("k", memoryview(buffer))
    assert server.asked[0].body == CONTENT
    assert server.asked[0].headers["content-length"] == str(len(CONTENT))
    assert [len(piece) for piece in given[:-1]] == [PIECE] * (len(CONTENT) // PIECE)
    assert all(piece.obj is buffer for piece in given)


def test_nothing_waits_for_a_hundred_continue(server: Recorder) -> None:
    """A round trip for nothing; and a second for each put, where a server never says it."""
    boto(server).put("k", b"v")
    assert "expect" not in server.asked[0].headers


def test_a_slow_way_is_no_stalled_one(server: Recorder) -> None:
    """A socket's timeout is for all that is sent at once: so never all of a pack is."""

    def slowly(stream: BinaryIO, size: int) -> bytes:
        parts = []
        while size:
            parts.append(stream.read(min(size, 1 << 20)))
            size -= len(parts[-1])
            time.sleep(0.05)
        return b"".join(parts)

    server.take = slowly
    content = CONTENT * 4
    boto(server, config_kwargs={"connect_timeout": 0.5, "read_timeout": 5}).put("k", content)
    assert server.asked[0].body == content


@pytest.mark.parametrize("lane", LANES)
def test_a_put_that_is_signed_anew_for_its_region_is_sent_whole(server: Recorder, lane: str) -> None:
    """Some servers say which region they want to be called."""
    told = error(400, "AuthorizationHeaderMalformed", "wrong region</Message><Region>mars-1</Region><Message>")
    server.replies(told, Answer(headers=ETAG))
    S3Bucket("s3://bucket", {"endpoint_url": server.url, "lane": lane}).put("k", memoryview(CONTENT))
    assert [asked.body == CONTENT for asked in server.asked] == [True, True]
    assert "/mars-1/s3/" in server.asked[1].headers["authorization"]


def test_a_payload_is_a_file() -> None:
    """Read, told, sought and measured as one."""
    file = Payload(memoryview(b"0123456789")[1:9])
    assert (len(file), file.read(3), file.tell(), file.read(), file.read()) == (8, b"123", 3, b"45678", b"")
    assert (file.seek(-2, 2), file.read(None)) == (6, b"78")
    assert (file.seek(1), file.seek(1, 1), file.read(0), file.read(100)) == (1, 2, b"", b"345678")
    assert b"".join(file) == b"12345678"


# --- checksums, over TLS as at AWS


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Recorder, Path]]:
    folder: Path = tmp_path_factory.mktemp("tls")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(folder))
    with recorder(tls=context) as found:
        yield found, folder / "server.pem"


def certificate(folder: Path) -> Path:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now()
    built = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    built = built.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    built = built.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=True)
    plain = serialization.NoEncryption()
    text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    text += built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    (folder / "server.pem").write_bytes(text)
    return folder / "server.pem"


@pytest.mark.parametrize("size", [0, 1, PIECE, 1 << 20, len(CONTENT)])
def test_trailing_checksums_follow_the_whole_body(secure: tuple[Recorder, Path], size: int) -> None:
    """As AWS gets them: the bytes in chunks, and then their CRC-32."""
    server, trusted = secure
    server.asked.clear()
    config = {"request_checksum_calculation": "when_supported"}
    content = CONTENT[:size]
    boto(server, config_kwargs=config, client_kwargs={"verify": str(trusted)}).put("k", memoryview(content))
    asked = server.asked[0]
    crc = b64encode(zlib.crc32(content).to_bytes(4, "big")).decode()
    assert asked.headers["x-amz-decoded-content-length"] == str(size)
    assert asked.headers["x-amz-content-sha256"] == "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    assert unchunked(asked) == (content, f"x-amz-checksum-crc32:{crc}")


def unchunked(asked: Asked) -> tuple[bytes, str]:
    """The content and the trailer of an aws-chunked body."""
    body, parts, at = asked.body, [], 0
    while size := int((head := re.compile(rb"([0-9a-f]+)\r\n").match(body, at))[1], 16):  # type: ignore[index]
        parts.append(body[head.end() : head.end() + size])  # type: ignore[union-attr]
        at = head.end() + size + 2  # type: ignore[union-attr]
    return b"".join(parts), body[at + 3 :].strip().decode()


@pytest.mark.parametrize("lane", LANES)
def test_a_body_that_is_not_what_was_summed_is_not_believed(server: Recorder, lane: str) -> None:
    """AWS tells the CRC-32 of what it keeps; it is compared where that is asked for."""
    crc = b64encode(zlib.crc32(b"kept").to_bytes(4, "big")).decode()
    config = {"response_checksum_validation": "when_supported"}
    bucket = S3Bucket("s3://bucket", {"endpoint_url": server.url, "lane": lane, "config_kwargs": config})
    server.replies(Answer(200, b"kept", {**ETAG, "x-amz-checksum-crc32": crc}))
    assert bucket.get("k") == b"kept"
    server.replies(Answer(200, b"kepT", {**ETAG, "x-amz-checksum-crc32": crc}))
    with pytest.raises(TransientStorageError, match="checksum"):
        bucket.get("k")


# --- reading


@pytest.mark.parametrize("lane", LANES)
def test_a_body_that_is_longer_than_asked_for_is_not_read(server: Recorder, lane: str) -> None:
    """No buffer is made for what a server claims, when it can be seen to be wrong."""
    huge = {**ETAG, "Content-Range": "bytes 0-1099511627775/1099511627776", "Content-Length": "1099511627776"}
    server.replies(Answer(206, b"", huge, then="close"))
    bucket = S3Bucket("s3://bucket", {"endpoint_url": server.url, "lane": lane})
    with pytest.raises(TransientStorageError, match="1099511627776 bytes were announced, where 5 were asked for"):
        bucket.get_range("k", 0, 5)
    with pytest.raises(TransientStorageError, match="announced"):
        bucket.get_range("k", -5)


def test_a_connection_is_used_again_after_every_verb(server: Recorder) -> None:
    """Empty bodies, missing objects and errors included: a new one costs a round trip, and over TLS three."""
    doors: set[int] = set()
    part = Answer(206, b"abc", {**ETAG, "Content-Range": "bytes 2-4/10"})
    listing = Answer(body=b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
    server.replies(Answer(headers=ETAG), Answer(headers=ETAG), part, error(404, "NoSuchKey"), listing, part)
    bucket = boto(server)
    bucket.put("k", CONTENT)
    bucket.get("k")
    bucket.get_range("k", 2, 5)
    bucket.delete("k")
    list(bucket.list())
    pools = bucket.client.botocore_client()._endpoint.http_session._session._manager.pools
    for key in pools.keys():  # noqa: SIM118  (urllib3's own container)
        doors.add(pools[key].num_connections)
    assert doors == {1}
