"""Downloading CIFAR-10, from servers that behave and from others; all of them are 127.0.0.1."""

from __future__ import annotations

import errno
import hashlib
import http.server
import socket
import ssl
import sys
import threading
import urllib.error
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from app.core import storage
from app.core.data import cifar, download
from app.core.data.download import DownloadError, cifar10_archive, download_cifar10
from app.core.data.image_reader import open_images
from app.core.errors import Cancelled, FilterscopeError, RefusedInputError, StorageError
from tests.core.data import cifar_files as files

ARCHIVE = files.archive(prefix="cifar-10-batches-py/")


class Handler(http.server.BaseHTTPRequestHandler):
    """Sends what its server is told to."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server: Any = self.server
        server.requests += 1
        if server.status != 200:
            self.send_error(server.status)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(server.told))
        self.end_headers()
        self.wfile.write(server.data)
        self.wfile.flush()
        # What is missing comes when the test allows it, that is never.
        if server.silent:
            server.over.wait(30)
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A server that has the archive, which is the published one as far as anybody knows."""
    found: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.daemon_threads = True
    found.data, found.told, found.status, found.silent = ARCHIVE, len(ARCHIVE), 200, False
    found.requests, found.over = 0, threading.Event()
    thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("no_proxy", "*")
    md5 = hashlib.md5(ARCHIVE, usedforsecurity=False).hexdigest()
    url = f"http://127.0.0.1:{found.server_port}/cifar-10-python.tar.gz"
    monkeypatch.setattr(download, "_address", lambda: (url, md5))
    for module in (download, cifar):
        monkeypatch.setattr(module, "PUBLISHED_ARCHIVES", {hashlib.sha256(ARCHIVE).hexdigest()})
    yield found
    found.over.set()
    found.shutdown()
    found.server_close()
    thread.join()


def left() -> list[str]:
    """Return what lies in the cache folder."""
    folder = cifar10_archive().parent
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_the_archive_is_kept_and_opened_by_its_name(server: Any) -> None:
    told: list[tuple[float, str]] = []
    path = download_cifar10(progress=lambda share, text: told.append((share, text)))
    assert path.read_bytes() == ARCHIVE
    assert left() == ["cifar-10-python.tar.gz"]
    assert [share for share, _ in told] == sorted(share for share, _ in told)
    assert told[-1][0] == 1
    assert "MB" in told[-1][1]
    images = open_images("cifar10")
    assert images.count == 120
    assert images.notes == ("The archive has the published checksum",)


def test_what_is_there_is_not_downloaded_again(server: Any) -> None:
    download_cifar10()
    download_cifar10()
    assert server.requests == 1


def test_what_is_there_but_damaged_is_downloaded_again(server: Any) -> None:
    cifar10_archive().parent.mkdir(parents=True)
    cifar10_archive().write_bytes(b"half of it")
    assert download_cifar10().read_bytes() == ARCHIVE


def test_before_the_download_the_name_says_what_to_do() -> None:
    with pytest.raises(RefusedInputError, match="not downloaded yet"):
        open_images("cifar10")


@pytest.mark.parametrize("status", [403, 404, 503])
def test_a_server_that_refuses(server: Any, status: int) -> None:
    server.status = status
    with pytest.raises(DownloadError, match=f"The server answered {status}"):
        download_cifar10()
    assert left() == []


