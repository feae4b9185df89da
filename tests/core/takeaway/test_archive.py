"""A run as one file: the same bytes each time, the same run anywhere, and no way in for others."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zipfile

import numpy as np
import pytest
import safetensors.numpy

from app.core.data.files import file_sha256
from app.core.data.sample import sample_path
from app.core.data.untrusted.guard import Refused
from app.core.data.untrusted.run_archives import check_members, limit_of, read_members
from app.core.errors import Cancelled, FilterscopeError, RefusedInputError, StorageError, UsageError
from app.core.resume import prepare
from app.core.run_exports import export_run
from app.core.runs import RunFolder
from app.core.runs.checkpoint import checkpoint_files
from app.core.runs.labels import RunLabels, read_labels, write_labels
from app.core.specs import AutoencoderSpec
from app.core.takeaway import archive as archives
from app.core.takeaway.archive import archive_bytes
from app.core.takeaway.opening import is_run_archive, keep_members, open_archive
from app.core.takeaway.rerun import compare_runs
from tests.core.takeaway.cnn_runs import record_convnet
from tests.core.trained import images, record, write

SPEC = AutoencoderSpec(hidden_units=9, batch_size=32, epochs=3, solver="adam")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    place = tmp_path_factory.mktemp("archive")
    file = write(place / "p.h5", images())
    run = record(place / "runs", file, SPEC, live=[SPEC.changed(rho=0.1)])
    write_labels(run.path, RunLabels(tags=("kept",), note="a note"))
    return RunFolder.open(run.path)


@pytest.fixture(scope="module")
def packed(run):
    return archive_bytes(run)


def unpack(data):
    """Return what the child lets through, without a child."""
    return [(n, b"".join(parts)) for n, _, parts in read_members(io.BytesIO(data), len(data))]


def repack(members, **changed):
    """Return an archive of `members` (a list of pairs) whose manifest is right."""
    pairs = [(n, d) for n, d in members if n != "manifest.json"]
    manifest = json.loads(dict(members)["manifest.json"])
    manifest["members"] = {
        n: {"bytes": len(d), "sha256": hashlib.sha256(d).hexdigest()} for n, d in pairs
    }
    manifest.update(changed)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        for name, data in pairs:
            archive.writestr(name, data)
    return out.getvalue()


def opened(data, root, name="x"):
    """Open an archive's bytes without a child."""
    return keep_members(iter(unpack(data)), name, root, f"{name}.filterscope")


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "run.json"
    }


def test_it_is_the_same_file_each_time_and_the_same_run_again(run, packed, tmp_path):
    assert archive_bytes(RunFolder.open(run.path)) == packed
    assert export_run(run, "archive", "filterscope")[0] == packed
    path = tmp_path / "my run.filterscope"
    path.write_bytes(packed)
    assert is_run_archive(path)
    told = []
    again = open_archive(path, tmp_path / "there", progress=lambda share, text: told.append(share))
    assert told
    assert again.path.name == "my-run"
    assert files(again.path) == files(run.path)
    assert compare_runs(run, again).same
    assert read_labels(again.path).note == "a note"
    kept = {"run_id", "spec", "preprocess", "source", "started", "outcome", "engine", "versions"}
    assert again.info.model_dump(include=kept) == run.info.model_dump(include=kept)
    assert again.info.pid == 0
    # Twice in one place it is another run of another name.
    second = open_archive(path, tmp_path / "there")
    assert second.path.name == "my-run-2"
    assert second.info.run_id != again.info.run_id
    assert sorted(p.name for p in (tmp_path / "there").iterdir()) == ["my-run", "my-run-2"]


def test_a_stopped_run_goes_on_where_it_is_opened_with_its_data_beside_it(tmp_path):
    file = write(tmp_path / "a file.h5", images())
    run = record(tmp_path / "runs", file, SPEC, stop_after=4)
    data = archive_bytes(run, data=True)
    file.unlink()
    path = tmp_path / "r.filterscope"
    path.write_bytes(data)
    there = open_archive(path, tmp_path / "there")
    assert there.info.source.path == str(there.path / "data" / "a-file.h5")
    assert file_sha256(there.path / "data" / "a-file.h5") == run.info.source.sha256
    going = prepare(there.path)
    assert going.progress.step == run.info.outcome.step
    bare = archive_bytes(run, checkpoints=False)
    assert len(bare) < len(data)
    path.write_bytes(bare)
    assert checkpoint_files(open_archive(path, tmp_path / "there").path) == []


