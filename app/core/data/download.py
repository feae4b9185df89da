"""CIFAR-10 from where torchvision knows it to be, into the person's cache folder.

The only part of the program that talks to a network, and only when it is asked to. Torchvision
says where the archive lies; the transfer is our own, so that it can be watched and given up. The
bytes are held in memory until their checksum is right, then saved in one move and never unpacked:
at no time is there half a file.
"""

from __future__ import annotations

import hashlib
import http.client
import queue
import shutil
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import platformdirs

from app.core.data.cifar import PUBLISHED_ARCHIVES
from app.core.data.files import file_sha256
from app.core.errors import Cancelled, FilterscopeError, RefusedInputError
from app.core.settings import APPLICATION
from app.core.storage import make_folder, save_bytes, sweep_parts, writable_problem
from app.core.waiting import Cancel, Progress

__all__ = ["DownloadError", "cifar10_archive", "download_cifar10", "downloaded_cifar10"]

ARCHIVE = "cifar-10-python.tar.gz"
BLOCK = 256 << 10
MOST_BYTES = 400 << 20
PATIENCE = 30.0

Opener = Callable[[str], Any]


class DownloadError(FilterscopeError):
    """Nothing was downloaded, and why."""


def cifar10_archive() -> Path:
    """Return where the downloaded archive is kept."""
    return Path(platformdirs.user_cache_dir(APPLICATION, False)) / ARCHIVE


def downloaded_cifar10() -> Path:
    """Return the downloaded archive; raises `RefusedInputError` where there is none."""
    path = cifar10_archive()
    if not path.is_file():
        raise RefusedInputError(
            "CIFAR-10 is not downloaded yet.",
            "Say “filterscope info cifar10 --download”, or open a folder that has it.",
        )
    return path


def download_cifar10(
    *,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
    opener: Opener | None = None,
) -> Path:
    """Download the archive of CIFAR-10, unless it is there, and return its path.

    Parameters
    ----------
    cancel, progress : callable, optional
        Giving up takes effect at once, also while the server is silent.
    opener : callable, optional
        What opens an address; `urllib.request.urlopen` by default.

    Raises
    ------
    DownloadError
        torchvision is missing, the server cannot be reached, the connection was cut, or the
        bytes are not those that were published.
    StorageError
        They cannot be saved.
    Cancelled
        The person gave up.
    """
    path = cifar10_archive()
    if path.is_file() and file_sha256(path, cancel) in PUBLISHED_ARCHIVES:
        return path
    url, md5 = _address()
    make_folder(path.parent, exist_ok=True)
    sweep_parts(path.parent)
    problem = writable_problem(path.parent)
    if problem is not None:
        raise problem
    parts = list(_blocks(url, path.parent, opener or _open, cancel, progress))
    data = b"".join(parts)
    if (
        hashlib.md5(data, usedforsecurity=False).hexdigest() != md5
        or hashlib.sha256(data).hexdigest() not in PUBLISHED_ARCHIVES
    ):
        raise DownloadError(
            "What was downloaded is not the published CIFAR-10: its checksum is wrong.",
            "Nothing was kept. Try again, or from another network.",
        )
    save_bytes(path, data, overwrite=True)
    return path


def _address() -> tuple[str, str]:
    """Return torchvision's address of the archive, and its MD5."""
    try:
        from torchvision.datasets import CIFAR10
    except ImportError:
        raise DownloadError(
            "Downloading CIFAR-10 needs torchvision.", "Install filterscope[torch]."
        ) from None
    return CIFAR10.url, CIFAR10.tgz_md5


def _open(url: str) -> Any:
    request = urllib.request.Request(url, headers={"User-Agent": APPLICATION})
    return urllib.request.urlopen(request, timeout=PATIENCE)