def test_a_server_that_is_not_there(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setattr(download, "_address", lambda: (f"http://127.0.0.1:{port}/x", ""))
    with pytest.raises(DownloadError, match=f"127.0.0.1:{port} cannot be reached"):
        download_cifar10()
    assert left() == []


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_connection_that_is_cut(server: Any, share: float) -> None:
    server.data = ARCHIVE[: int(len(ARCHIVE) * share)]
    with pytest.raises(DownloadError, match="connection was cut after") as caught:
        download_cifar10()
    assert caught.value.hint == "Nothing was kept. Try again."
    assert left() == []
    # And then it works.
    server.data = ARCHIVE
    assert download_cifar10().read_bytes() == ARCHIVE


def test_other_bytes_are_not_kept(server: Any) -> None:
    server.data = ARCHIVE[:-1] + bytes([ARCHIVE[-1] ^ 1])
    with pytest.raises(DownloadError, match="checksum is wrong"):
        download_cifar10()
    assert left() == []


def test_the_weak_checksum_alone_is_not_enough(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "PUBLISHED_ARCHIVES", {"0" * 64})
    with pytest.raises(DownloadError, match="checksum is wrong"):
        download_cifar10()
    assert left() == []


def test_a_server_without_end(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "MOST_BYTES", 100_000)
    with pytest.raises(DownloadError, match="sends more than"):
        download_cifar10()
    assert left() == []


def test_a_silent_server_can_be_left(server: Any) -> None:
    """Giving up does not wait for the next byte."""
    server.data, server.silent = ARCHIVE[:-10], True
    seen: list[float] = []
    with pytest.raises(Cancelled):
        download_cifar10(cancel=lambda: bool(seen), progress=lambda share, text: seen.append(share))
    assert left() == []


def test_a_silent_server_is_left_in_the_end(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PATIENCE", 0.2)
    server.data, server.silent = ARCHIVE[:-10], True
    with pytest.raises(DownloadError, match="connection was cut"):
        download_cifar10()
    server.data = b""
    with pytest.raises(DownloadError):
        download_cifar10()
    assert left() == []


def test_a_full_disk_is_told_before_the_transfer(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(download.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(DownloadError, match="needs 0 MB; the disk of"):
        download_cifar10()
    assert left() == []


@pytest.mark.parametrize("call", ["create", "write", "fsync", "replace"])
def test_a_disk_that_fills_up_leaves_nothing(
    server: Any, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    original = getattr(storage.disk, call)

    def full(*arguments: Any) -> Any:
        # The probe of the folder is let through.
        if call == "create" and ".probe" in str(arguments[0]):
            return original(*arguments)
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(storage.disk, call, full)
    with pytest.raises(StorageError, match="The disk is full"):
        download_cifar10()
    assert left() == []


def test_a_folder_that_cannot_be_written_to_is_told_first(
    server: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.mkdir(parents=True)
    (home / ".cache").write_text("a file, not a folder")
    with pytest.raises(FilterscopeError):
        download_cifar10()
    assert server.requests == 0


def test_without_torchvision_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    with pytest.raises(DownloadError, match="needs torchvision") as caught:
        download_cifar10()
    assert "filterscope[torch]" in caught.value.hint


def test_torchvision_s_address_is_a_secure_one() -> None:
    pytest.importorskip("torchvision")
    url, md5 = download._address()
    assert url.startswith("https://")
    assert url.endswith(f"/{download.ARCHIVE}")
    assert len(md5) == 32


class Answer:
    """What an opener returns."""

    def __init__(self, url: str, error: Exception | None = None) -> None:
        self.url, self.error, self.headers = url, error, Message()

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def read(self, count: int) -> bytes:
        if self.error is not None:
            raise self.error
        return b""


def test_a_secure_address_never_leads_to_another(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_address", lambda: ("https://example.org/x", ""))
    with pytest.raises(DownloadError, match="not secure"):
        download_cifar10(opener=lambda url: Answer("http://example.org/x"))


ERRORS = {
    "could not show that it is who it says": urllib.error.URLError(ssl.SSLCertVerificationError()),
    "did not answer for 30 seconds": urllib.error.URLError(TimeoutError()),
    "cannot be reached": urllib.error.URLError(socket.gaierror(-2, "unknown")),
}


@pytest.mark.parametrize("said", ERRORS)
def test_what_fails_is_one_sentence(
    server: Any, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setattr(download, "_address", lambda: ("https://example.org/x", ""))

    def fail(url: str) -> Any:
        raise ERRORS[said]

    with pytest.raises(DownloadError, match=said) as caught:
        download_cifar10(opener=fail)
    assert caught.value.message.startswith("example.org ")
    assert left() == []
