"""A link opens what was shared, without holdall and without credentials, and nothing else."""

from __future__ import annotations

import hashlib
import hmac
import io
import urllib.error
import urllib.request
import zipfile
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from tests.support.servers import Server

import holdall
from holdall.errors import NotShareableError, ShareNotFoundError
from holdall.keys.unlock import Unlock
from holdall.storage import links as linking
from holdall.storage import s3_links
from holdall.store import Run, Store

PAGE = b"<script>alert(1)</script>"


@pytest.fixture(scope="module", params=["moto", "localstack"])
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def store(server: Server) -> Store:
    return holdall.open(f"{server.new_bucket()}/below", **server.options)


@pytest.fixture(scope="module")
def run(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Run:
    top = tmp_path_factory.mktemp("logged")
    folder = top / "model"
    (folder / "empty").mkdir(parents=True)
    (top / "page.html").write_bytes(PAGE)
    (folder / "run.sh").write_text("exit 0\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "große Datei.bin").write_bytes(bytes(range(256)) * 100)
    (folder / "inside").symlink_to("run.sh")
    (folder / "outside").symlink_to("../page.html")
    with store.runs.start() as run:
        run.log_artifacts(top)
    return run


def fetched(url: str) -> tuple[bytes, Any]:
    """What who has nothing but the link gets, and the heads of the answer."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read(), answer.headers


def refused(url: str) -> int:
    """The status by which an address is refused."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        fetched(url)
    return caught.value.code


def test_a_link_to_a_file_gives_its_bytes_and_is_saved_not_shown(store: Store, run: Run) -> None:
    """An HTML file that anybody logged must not run in the name of the bucket's server."""
    made = store.shares.create(f"runs:/{run.id}/page.html", lifetime="1h")
    body, heads = fetched(made.url)
    assert (body, made.size, made.name) == (PAGE, len(PAGE), "page.html")
    assert heads["Content-Disposition"].startswith('attachment; filename="page.html"')
    assert heads["Content-Type"] == "application/octet-stream"


def test_a_link_to_a_folder_gives_a_zip_of_it(store: Store, run: Run) -> None:
    """Executable bits, links that stay inside, and empty folders come along; links that lead out do not."""
    made = store.shares.create(f"runs:/{run.id}/model")
    body, heads = fetched(made.url)
    assert (made.name, heads["Content-Type"], made.left_out) == ("model.zip", "application/zip", ("model/outside",))
    with zipfile.ZipFile(io.BytesIO(body)) as file:
        assert file.testzip() is None
        modes = {info.filename: oct(info.external_attr >> 16) for info in file.infolist()}
        assert file.read("model/große Datei.bin") == bytes(range(256)) * 100
        assert file.read("model/inside") == b"run.sh"
    assert modes == {
        "model/empty/": "0o40755",
        "model/große Datei.bin": "0o100644",
        "model/inside": "0o120777",
        "model/run.sh": "0o100755",
    }
    assert fetched(store.shares.create(f"runs:/{run.id}/model").url)[0] == body


def test_a_share_in_parts_is_the_same_file(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is larger than a block is an upload by parts, of which nothing is left open."""
    monkeypatch.setattr(s3_links, "BLOCK", 5 << 20)
    data = hashlib.shake_128(b"large").digest(11 << 20)
    with store.runs.start() as run:
        run.log_bytes(data, "large.bin")
    made = store.shares.create(f"runs:/{run.id}/large.bin")
    body, _ = fetched(made.url)
    assert hashlib.sha256(body).digest() == hashlib.sha256(data).digest()
    found = linking.links_of(store._location.bucket)
    assert found is not None
    assert found.unfinished("shares/") == []


def test_what_is_revoked_opens_no_more(store: Store, run: Run) -> None:
    """The object is gone, so every link to it is."""
    first, second = (store.shares.create(f"runs:/{run.id}/page.html", lifetime=day) for day in ("2d", "1d"))
    assert [each.id for each in store.shares.list() if each.id in (first.id, second.id)] == [second.id, first.id]
    assert store.shares.revoke(first.id[:10]).id == first.id
    assert refused(first.url) in (403, 404)
    assert fetched(second.url)[0] == PAGE
    for id in (first.id, "", second.id[:7]):
        with pytest.raises(ShareNotFoundError):
            store.shares.revoke(id)


def test_the_signature_covers_all_that_the_link_says(store: Store, run: Run) -> None:
    """Whoever changes the key, the end or how it is saved has another signature than the server computes."""
    made = store.shares.create(f"runs:/{run.id}/page.html", lifetime="1h")
    assert signature(made.url) == query(made.url)["X-Amz-Signature"]
    assert 3590 <= int(query(made.url)["X-Amz-Expires"]) <= 3600
    for old, new in (("page.html?", "other.html?"), ("attachment", "inline"), ("Expires=3", "Expires=4")):
        assert old in made.url
        assert signature(made.url.replace(old, new, 1)) != query(made.url)["X-Amz-Signature"]


def query(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def signature(url: str) -> str:
    """The signature that a server computes of an address (AWS Signature Version 4, for a query)."""
    at, said = urlsplit(url), query(url)
    scope = said["X-Amz-Credential"].split("/")[1:]
    names = sorted(name for name in said if name != "X-Amz-Signature")
    line = "&".join(f"{quote(name, safe='')}={quote(said[name], safe='-_.~')}" for name in names)
    request = f"GET\n{at.path}\n{line}\nhost:{at.netloc}\n\nhost\nUNSIGNED-PAYLOAD"
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", said["X-Amz-Date"], "/".join(scope), digest])
    key = b"AWS4test"
    for part in scope:
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


def test_of_an_encrypted_store_a_share_is_asked_for_in_so_many_words(moto: Server) -> None:
    """It is the one object in clear there, so it needs a word more; and it is the file as it was logged."""
    store = holdall.open(moto.new_bucket(), unlock=Unlock(passphrase="correct horse"), **moto.options)
    store.maintenance.create(encrypt=True)
    with store.runs.start() as run:
        run.log_bytes(PAGE, "page.html")
    with pytest.raises(NotShareableError, match="in clear") as caught:
        store.shares.create(f"runs:/{run.id}/page.html")
    assert "--plaintext" in caught.value.shell_hint
    assert store.shares.list() == []
    made = store.shares.create(f"runs:/{run.id}/page.html", plaintext=True)
    assert fetched(made.url)[0] == PAGE
    assert store.shares.revoke(made.id).name == "page.html"
