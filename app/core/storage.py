"""The one seam through which the program writes to a person's disk.

Bytes are made first. Then: a new file in the same folder, written whole, synced, read back and
compared, put in place in one move, and the folder synced. Whatever fails, what stood at
the destination is untouched and the new file is gone.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import signal
import stat
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import psutil

from app.core.errors import AlreadyExistsError, DiskFullError, StorageError
from app.core.file_names import safe_name

__all__ = [
    "FileSystem",
    "append",
    "explain",
    "free_bytes",
    "make_folder",
    "move_folder",
    "open_log",
    "point",
    "remove_files",
    "remove_folder",
    "save_bytes",
    "sweep_parts",
    "writable_problem",
]

# Seconds by which a file's time may lie before its process's start: clocks are coarse.
_CLOCK = 2.0
# The crash tests name a moment in the environment, as ``placed`` or, for its third time,
# ``placed:3``: the process ends there.
_KILL_AT, _, _times = os.environ.get("FILTERSCOPE_KILL_AT", "").partition(":")
_kill_after = int(_times) if _times.isdecimal() else 1
# What a disk answers that cannot sync folders at all; nothing is lost by it.
_NO_FOLDER_SYNC = (
    errno.EINVAL,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.ENOSYS,
    errno.EACCES,
    errno.EPERM,
)


class FileSystem:
    """The calls that touch the disk, one method each, so that a test can make the Nth of them fail."""

    def create(self, path: Path) -> int:
        """Create a file that is not there and open it; a link is never followed."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        flags |= (
            getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        )
        return os.open(path, flags, 0o644)

    def write(self, descriptor: int, data: memoryview) -> int:
        """Write some of `data`; returns how much."""
        return os.write(descriptor, data)

    def fsync(self, descriptor: int) -> None:
        """Wait until the file is on the disk."""
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        """Close a file."""
        os.close(descriptor)

    def read(self, path: Path) -> bytes:
        """Return what a file holds."""
        return path.read_bytes()

    def truncate(self, descriptor: int, size: int) -> None:
        """Let a file end after `size` bytes; a full disk takes that."""
        os.ftruncate(descriptor, size)

    def replace(self, source: Path, target: Path) -> None:
        """Put `source` in the place of `target` in one move."""
        os.replace(source, target)  # noqa: PTH105 - a method of its own would hide the call

    def link(self, source: Path, target: Path) -> None:
        """Give `source` the name `target`, which must be free."""
        os.link(source, target)

    def remove(self, path: Path) -> None:
        """Remove a file."""
        path.unlink(missing_ok=True)

    def sync_folder(self, folder: Path) -> None:
        """Wait until the names in a folder are on the disk."""
        if sys.platform == "win32":
            return
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def free(self, folder: Path) -> int:
        """Return how many bytes can still be written below `folder`."""
        return shutil.disk_usage(folder).free


disk = FileSystem()


def point(name: str) -> None:
    """Mark a moment of a save by name: the crash tests end the process here."""
    global _kill_after
    if name == _KILL_AT:
        _kill_after -= 1
        if _kill_after == 0:
            os.kill(os.getpid(), signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)


def explain(error: OSError, path: Path) -> StorageError:
    """Return what a failed call means, in one sentence."""
    folder = path.parent
    reasons = {
        errno.ENOSPC: (
            f"The disk is full: {path.name} was not saved.",
            "Free some space, then save again.",
        ),
        errno.EDQUOT: (
            f"Your disk quota is used up: {path.name} was not saved.",
            "Free some space, then save again.",
        ),
        errno.EFBIG: (
            f"{path.name} is larger than files may be here: it was not saved.",
            "Choose another folder.",
        ),
        errno.EACCES: (f"{folder} may not be written to.", "Choose another folder."),
        errno.EPERM: (f"{folder} may not be written to.", "Choose another folder."),
        errno.EROFS: (f"{folder} is read-only.", "Choose another folder."),
        errno.ENOENT: (f"There is no folder {folder}.", "Choose another folder."),
        errno.ENOTDIR: (f"{folder} is not a folder.", "Choose another folder."),
        errno.ENAMETOOLONG: (f"The name {path.name[:40]}… is too long.", "Choose a shorter one."),
        errno.EISDIR: (f"{path.name} is a folder.", "Choose another name."),
    }
    message, hint = reasons.get(
        error.errno or 0,
        (f"{path.name} was not saved: {error.strerror or error}.", "What was there is unchanged."),
    )
    kind = DiskFullError if error.errno in (errno.ENOSPC, errno.EDQUOT) else StorageError
    return kind(message, hint)


def _part(path: Path) -> Path:
    """Return a new name beside `path`: short, whatever the name is, and told to be ours later."""
    return path.with_name(f"{safe_name(path.name)}.part-{os.getpid()}-{secrets.token_hex(4)}")


