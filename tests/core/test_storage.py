"""Whatever fails while something is saved: what was there stays, and one sentence says why."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from app.core import storage
from app.core.errors import AlreadyExistsError, StorageError
from app.core.storage import (
    FileSystem,
    append,
    make_folder,
    open_log,
    save_bytes,
    sweep_parts,
    writable_problem,
)

OLD, NEW = b"old" * 1000, b"new" * 5000
POINTS = ("created", "written", "synced", "verified", "placed", "folder synced")
CALLS = ("create", "write", "fsync", "close", "read", "replace", "link", "remove", "sync_folder")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="a way that only Linux has")


class Faulty(FileSystem):
    """Counts the calls to the disk and lets the Nth of them fail."""

    def __init__(self, fail_at=0, error=errno.EIO, most=1 << 30):
        self.calls = []
        self.fail_at, self.error, self.most = fail_at, error, most


def _watched(name):
    original = getattr(FileSystem, name)

    def call(self, *arguments):
        self.calls.append(name)
        if len(self.calls) == self.fail_at:
            if name == "close":
                # As the system does it: the file is closed, whatever close says.
                original(self, *arguments)
            raise OSError(self.error, os.strerror(self.error))
        if name == "write":
            arguments = (arguments[0], arguments[1][: self.most])
        return original(self, *arguments)

    return call


for _name in CALLS:
    setattr(Faulty, _name, _watched(_name))


@pytest.fixture
def faulty(monkeypatch):
    def use(*arguments, **more):
        disk = Faulty(*arguments, **more)
        monkeypatch.setattr(storage, "disk", disk)
        return disk

    return use


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def parts(folder):
    return [path for path in folder.iterdir() if ".part-" in path.name]


# --- one save


@pytest.mark.parametrize("data", [b"", b"x", NEW])
def test_what_is_saved_is_read_back(tmp_path, data):
    save_bytes(tmp_path / "a.bin", data)
    assert (tmp_path / "a.bin").read_bytes() == data
    assert names(tmp_path) == ["a.bin"]


def test_the_calls_come_in_the_order_that_survives_a_power_cut(tmp_path, faulty):
    target = tmp_path / "a.bin"
    target.write_bytes(OLD)
    disk = faulty(most=10_000)
    save_bytes(target, NEW, overwrite=True)
    assert disk.calls == [
        "create", "write", "write", "fsync", "close", "read", "replace", "sync_folder",
    ]  # fmt: skip
    disk = faulty()
    save_bytes(tmp_path / "b.bin", NEW)
    assert disk.calls == [
        "create", "write", "fsync", "close", "read", "link", "sync_folder", "remove",
    ]  # fmt: skip


def test_nothing_is_replaced_that_nobody_allowed(tmp_path):
    target = tmp_path / "a.bin"
    target.write_bytes(OLD)
    with pytest.raises(AlreadyExistsError, match="exists already"):
        save_bytes(target, NEW)
    assert target.read_bytes() == OLD
    save_bytes(target, NEW, overwrite=True)
    assert target.read_bytes() == NEW


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path, monkeypatch):
    target = tmp_path / "a.bin"

    class Racing(FileSystem):
        def read(self, path):
            target.write_bytes(OLD)
            return super().read(path)

    monkeypatch.setattr(storage, "disk", Racing())
    with pytest.raises(AlreadyExistsError):
        save_bytes(target, NEW)
    assert target.read_bytes() == OLD
    assert not parts(tmp_path)


@pytest.mark.parametrize("there", [False, True])
def test_a_disk_without_hard_links_works_too(tmp_path, monkeypatch, there):
    target = tmp_path / "a.bin"

    class Plain(FileSystem):
        def link(self, source, target):
            if there:
                Path(target).write_bytes(OLD)
            raise OSError(errno.EPERM, "no hard links")

    monkeypatch.setattr(storage, "disk", Plain())
    if there:
        with pytest.raises(AlreadyExistsError):
            save_bytes(target, NEW)
        assert target.read_bytes() == OLD
    else:
        save_bytes(target, NEW)
        assert target.read_bytes() == NEW
    assert not parts(tmp_path)


def test_a_link_at_the_destination_is_replaced_not_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.write_bytes(OLD)
    folder = tmp_path / "folder"
    folder.mkdir()
    target = folder / "a.bin"
    target.symlink_to(outside)
    with pytest.raises(AlreadyExistsError):
        save_bytes(target, NEW)
    save_bytes(target, NEW, overwrite=True)
    assert outside.read_bytes() == OLD
    assert not target.is_symlink()
    assert target.read_bytes() == NEW
    dangling = folder / "b.bin"
    dangling.symlink_to(tmp_path / "nowhere")
    with pytest.raises(AlreadyExistsError):
        save_bytes(dangling, NEW)
    assert not (tmp_path / "nowhere").exists()


# --- a disk that fails


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EDQUOT])
def test_each_call_may_fail_and_what_was_there_stays(tmp_path, faulty, error, overwrite):
    """The Nth call fails, for every N until the save succeeds."""
    target = tmp_path / "a.bin"
    for number in range(1, 30):
        target.unlink(missing_ok=True)
        for part in parts(tmp_path):
            part.unlink()
        if overwrite:
            target.write_bytes(OLD)
        disk = faulty(number, error, most=4096)
        failed_call = said = None
        try:
            save_bytes(target, NEW, overwrite=overwrite)
        except StorageError as caught:
            failed_call, said = disk.calls[number - 1], caught
        if failed_call is None:
            assert target.read_bytes() == NEW
        elif failed_call == "sync_folder":
            # It is in place, whole; only a power cut could still lose its name.
            assert target.read_bytes() == NEW
        elif overwrite:
            assert target.read_bytes() == OLD
        else:
            assert not target.exists()
        # What a failed removal leaves is swept at the next start.
        assert len(parts(tmp_path)) <= (1 if disk.calls[number - 1 : number] == ["remove"] else 0)
        if len(disk.calls) < number:
            break
        if failed_call is not None:
            assert "\n" not in str(said)
            assert "a.bin" in said.message or str(tmp_path) in said.message
            assert said.hint
    assert number > 8
    assert failed_call is None


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_disk_that_stays_full_is_one_sentence(tmp_path, faulty, monkeypatch, overwrite):
    class Full(FileSystem):
        def write(self, descriptor, data):
            raise OSError(errno.ENOSPC, "No space left on device")

        def remove(self, path):
            raise OSError(errno.EIO, "Input/output error")

    target = tmp_path / "a.bin"
    if overwrite:
        target.write_bytes(OLD)
    monkeypatch.setattr(storage, "disk", Full())
    with pytest.raises(StorageError, match=r"The disk is full: a\.bin was not saved\."):
        save_bytes(target, NEW, overwrite=overwrite)
    assert target.exists() == overwrite
    assert not overwrite or target.read_bytes() == OLD


@pytest.mark.parametrize("most", [1, 7, 4096])
def test_short_writes_are_continued(tmp_path, faulty, most):
    faulty(most=most)
    save_bytes(tmp_path / "a.bin", NEW)
    assert (tmp_path / "a.bin").read_bytes() == NEW


def test_a_write_that_takes_nothing_ends(tmp_path, faulty):
    faulty(most=0)
    with pytest.raises(StorageError, match="nothing was written"):
        save_bytes(tmp_path / "a.bin", NEW)
    log = open_log(tmp_path / "log")
    with log, pytest.raises(StorageError, match="nothing was written"):
        append(log, NEW, tmp_path / "log", sync=False)


@pytest.mark.parametrize("back", [OLD, NEW[:-1], b"", NEW[:-1] + b"x"])
def test_a_disk_that_gives_back_something_else_is_noticed(tmp_path, monkeypatch, back):
    class Lying(FileSystem):
        def read(self, path):
            return back

    target = tmp_path / "a.bin"
    target.write_bytes(OLD)
    monkeypatch.setattr(storage, "disk", Lying())
    with pytest.raises(StorageError, match="gave back something else"):
        save_bytes(target, NEW, overwrite=True)
    assert target.read_bytes() == OLD
    assert not parts(tmp_path)


@pytest.mark.parametrize("error", [errno.EINVAL, errno.ENOTSUP])
def test_a_disk_that_cannot_sync_folders_is_good_enough(tmp_path, monkeypatch, error):
    class Coarse(FileSystem):
        def sync_folder(self, folder):
            raise OSError(error, "no such thing here")

    monkeypatch.setattr(storage, "disk", Coarse())
    save_bytes(tmp_path / "a.bin", NEW)
    assert (tmp_path / "a.bin").read_bytes() == NEW


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (errno.ENOSPC, "The disk is full"),
        (errno.EDQUOT, "Your disk quota is used up"),
        (errno.EFBIG, "larger than files may be here"),
        (errno.EACCES, "may not be written to"),
        (errno.EROFS, "is read-only"),
        (errno.ENAMETOOLONG, "too long"),
        (errno.EIO, "was not saved"),
    ],
)
def test_each_reason_is_said_in_plain_words(tmp_path, faulty, error, said):
    faulty(1, error)
    with pytest.raises(StorageError, match=said):
        save_bytes(tmp_path / "a.bin", NEW)


# --- destinations that are none


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere/a.bin", "There is no folder"),
        ("file/a.bin", "is not a folder"),
        ("folder", "is a folder"),
        (".", "is a folder"),
        ("x" * 300, "too long"),
        ("a\0b", "NUL"),
        ("a\0b/c", "NUL"),
    ],
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_destination_that_cannot_be_is_one_sentence(tmp_path, name, said, overwrite):
    (tmp_path / "file").write_bytes(OLD)
    (tmp_path / "folder").mkdir()
    before = names(tmp_path)
    with pytest.raises(StorageError, match=said) as caught:
        save_bytes(tmp_path / name, NEW, overwrite=overwrite)
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == before


@pytest.mark.parametrize(
    "name", ["Größe äöü.png", "滤波器" * 25, "😀" * 60, "a b  c", "x" * 255, "-rf", "%s{}"]
)
def test_any_name_the_system_takes_is_saved(tmp_path, name):
    for overwrite in (False, True):
        save_bytes(tmp_path / name, NEW, overwrite=overwrite)
    assert (tmp_path / name).read_bytes() == NEW
    assert names(tmp_path) == [name]


@on_linux
def test_a_name_that_is_no_text_is_saved(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.bin")
    save_bytes(path, NEW)
    assert path.read_bytes() == NEW


# --- a process that dies

SAVE = """
import sys
from pathlib import Path
from app.core.storage import save_bytes
print("ready", flush=True)
path, size, often = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
for n in range(often):
    save_bytes(path, bytes([n % 251]) * size, overwrite=sys.argv[4] == "yes")
