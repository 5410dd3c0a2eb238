"""Links of Google's and Microsoft's storage, signed by their own libraries; both sign without asking anybody."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from holdall.storage.bucket import Bytes
from holdall.storage.links import Links, links_of
from holdall.storage.remote import RemoteBucket
from holdall.storage.remote_links import RemoteLinks
from holdall.storage.schemes import bucket_at

KEY = "shares/x/report.html"
SAVED = "attachment; filename=\"report.html\"; filename*=UTF-8''report.html"


def _google(folder: Path) -> dict[str, object]:
    """Options with the key of a service account that nobody has."""
    key = generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    account = {"type": "service_account", "project_id": "p", "private_key": pem, "private_key_id": "1"}
    account |= {"client_email": "me@p.iam.gserviceaccount.com", "token_uri": "https://127.0.0.1:1/token"}
    (folder / "key.json").write_text(json.dumps(account))
    return {"token": str(folder / "key.json")}


def _signed(url: str, options: dict[str, object]) -> Any:
    links: Links | None = links_of(bucket_at(url, options))
    assert links is not None
    link = links.sign(KEY, 3600, "report.html", "application/octet-stream")
    assert not link.temporary
    return urlsplit(link.url)


@pytest.mark.deep  # 2 s for a key
def test_google_signs_a_link_that_saves_a_file(tmp_path: Path) -> None:
    """For one object, by version 4, with the heads of the answer."""
    pytest.importorskip("google.cloud.storage")
    found = _signed("gs://models/team", _google(tmp_path))
    said = {name: value for name, [value] in parse_qs(found.query).items()}
    assert found.path == f"/models/team/{KEY}"
    assert (said["response-content-disposition"], said["X-Goog-Expires"]) == (SAVED, "3600")
    assert said["response-content-type"] == "application/octet-stream"


def test_azure_signs_a_link_that_saves_a_file() -> None:
    """For one blob, to be read alone, with the heads of the answer."""
    pytest.importorskip("adlfs")
    account: dict[str, object] = {"account_name": "account", "account_key": base64.b64encode(bytes(64)).decode()}
    found = _signed("az://models/team", account)
    said = {name: value for name, [value] in parse_qs(found.query).items()}
    assert found.path == f"/models/team/{KEY}"
    assert (said["sp"], said["sr"], said["rscd"]) == ("r", "b", SAVED)
    assert said["rsct"] == "application/octet-stream"


def _remote() -> tuple[RemoteBucket, RemoteLinks]:
    bucket = RemoteBucket("memory://links/of", unsafe_single_writer=True)
    once: Callable[[Callable[[], Any]], Any] = lambda ask: ask()  # noqa: E731
    return bucket, RemoteLinks(bucket, once)


def test_what_is_uploaded_in_blocks_is_one_object() -> None:
    """As it was given."""
    bucket, links = _remote()
    blocks: list[Bytes] = [b"all ", memoryview(b"is "), b"well"]
    links.upload("shares/whole", iter(blocks), 100)
    assert bucket.get("shares/whole") == b"all is well"
    bucket.delete("shares/whole")


def test_an_upload_that_fails_leaves_no_object() -> None:
    """Half a file must not look like one."""
    bucket, links = _remote()

    def blocks() -> Iterator[bytes]:
        yield b"half"
        raise ValueError("the source broke")

    with pytest.raises(ValueError, match="the source broke"):
        links.upload("shares/half", blocks(), 100)
    assert list(bucket.list("shares/")) == []


def test_a_file_system_that_signs_nothing_has_no_links() -> None:
    """Of other schemes of fsspec nobody knows what their links would be."""
    assert links_of(RemoteBucket("memory://links", unsafe_single_writer=True)) is None