def _blocks(
    url: str, folder: Path, opener: Opener, cancel: Cancel | None, progress: Progress | None
) -> Iterator[bytes]:
    """Yield what the server sends, until all of it is there."""
    # A silent server blocks whoever reads: that is a thread which can be left behind.
    transfer = _Transfer(url, opener)
    received = 0
    try:
        for block in transfer.blocks(cancel):
            received += len(block)
            if received > MOST_BYTES:
                raise DownloadError(f"The server sends more than {MOST_BYTES >> 20} MiB: given up.")
            if received == len(block):
                _room(folder, transfer.length)
            if progress is not None:
                total = max(transfer.length or 0, received)
                progress(
                    received / total if transfer.length else 0.0,
                    f"Downloading CIFAR-10: {received / 1e6:.0f} of {total / 1e6:.0f} MB",
                )
            yield block
    finally:
        transfer.leave()
    if transfer.length is not None and received < transfer.length:
        raise _cut(received, transfer.length)


def _room(folder: Path, length: int | None) -> None:
    free = shutil.disk_usage(folder).free
    if length is not None and length > free:
        raise DownloadError(
            f"CIFAR-10 needs {length / 1e6:.0f} MB; the disk of {folder} has {free / 1e6:.0f}.",
            "Free some space, then download again.",
        )


def _cut(received: int, length: int | None) -> DownloadError:
    of = f" of {length / 1e6:.0f}" if length else ""
    return DownloadError(
        f"The connection was cut after {received / 1e6:.0f}{of} MB.",
        "Nothing was kept. Try again.",
    )


class _Transfer:
    """Reads from a server in a thread of its own.

    Attributes
    ----------
    length : int or None
        How many bytes the server says there are, once the first one came.
    """

    def __init__(self, url: str, opener: Opener) -> None:
        self.url, self.opener = url, opener
        self.length: int | None = None
        self._queue: queue.Queue[bytes | DownloadError | None] = queue.Queue(16)
        self._left = threading.Event()
        self._received = 0
        self._thread = threading.Thread(target=self._run, name="download", daemon=True)
        self._thread.start()

    def blocks(self, cancel: Cancel | None) -> Iterator[bytes]:
        """Yield blocks as they come; raises what went wrong."""
        while True:
            if cancel is not None and cancel():
                raise Cancelled("Downloading was given up.")
            try:
                item = self._queue.get(timeout=0.1)
            except queue.Empty:
                continue
            if isinstance(item, DownloadError):
                raise item
            if item is None:
                return
            yield item

    def leave(self) -> None:
        """Let the thread go; it ends with the next byte or when its patience does."""
        self._left.set()

    def _put(self, item: bytes | DownloadError | None) -> None:
        while not self._left.is_set():
            try:
                self._queue.put(item, timeout=0.1)
            except queue.Full:
                continue
            return

    def _run(self) -> None:
        try:
            with self.opener(self.url) as answer:
                if self.url.startswith("https:") and not answer.url.startswith("https:"):
                    raise DownloadError("The server sends on to an address that is not secure.")
                told = answer.headers.get("Content-Length", "")
                self.length = int(told) if told.isdecimal() else None
                while not self._left.is_set() and (block := answer.read(BLOCK)):
                    self._received += len(block)
                    self._put(block)
        except DownloadError as error:
            self._put(error)
        except urllib.error.HTTPError as error:
            error.close()
            self._put(
                DownloadError(
                    f"The server answered {error.code} {error.reason}.", "Try again later."
                )
            )
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._put(self._explain(error))
        else:
            self._put(None)

    def _explain(self, error: Exception) -> DownloadError:
        """Return what a failed transfer means, in one sentence."""
        reason = getattr(error, "reason", error)
        server = self.url.split("/")[2]
        if isinstance(reason, ssl.SSLError):
            return DownloadError(
                f"{server} could not show that it is who it says.",
                "Check this computer's clock and network.",
            )
        if self._received:
            return _cut(self._received, self.length)
        if isinstance(reason, TimeoutError):
            return DownloadError(
                f"{server} did not answer for {PATIENCE:.0f} seconds.", "Try again later."
            )
        return DownloadError(
            f"{server} cannot be reached.", "Is this computer connected to a network?"
        )