def test_a_networks_run_opens_too(tmp_path):
    run = record_convnet(tmp_path)
    path = tmp_path / "c.filterscope"
    path.write_bytes(archive_bytes(run))
    again = open_archive(path, tmp_path / "there")
    assert files(again.path) == files(run.path)
    assert again.info.tested == run.info.tested


@pytest.mark.parametrize(
    ("where", "why"),
    [("synthetic", "draws these images"), ("", "is a folder"), ("gone.npz", "not there any more")],
)
def test_why_no_data_goes_along_is_said(tmp_path, where, why):
    run = record_convnet(tmp_path)
    path = where if where == "synthetic" else str(tmp_path / where)
    source = run.info.source.changed(path=path)
    run.write_info(run.info.changed(source=source))
    run = RunFolder.open(run.path)
    assert why in archives.plan_archive(run).why_no_data
    with pytest.raises(UsageError, match=why):
        archive_bytes(run, data=True)


def test_the_samples_are_found_where_they_are_here(tmp_path):
    run = record(tmp_path / "runs", sample_path(), SPEC, stop_after=2)
    members = unpack(archive_bytes(run))
    elsewhere = dict(members)["run.json"].replace(
        json.dumps(str(sample_path())).encode(), b'"/elsewhere/sample_patches.h5"'
    )
    moved = [(n, elsewhere if n == "run.json" else d) for n, d in members]
    assert opened(repack(moved), tmp_path / "there").info.source.path == str(sample_path())


def test_another_machine_is_not_asked_for_data(run, packed, tmp_path):
    values = json.loads(dict(unpack(packed))["run.json"])
    for path in ("\\\\evil\\share\\p.h5", "//evil/share/p.h5"):
        values["source"]["path"] = path
        moved = [
            (n, json.dumps(values).encode() if n == "run.json" else d) for n, d in unpack(packed)
        ]
        assert opened(repack(moved), tmp_path / "there").info.source.path == "p.h5"


def test_what_does_not_go_along_is_said(run, monkeypatch, tmp_path):
    monkeypatch.setattr(archives, "MOST_DATA_BYTES", 100)
    with pytest.raises(UsageError, match="go along"):
        archive_bytes(run, data=True)
    with pytest.raises(Cancelled):
        archive_bytes(run, cancel=lambda: True)
    values = run.info.model_dump()
    values["outcome"], values["ended"] = None, None
    import os

    import psutil

    values["pid"], values["pid_started"] = os.getpid(), psutil.Process().create_time()
    with pytest.raises(UsageError, match="being trained right now"):
        archive_bytes(RunFolder(run.path, type(run.info).build(values)))


@pytest.mark.parametrize(
    "name",
    [
        "../run.json", "/run.json", "keyframes/../run.json", "keyframes\\1.safetensors", "C:run.json",
        "run.json/", "keyframes/1.safetensors.exe", "keyframes/x.safetensors", "data/../x", "data/.x",
        "data/a/b", "RUN.JSON", "run.json\0", "evil.py", "", "keyframes/" + "1" * 16 + ".safetensors",
        "keyframes/١.safetensors", "data/" + "a" * 200, "run.json ", "history.jsonl\n",
    ],
)  # fmt: skip
def test_names_that_have_no_place_in_a_run(name, packed):
    assert limit_of(name) is None
    out = io.BytesIO(packed)
    with zipfile.ZipFile(out, "a") as archive:
        member = zipfile.ZipInfo("x")
        member.filename = member.orig_filename = name
        archive.writestr(member, b"{}")
    with pytest.raises(Refused, match=r"no place|twice|damaged"):
        unpack(out.getvalue())


