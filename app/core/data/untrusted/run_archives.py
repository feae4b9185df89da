"""What is let through of a zip that says it is a run: named members, none of them a surprise.

Only the archive is judged here, before anything of it is unpacked; what the members say is judged
by whoever reads run folders.
"""

from __future__ import annotations

import io
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import IO

from app.core.data.untrusted.guard import Refused, readable

__all__ = [
    "ALLOWED",
    "MOST_BYTES",
    "MOST_MEMBERS",
    "check_members",
    "limit_of",
    "read_members",
    "write_members",
]

MOST_MEMBERS = 5_000
# All of it, unpacked.
MOST_BYTES = 4 << 30
# A member that unpacks to more than this many times its size, and is large, is a bomb. Text of a
# history comes to about 4, zeros in weights to 1000 at most in what is small.
MOST_RATIO, FREE_BYTES = 100, 1 << 20
BLOCK = 4 << 20

# The earliest a zip can say: when it was made is no part of a run.
WHEN = (1980, 1, 1, 0, 0, 0)

# Each name that may be there, and how large it may be.
ALLOWED = (
    (r"manifest\.json", 4 << 20),
    (r"run\.json", 1 << 20),
    (r"labels\.json", 1 << 16),
    (r"(history|units)\.jsonl", 1 << 30),
    (r"best\.safetensors", 1 << 30),
    (r"(keyframes|checkpoints)/[0-9]{1,15}\.safetensors", 1 << 30),
    (r"data/[A-Za-z0-9_][A-Za-z0-9._-]{0,79}", 256 << 20),
)


def limit_of(name: str) -> int | None:
    """Return how many bytes a member of this name may have; None when it may not be there."""
    for pattern, most in ALLOWED:
        if re.fullmatch(pattern, name, re.ASCII):
            return most
    return None


def check_members(archive: zipfile.ZipFile, size: int) -> list[zipfile.ZipInfo]:
    """Return the members, all of which may be unpacked; raises `Refused`."""
    members = archive.infolist()
    if len(members) > MOST_MEMBERS:
        raise Refused(f"it has {len(members)} members, more than {MOST_MEMBERS}")
    seen: set[str] = set()
    total = stored = 0
    for member in members:
        name = readable(member.filename)
        most = limit_of(member.filename)
        # zipfile cuts a name at a NUL, and turns a backslash round on Windows.
        if most is None or member.orig_filename != member.filename:
            raise Refused(f"“{name}” has no place in a run")
        if member.filename.casefold() in seen:
            raise Refused(f"“{name}” is there twice")
        seen.add(member.filename.casefold())
        if member.flag_bits & 0x1:
            raise Refused(f"“{name}” is encrypted")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Refused(f"“{name}” is packed in a way that is not read")
        mode = member.external_attr >> 16
        if member.is_dir() or (mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG)):
            raise Refused(f"“{name}” is a link or no ordinary file")
        if member.file_size > most:
            raise Refused(f"“{name}” is larger than it can be")
        packed = max(member.compress_size, 1)
        if member.file_size > FREE_BYTES and member.file_size / packed > MOST_RATIO:
            raise Refused(f"“{name}” would unpack to {member.file_size // packed} times its size")
        total += member.file_size
        stored += member.compress_size
    if total > MOST_BYTES:
        raise Refused(f"it would unpack to {total >> 20} MiB, more than {MOST_BYTES >> 20}")
    if stored > size:
        raise Refused("its members lie over each other")
    for name in ("manifest.json", "run.json"):
        if name not in seen:
            raise Refused(f"there is no {name} in it")
    return members


def read_members(file: IO[bytes], size: int) -> Iterator[tuple[str, int, Iterator[bytes]]]:
    """Yield name, size and bytes in blocks of each member, in the archive's order.

    Raises
    ------
    Refused
        The archive is damaged or not what a run's archive is.
    """
    try:
        archive = zipfile.ZipFile(file)
        members = check_members(archive, size)
    except (Refused, MemoryError):
        raise
    except Exception:
        # The library has many ways to say so.
        raise Refused("it is damaged or not an archive") from None
    for member in members:
        yield member.filename, member.file_size, _blocks(archive, member)


def _blocks(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    left = member.file_size
    try:
        with archive.open(member) as stream:
            while left:
                block = stream.read(min(BLOCK, left))
                if not block:
                    break
                left -= len(block)
                yield block
            # The checksum is compared at the end of the stream.
            more = stream.read(1)
    except (
        zipfile.BadZipFile,
        zlib.error,
        OSError,
        ValueError,
        EOFError,
        NotImplementedError,
        RuntimeError,
    ):
        raise Refused(f"“{readable(member.filename)}” is damaged") from None
    if left or more:
        raise Refused(f"“{readable(member.filename)}” is not as long as it says")


def write_members(members: Mapping[str, bytes]) -> bytes:
    """Return an archive of `members`, in their order: the same bytes each time."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            member = zipfile.ZipInfo(name, WHEN)
            member.create_system, member.external_attr = 3, 0o100644 << 16
            # Weights are noise to a packer; what is written in letters is not.
            stored = name.endswith(".safetensors")
            member.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            archive.writestr(member, data, compresslevel=6)
    return out.getvalue()
