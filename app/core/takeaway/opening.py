"""A `.filterscope` file becomes a run again: unpacked by the child process, checked, then moved in.

Nothing of the file is believed: which members it may have and how large is judged before they are
unpacked; sizes and checksums are compared with the manifest; the folder is then opened as any run
folder of a stranger, every file of it, and only one that is whole is moved to the others.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from app.core.data.child import Child
from app.core.data.files import Limits, file_sha256, opened, shown
from app.core.data.sample import sample_path
from app.core.data.untrusted.run_archives import MOST_BYTES, MOST_MEMBERS, limit_of
from app.core.errors import FilterscopeError, RefusedInputError, UsageError
from app.core.file_names import safe_name
from app.core.runs import RunFolder
from app.core.runs.checkpoint import checkpoint_files, read_checkpoint
from app.core.runs.files import BEST, HISTORY, LABELS, UNITS, folders_of, read_safetensors
from app.core.runs.labels import RunLabels
from app.core.settings import data_folder, read_json
from app.core.storage import make_folder, move_folder, remove_folder, save_bytes
from app.core.takeaway.archive import FORMAT, SUFFIX
from app.core.waiting import Cancel, Progress

__all__ = ["Member", "is_run_archive", "keep_members", "open_archive"]

Member = tuple[str, bytes]
# A safetensors header says names and shapes: a run has not so many.
MOST_HEADER = 1 << 20


def is_run_archive(path: str | os.PathLike[str]) -> bool:
    """Return whether a file's name is that of a run."""
    return Path(path).suffix.lower() == SUFFIX