def altered(change, name="run.json", data=b"{}", *, packed):
    """Return an archive with one more member, of which `change` alters what is said of it."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(packed)) as old, zipfile.ZipFile(out, "w") as new:
        for member in old.infolist():
            if member.filename != name:
                new.writestr(member, old.read(member))
        one = zipfile.ZipInfo(name)
        new.writestr(one, data)
        change(new.filelist[-1])
    return out.getvalue()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: setattr(m, "flag_bits", m.flag_bits | 1), "encrypted"),
        (lambda m: setattr(m, "compress_type", zipfile.ZIP_BZIP2), "packed in a way"),
        (lambda m: setattr(m, "external_attr", 0o120777 << 16), "is a link"),
        (lambda m: setattr(m, "external_attr", 0o010644 << 16), "is a link or no ordinary file"),
        (lambda m: setattr(m, "file_size", 2 << 20), "larger than it can be"),
        (lambda m: setattr(m, "file_size", 1000), "not as long|is damaged"),
        (lambda m: setattr(m, "CRC", 7), "is damaged"),
        (lambda m: setattr(m, "compress_size", 1 << 40), "lie over each other"),
    ],
)
def test_members_that_are_a_surprise(change, said, packed):
    with pytest.raises(Refused, match=said):
        unpack(altered(change, packed=packed))


def test_bombs_doubles_and_crowds(packed, monkeypatch):
    out = io.BytesIO(packed)
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("checkpoints/777.safetensors", bytes(8 << 20))
    with pytest.raises(Refused, match="times its size"):
        unpack(out.getvalue())
    out = io.BytesIO(packed)
    with zipfile.ZipFile(out, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("run.json", b"{}")
    with pytest.raises(Refused, match="twice"):
        unpack(out.getvalue())
    monkeypatch.setattr("app.core.data.untrusted.run_archives.MOST_BYTES", 1000)
    with pytest.raises(Refused, match="would unpack to"):
        unpack(packed)
    monkeypatch.setattr("app.core.data.untrusted.run_archives.MOST_MEMBERS", 2)
    with pytest.raises(Refused, match="members"):
        unpack(packed)
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    with pytest.raises(Refused, match="no manifest"):
        check_members(zipfile.ZipFile(empty), 22)


def changed_member(name, change):
    def alter(members):
        return [(n, change(d) if n == name else d) for n, d in members]

    return alter


LATE = "checkpoints"


@pytest.mark.parametrize(
    ("alter", "said"),
    [
        (changed_member("run.json", lambda d: b"{" * 5000), "not JSON|cannot be read|is not a run"),
        (changed_member("run.json", lambda d: d.replace(b'"version": 1', b'"version": 9')), "newer"),
        (changed_member("labels.json", lambda d: b'{"version": 1, "tags": 3}'), "tags"),
        (changed_member("history.jsonl", lambda d: b"00000000 {}\n" + d), "damaged"),
        (
            lambda ms: [(n, b"\xff" * 7 + b"\x7f" + d[8:] if n.startswith(LATE) else d) for n, d in ms],
            "is damaged",
        ),
        (
            lambda ms: [(n, d[:-4] + b"\0\0\xc0\x7f" if n.startswith("keyf") else d) for n, d in ms],
            "not finite|damaged",
        ),
        (lambda ms: [*ms, ("data/p.h5", b"other data")], "not what the run learned from"),
        (lambda ms: [*ms, ("data/q.h5", b"other data")], "not that of the run"),
    ],
)  # fmt: skip
def test_what_its_members_say_is_checked_before_it_is_let_in(packed, tmp_path, alter, said):
    root = tmp_path / "there"
    with pytest.raises(RefusedInputError, match=said) as caught:
        opened(repack(alter(unpack(packed))), root)
    assert caught.value.message.startswith("x.filterscope is not opened: ")
    assert "\n" not in caught.value.message
    assert list(root.iterdir()) == []


def test_checksums_and_promises(packed, tmp_path):
    members = unpack(packed)

    def refused(pairs, said):
        with pytest.raises(RefusedInputError, match=said):
            keep_members(iter(pairs), "x", tmp_path / "there", "x.filterscope")
        assert list((tmp_path / "there").iterdir()) == []

    bad = [(n, d[:-1] + b"?" if n == "history.jsonl" else d) for n, d in members]
    refused(bad, "not what its manifest says")
    refused(members[1:], "does not come first")
    refused(members[:-1], "is missing")
    refused([*members, ("best.safetensors", b"")], "does not name best")
    refused([], "it is empty")
    refused([("manifest.json", b'{"format": "other"}')], "not the file of a run")
    refused([("manifest.json", b"[" * 100_000)], "cannot be read")
    newer = unpack(repack(members, version=2))
    refused(newer, "newer version")


def test_a_full_disk_leaves_nothing(packed, tmp_path, monkeypatch):
    from app.core import storage

    class Full(storage.FileSystem):
        left = 6

        def write(self, descriptor, data):
            self.left -= 1
            if self.left < 0:
                raise OSError(28, "No space left on device")
            return super().write(descriptor, data)

    monkeypatch.setattr(storage, "disk", Full())
    with pytest.raises(StorageError, match="disk is full"):
        opened(packed, tmp_path / "there")
    assert list((tmp_path / "there").iterdir()) == []


def test_the_child_refuses_in_one_sentence(packed, tmp_path):
    for number, data in enumerate((b"PK", b"nothing", packed[: len(packed) // 2], packed[:-30])):
        path = tmp_path / f"{number}.filterscope"
        path.write_bytes(data)
        with pytest.raises(RefusedInputError, match="is not opened: it is damaged") as caught:
            open_archive(path, tmp_path / "there")
        assert "\n" not in caught.value.message
    with pytest.raises(RefusedInputError, match="There is no file"):
        open_archive(tmp_path / "none.filterscope", tmp_path / "there")


def small(place):
    """Return a small archive, quick to open many times."""
    file = write(place / "t.h5", images(40, side=3, channels=1))
    spec = SPEC.changed(hidden_units=2, epochs=1, batch_size=40)
    run = record(place / "runs", file, spec)
    for _, path in run.keyframes()[1:]:
        path.unlink()
    return archive_bytes(run)


def mutant(data, rng):
    """Return bytes that are nearly an archive."""
    raw = bytearray(data)
    for _ in range(rng.integers(1, 6)):
        at = int(rng.integers(0, len(raw)))
        kind = rng.integers(0, 5)
        if kind == 0:
            raw[at] = int(rng.integers(0, 256))
        elif kind == 1:
            raw[at] ^= 1 << int(rng.integers(0, 8))
        elif kind == 2:
            del raw[at : at + int(rng.integers(1, 40))]
        elif kind == 3:
            raw[at:at] = raw[at : at + int(rng.integers(1, 40))]
        else:
            raw[at : at + 4] = int(rng.integers(0, 1 << 32)).to_bytes(4, "little")
        if not raw:
            return b""
    return bytes(raw)


def fuzz(place, count, seed):
    """Open mutants of a real archive; returns how many were let in and how many refused."""
    data = small(place)
    rng = np.random.default_rng(seed)
    let_in = refused = 0
    members = unpack(data)
    for number in range(count):
        root = place / "there"
        if number % 2:
            altered_data = mutant(data, rng)
        else:
            # Past the checksums: a member is altered, and the manifest says what it has become.
            which = int(rng.integers(1, len(members)))
            pairs = list(members)
            pairs[which] = pairs[which][0], mutant(pairs[which][1], rng)
            altered_data = repack(pairs)
        try:
            run = opened(altered_data, root)
        except (Refused, FilterscopeError) as error:
            refused += 1
            text = str(error)
            assert "\n" not in text, text
        else:
            let_in += 1
            run.read_history()
            run.info.spec.model_dump()
            shutil.rmtree(run.path)
    assert not any((place / "there").iterdir())
    return let_in, refused


@pytest.mark.slow
def test_mutants_are_a_valid_run_or_one_message(tmp_path):
    let_in, refused = fuzz(tmp_path, 2500, 0)
    assert let_in + refused == 2500
    assert refused > 1250


def test_weights_of_another_network_are_not_let_in(packed, tmp_path):
    members = unpack(packed)
    name = next(n for n, _ in members if n.startswith("keyframes"))
    other = safetensors.numpy.save({"W1": np.zeros((3, 3), np.float32)})
    with pytest.raises(RefusedInputError, match="of another network"):
        opened(repack([(n, other if n == name else d) for n, d in members]), tmp_path / "there")