print("done", flush=True)
"""


def saver(path, size=50_000, often=1, overwrite=True, **more):
    command = [sys.executable, "-c", SAVE, str(path), str(size), str(often)]
    return subprocess.Popen(
        [*command, "yes" if overwrite else "no"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(storage.__file__).parents[2],
        **more,
    )


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("moment", POINTS)
def test_killed_at_each_moment_old_or_new_is_whole(tmp_path, moment, overwrite):
    target = tmp_path / "a.bin"
    if overwrite:
        target.write_bytes(OLD)
    environment = {**os.environ, "FILTERSCOPE_KILL_AT": moment}
    with saver(target, overwrite=overwrite, env=environment) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, err
    assert out == "ready\n"
    placed = POINTS.index(moment) >= POINTS.index("placed")
    if placed:
        assert target.read_bytes() == b"\0" * 50_000
    elif overwrite:
        assert target.read_bytes() == OLD
    else:
        assert not target.exists()
    assert len(parts(tmp_path)) == (0 if placed and overwrite else 1)
    sweep_parts(tmp_path)
    assert names(tmp_path) == (["a.bin"] if target.exists() else [])


def test_killed_at_any_moment_a_file_is_whole(tmp_path):
    """Many processes save without end and are killed at random moments."""
    rng = random.Random(0)
    for number in range(200 if os.environ.get("HYPOTHESIS_PROFILE") == "deep" else 20):
        target = tmp_path / f"{number}.bin"
        target.write_bytes(OLD)
        with saver(target, size=200_000, often=1_000_000) as process:
            assert process.stdout.readline() == "ready\n"
            # The moment is random on purpose; nothing is waited for.
            time.sleep(rng.uniform(0, 0.03))
            process.kill()
        data = target.read_bytes()
        assert data == OLD or (len(data) == 200_000 and len(set(data)) == 1)
        assert len(parts(tmp_path)) <= 1
        assert sweep_parts(tmp_path) <= 1
        assert not parts(tmp_path)


@on_linux
def test_a_limit_on_the_size_of_files_is_one_sentence(tmp_path):
    import resource

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        # Python's own way: the signal is ignored, and write fails.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    target = tmp_path / "a.bin"
    target.write_bytes(OLD)
    with saver(target, preexec_fn=limit) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "larger than files may be here" in err.strip().splitlines()[-1]
    assert target.read_bytes() == OLD
    assert not parts(tmp_path)


@pytest.fixture
def tiny(tmp_path):
    """A disk of 64 KiB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root can make a small disk here")
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_really_full(tiny):
    target = tiny / "a.bin"
    save_bytes(target, OLD)
    with pytest.raises(StorageError, match="The disk is full"):
        save_bytes(target, b"x" * 100_000, overwrite=True)
    assert target.read_bytes() == OLD
    assert names(tiny) == ["a.bin"]
    save_bytes(target, NEW, overwrite=True)
    assert target.read_bytes() == NEW