def open_archive(
    path: Path,
    root: Path | None = None,
    *,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> RunFolder:
    """Put the run in a file among the runs below `root`.

    A run whose id is there already gets a new one.

    Raises
    ------
    RefusedInputError
        The file is not let in, and why.
    StorageError
        It cannot be kept; nothing of it is.
    Cancelled
        The person gave up.
    """
    limits = Limits(file_bytes=MOST_BYTES)
    name = shown(path)
    with (
        opened(Path(path), limits) as (descriptor, status, handed),
        Child(name, patience=limits.patience, cancel=cancel, descriptor=descriptor) as child,
    ):
        child.send({"do": "run", "path": handed, "size": status.st_size})
        return keep_members(
            _received(child, status.st_size, progress), Path(path).stem, root or data_folder(), name
        )


def _received(child: Child, size: int, progress: Progress | None) -> Iterator[Member]:
    """Yield what the child sends, as far as it may."""
    total = 0
    for _ in range(MOST_MEMBERS + 1):
        head = child.receive_json()
        if head.get("end") is True:
            return
        name, length = head.get("name"), head.get("bytes")
        most = limit_of(name) if isinstance(name, str) else None
        if most is None or not isinstance(length, int) or not 0 <= length <= most:
            raise child.broken()
        total += length
        if total > MOST_BYTES:
            raise child.broken()
        if progress is not None:
            progress(min(0.95, total / max(size, 1)), "Unpacking the run")
        yield str(name), child.receive_bytes(length)
    raise child.broken()


def keep_members(members: Iterable[Member], stem: str, root: Path, name: str) -> RunFolder:
    """Check the members of a run, and put it below `root`; see `open_archive`.

    Parameters
    ----------
    members : iterable of (str, bytes)
        ``manifest.json`` first.
    stem : str
        What its folder is called, if that is free.
    name : str
        What the file is called in messages.
    """
    make_folder(root, exist_ok=True)
    staging = root / f"opening-{os.getpid()}-{secrets.token_hex(4)}"
    make_folder(staging)
    try:
        _unpack(members, staging)
        run = _checked(staging)
        _settle(run, root)
        target, number = root / safe_name(stem, "run"), 2
        while os.path.lexists(target):
            target, number = root / f"{safe_name(stem, 'run')}-{number}", number + 1
        for beside in (staging / "data").glob("*"):
            # It is found where the run will be.
            source, local = run.info.source, target / "data" / beside.name
            run.write_info(run.info.changed(source={**source.model_dump(), "path": str(local)}))
        move_folder(staging, target)
        return RunFolder.open(target)
    except UsageError as error:
        raise RefusedInputError(f"{name} is not opened: {_clause(error)}", error.hint) from None
    finally:
        # Of what was not let in, nothing stays.
        remove_folder(staging)


def _clause(error: FilterscopeError) -> str:
    text = error.message
    return text if text.endswith(".") else f"{text}."


def _unpack(members: Iterable[Member], staging: Path) -> None:
    """Write the members that the manifest says, and no others, into `staging`."""
    promised: dict[str, Any] | None = None
    for member, data in members:
        if promised is None:
            promised = _manifest(member, data)
            continue
        said = promised.pop(member, None)
        if not isinstance(said, dict):
            raise UsageError(f"its manifest does not name {member}.")
        if said.get("bytes") != len(data) or said.get("sha256") != hashlib.sha256(data).hexdigest():
            raise UsageError(f"{member} is not what its manifest says.")
        if member.endswith(".safetensors"):
            _check_header(member, data)
        path = staging / member
        make_folder(path.parent, exist_ok=True)
        save_bytes(path, data)
    if promised is None:
        raise UsageError("it is empty.")
    if promised:
        raise UsageError(f"{next(iter(promised))[:100]}, which its manifest names, is missing.")


def _manifest(member: str, data: bytes) -> dict[str, Any]:
    """Return what the manifest says of each member."""
    if member != "manifest.json":
        raise UsageError("its manifest does not come first.")
    try:
        values = read_json(data, 4 << 20)
    except UsageError as error:
        raise UsageError(f"its manifest cannot be read: {error.message}") from None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise UsageError("it is not the file of a run.")
    if values.get("version") != 1:
        raise UsageError("it was written by a newer version of the program.")
    members = values.get("members")
    if not isinstance(members, dict) or not all(limit_of(name) is not None for name in members):
        raise UsageError("its manifest names what has no place in a run.")
    return members


def _check_header(member: str, data: bytes) -> None:
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or size > min(MOST_HEADER, len(data) - 8):
        raise UsageError(f"{member} is damaged.")


def _checked(staging: Path) -> RunFolder:
    """Return the run in `staging`, every file of which can be read."""
    for name in ("keyframes", "checkpoints"):
        make_folder(staging / name, exist_ok=True)
    run = RunFolder.open(staging)
    if (staging / HISTORY).exists():
        _, note = run.read_history()
        # A run that was killed has a last line that was cut; anything else is damage.
        if note and "damaged" in note:
            raise UsageError(note)
    if (staging / UNITS).exists():
        run.read_statistics()
    if (staging / LABELS).exists():
        values = read_json((staging / LABELS).read_bytes(), 1 << 16)
        RunLabels.build(values if isinstance(values, dict) else {"version": 0})
    for _, path in run.keyframes():
        run.read_keyframe(path)
    if (staging / BEST).exists():
        read_safetensors(staging / BEST)
    for path in checkpoint_files(staging):
        read_checkpoint(path)
    names = [path.name for path in (staging / "data").glob("*")]
    if len(names) > 1 or (names and safe_name(Path(run.info.source.path).name, "data") != names[0]):
        raise UsageError("its data is not that of the run.")
    if names and file_sha256(staging / "data" / names[0]) != run.info.source.sha256:
        raise UsageError("its data is not what the run learned from.")
    return run


def _settle(run: RunFolder, root: Path) -> None:
    """Make the run one of this machine's: an id of its own, no process, data that may be here."""
    taken = set()
    for folder in folders_of(root):
        try:
            taken.add(RunFolder.open(folder).info.run_id if folder != run.path else "")
        except UsageError:
            continue
    info = run.info
    values: dict[str, Any] = {"pid": 0, "pid_started": 0.0}
    if info.run_id in taken:
        values["run_id"] = uuid.uuid4().hex
    path = info.source.path
    if Path(path).name == sample_path().name and file_sha256(sample_path()) == info.source.sha256:
        path = str(sample_path())
    elif path.replace("\\", "/").startswith("//"):
        # To look for it would be to ask another machine, which a stranger chose.
        path = path.replace("\\", "/").rpartition("/")[2] or "data"
    if path != info.source.path:
        values["source"] = {**info.source.model_dump(), "path": path}
    run.write_info(info.changed(**values))