def _exists(path: Path) -> bool:
    """Say whether something is there, a dangling link included; a folder is no destination.

    Raises
    ------
    StorageError
        A folder is there, or nobody may look.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return False
    except OSError as error:
        raise explain(error, path) from None
    except ValueError:
        raise StorageError("A file's name cannot contain a NUL character.") from None
    if stat.S_ISDIR(mode):
        raise StorageError(f"{path.name or path} is a folder.", "Choose another name.")
    return True


def save_bytes(path: Path, data: bytes, *, overwrite: bool = False) -> None:
    """Save `data` as `path`, whole or not at all.

    Parameters
    ----------
    path : Path
        The destination; its folder must exist. A symbolic link there is replaced, not followed.
    data : bytes
    overwrite : bool
        Whether an existing file may be replaced. If not, one that appears while this
        works is not replaced either.

    Raises
    ------
    AlreadyExistsError
        Something is there.
    StorageError
        It could not be saved; what was there is as it was.
    """
    path = Path(path)
    if _exists(path) and not overwrite:
        raise AlreadyExistsError(
            f"{path.name} exists already.", "Choose another name, or allow replacing it."
        )
    part = _part(path)
    created = False
    try:
        descriptor = disk.create(part)
        created = True
        point("created")
        try:
            left = memoryview(data)
            while len(left):
                written = disk.write(descriptor, left)
                if written <= 0:
                    raise OSError(errno.EIO, "nothing was written")
                left = left[written:]
            point("written")
            disk.fsync(descriptor)
        finally:
            disk.close(descriptor)
        point("synced")
        back = disk.read(part)
        if back != data:
            raise OSError(errno.EIO, "the disk gave back something else")
        point("verified")
        if overwrite:
            disk.replace(part, path)
            created = False
        else:
            _claim(part, path)
        point("placed")
        _sync_folder(path)
        point("folder synced")
    except FileExistsError:
        raise AlreadyExistsError(
            f"{path.name} exists already.", "Choose another name, or allow replacing it."
        ) from None
    except OSError as error:
        raise explain(error, path) from None
    finally:
        if created:
            try:
                disk.remove(part)
            except OSError:
                # The next start sweeps what cannot be removed now.
                created = False


def _sync_folder(path: Path) -> None:
    """Wait until the name `path` is on the disk; the file is in place already."""
    try:
        disk.sync_folder(path.parent)
    except OSError as error:
        if error.errno in _NO_FOLDER_SYNC:
            return
        raise StorageError(
            f"{path.name} is in place, but the disk did not confirm it: {error.strerror or error}.",
            "Save it once more, best on another disk.",
        ) from None


def _claim(part: Path, path: Path) -> None:
    """Put `part` at `path` only if nothing is there, in one move."""
    try:
        disk.link(part, path)
    except OSError as error:
        if error.errno not in (
            errno.EPERM,
            errno.ENOTSUP,
            errno.EOPNOTSUPP,
            errno.EMLINK,
            errno.ENOSYS,
        ):
            raise
        # A disk without hard links: the check and the move are two steps there.
        if os.path.lexists(path):
            raise FileExistsError from None
        disk.replace(part, path)


def make_folder(path: Path, *, exist_ok: bool = False) -> None:
    """Make a folder and those above it; raises `StorageError` or `AlreadyExistsError`."""
    try:
        path.mkdir(parents=True, exist_ok=exist_ok)
    except FileExistsError:
        raise AlreadyExistsError(f"{path.name} exists already.", "Choose another name.") from None
    except OSError as error:
        raise explain(error, path) from None


def move_folder(source: Path, target: Path) -> None:
    """Move a folder to a free name on the same disk; raises `StorageError`."""
    try:
        disk.replace(source, target)
    except OSError as error:
        raise StorageError(
            f"{source.name} was not moved: {error.strerror or error}.", "It is where it was."
        ) from None


def remove_folder(folder: Path) -> None:
    """Remove a folder of our own with all that is in it; what cannot be removed stays."""
    shutil.rmtree(folder, ignore_errors=True)


def writable_problem(folder: Path) -> StorageError | None:
    """Try to write into `folder`; returns why that fails, or None. Asked before work begins."""
    probe = _part(folder / "probe")
    try:
        disk.close(disk.create(probe))
        disk.remove(probe)
    except OSError as error:
        return explain(error, probe)
    return None


def append(stream: BinaryIO, data: bytes, path: Path, *, sync: bool) -> None:
    """Write `data` at the end of an open log, and wait for the disk when `sync`.

    All of it, or nothing: what was written of it is taken back when the rest finds no room.

    Raises
    ------
    StorageError
        It could not be written.
    """
    written = 0
    try:
        while written < len(data):
            more = disk.write(stream.fileno(), memoryview(data)[written:])
            if more <= 0:
                raise OSError(errno.EIO, "nothing was written")
            written += more
        if sync:
            disk.fsync(stream.fileno())
    except OSError as error:
        if written:
            try:
                disk.truncate(stream.fileno(), os.fstat(stream.fileno()).st_size - written)
            except OSError as second:
                # A torn line may stand there now: nothing may follow it.
                raise StorageError(
                    f"{path.name} cannot be written on: {second.strerror or second}.",
                    "What was recorded before is kept.",
                ) from None
        raise explain(error, path) from None


def free_bytes(folder: Path) -> int | None:
    """Return how much room there is below `folder`, or None when the system does not say."""
    try:
        return disk.free(folder)
    except OSError:
        return None


def remove_files(paths: Iterable[Path]) -> None:
    """Remove files that are not needed any more; raises `StorageError`."""
    for path in paths:
        try:
            disk.remove(path)
        except OSError as error:
            raise explain(error, path) from None
        point("removed")


def open_log(path: Path) -> BinaryIO:
    """Open a file to append to; raises `StorageError`."""
    try:
        return path.open("ab", buffering=0)
    except OSError as error:
        raise explain(error, path) from None


def sweep_parts(folder: Path) -> int:
    """Remove what saves of processes that are dead left in `folder`; returns how many."""
    removed = 0
    for part in folder.glob("*.part-*-*"):
        owner = part.name.rpartition(".part-")[2].partition("-")[0]
        try:
            if re.fullmatch("[0-9]{1,9}", owner) and _abandoned(part, int(owner)):
                disk.remove(part)
                removed += 1
        except OSError:
            continue
    return removed


def _abandoned(part: Path, owner: int) -> bool:
    """Say whether nobody will finish `part`: its process is gone, or its number was given anew."""
    try:
        started: float = psutil.Process(owner).create_time()
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False
    return part.lstat().st_mtime < started - _CLOCK