def test_a_disk_that_is_really_read_only(tiny):
    save_bytes(tiny / "a.bin", OLD)
    subprocess.run(["mount", "-o", "remount,ro", str(tiny)], check=True)
    with pytest.raises(StorageError, match="is read-only"):
        save_bytes(tiny / "a.bin", NEW, overwrite=True)
    problem = writable_problem(tiny)
    assert problem is not None
    assert "read-only" in problem.message
    assert (tiny / "a.bin").read_bytes() == OLD


def test_a_folder_nobody_may_write_to(tmp_path):
    """Root may do anything, so the attempt is made as nobody."""
    folder = tmp_path / "closed"
    folder.mkdir()
    target = folder / "a.bin"
    target.write_bytes(OLD)
    folder.chmod(0o555)
    try:
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            for above in [tmp_path, *tmp_path.parents][:4]:
                above.chmod(above.stat().st_mode | 0o055)
            os.seteuid(65534)
        with pytest.raises(StorageError, match="may not be written to"):
            save_bytes(target, NEW, overwrite=True)
        assert writable_problem(folder) is not None
        assert target.read_bytes() == OLD
    finally:
        if hasattr(os, "seteuid") and os.getuid() == 0:
            os.seteuid(0)
        folder.chmod(0o755)


# --- what is left behind


def test_only_what_dead_processes_left_is_swept(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    mine = f"a.part-{os.getpid()}-0123abcd"
    left = [mine, f"b.part-{gone.pid}-0", "c.part-x-1", "d.part-", "e.part-99999999999-1", "f.bin"]
    for name in left:
        (tmp_path / name).touch()
    assert sweep_parts(tmp_path) == 1
    assert names(tmp_path) == sorted(set(left) - {left[1]})


def test_a_process_number_that_was_given_anew_protects_nothing(tmp_path):
    part = tmp_path / f"a.part-{os.getpid()}-0"
    part.touch()
    before = psutil.Process().create_time() - 100
    os.utime(part, (before, before))
    assert sweep_parts(tmp_path) == 1
    assert not part.exists()


def test_what_cannot_be_swept_keeps_nobody_from_starting(tmp_path, monkeypatch):
    class Stuck(FileSystem):
        def remove(self, path):
            raise OSError(errno.EACCES, "Permission denied")

    part = tmp_path / f"a.part-{os.getpid()}-0"
    part.touch()
    os.utime(part, (0, 0))
    monkeypatch.setattr(storage, "disk", Stuck())
    assert sweep_parts(tmp_path) == 0
    assert sweep_parts(tmp_path / "nowhere") == 0


def test_asking_whether_a_folder_can_be_written_to_leaves_nothing(tmp_path, faulty):
    assert writable_problem(tmp_path) is None
    assert names(tmp_path) == []
    assert "no folder" in str(writable_problem(tmp_path / "nowhere"))
    faulty(1, errno.ENOSPC)
    assert "full" in str(writable_problem(tmp_path))


def test_folders_are_made_or_it_is_said_why(tmp_path):
    make_folder(tmp_path / "a" / "b")
    with pytest.raises(AlreadyExistsError):
        make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b", exist_ok=True)
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file"):
        make_folder(tmp_path / "file" / "c", exist_ok=True)
    with pytest.raises(StorageError):
        make_folder(tmp_path / "file", exist_ok=True)


# --- logs


def test_a_log_grows_and_says_when_it_cannot(tmp_path, faulty):
    path = tmp_path / "log"
    with open_log(path) as log:
        disk = faulty(most=3)
        append(log, b"0123456789\n", path, sync=True)
        assert disk.calls == ["write"] * 4 + ["fsync"]
        faulty(2, errno.ENOSPC, most=3)
        with pytest.raises(StorageError, match="The disk is full"):
            append(log, b"abcdef\n", path, sync=False)
    with open_log(path) as log:
        faulty()
        append(log, b"more\n", path, sync=False)
    assert path.read_bytes() == b"0123456789\nmore\n"
    with pytest.raises(StorageError, match="no folder"):
        open_log(tmp_path / "nowhere" / "log")
