"""Weights that a person brings: three kinds of files, and files that are made to harm."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import random
import struct
import zipfile

import numpy as np
import pytest
import safetensors.numpy

from app.core.data.untrusted.guard import Refused
from app.core.data.untrusted.weights import read_weights
from app.core.data.weights_file import is_weights, read_weights_file
from app.core.errors import Cancelled, RefusedInputError
from tests.core.data.test_numpy_files import Payload

ARRAYS = {"W1": np.arange(6, dtype=np.float32).reshape(2, 3), "b1": np.float64([1, 2, 3])}


def safe(header: dict, data: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def judged(data: bytes, torch=None):
    """Read in this process what the child would read in its own."""
    return dict(read_weights(io.BytesIO(data), len(data), torch))


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


def saved(torch, what) -> bytes:
    out = io.BytesIO()
    torch.save(what, out)
    return out.getvalue()


def rewritten(data: bytes, **changes: bytes) -> bytes:
    """Return an archive with some members of other bytes, packed as torch packs them."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for member in old.infolist():
            name = member.filename.partition("/")[2].replace(".", "_")
            new.writestr(member.filename, changes.get(name, old.read(member)))
    return out.getvalue()


# --- what is read


def test_safetensors_come_as_they_are(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(safetensors.numpy.save(ARRAYS))
    found = read_weights_file(path)
    assert found.name == "w.safetensors"
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert list(found.arrays) == ["W1", "b1"] or set(found.arrays) == {"W1", "b1"}
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found.arrays[name], array)
        assert found.arrays[name].dtype == array.dtype


def test_an_npz_comes_as_it_is_also_in_the_order_of_fortran(tmp_path):
    path = tmp_path / "w.npz"
    np.savez(path, W1=np.asfortranarray(ARRAYS["W1"]), b1=ARRAYS["b1"])
    found = read_weights_file(path)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found.arrays[name], array)


@pytest.mark.slow
def test_a_state_dict_comes_through_the_child(torch, tmp_path):
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    path = tmp_path / "w.pt"
    torch.save(model.state_dict(), path)
    found = read_weights_file(path).arrays
    expected = {
        name: tensor.numpy()
        for name, tensor in model.state_dict().items()
        if tensor.is_floating_point()
    }
    assert set(found) == set(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.slow
def test_a_payload_never_runs(torch, tmp_path):
    canary = tmp_path / "canary"
    state = saved(torch, {"a": torch.zeros(2)})
    harm = rewritten(state, data_pkl=pickle.dumps(Payload(canary), 2))
    for name, data in (("zip.pt", harm), ("bare.pt", pickle.dumps(Payload(canary)))):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(RefusedInputError, match="could run code") as caught:
            read_weights_file(tmp_path / name)
        assert caught.value.message.isprintable()
    assert not canary.exists()


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_sixteen_bits_become_thirty_two(torch, kind):
    values = torch.tensor([[1.5, -2.25], [0.0, 3e-3]], dtype=getattr(torch, kind))
    expected = values.float().numpy()
    raw = values.view(torch.int16).numpy().tobytes()
    name = {"float16": "F16", "bfloat16": "BF16"}[kind]
    header = {"w": {"dtype": name, "shape": [2, 2], "data_offsets": [0, 8]}}
    for data in (safe(header, raw), saved(torch, {"w": values})):
        (found,) = judged(data, torch).values()
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("key", ["state_dict", "model", "model_state_dict"])
def test_a_checkpoint_gives_its_state_dict(torch, key):
    found = judged(saved(torch, {"epoch": 3, key: {"w": torch.ones(2)}}), torch)
    np.testing.assert_array_equal(found["w"], [1, 1])


def test_shared_weights_and_views_come_whole(torch):
    base = torch.arange(6.0).reshape(2, 3)
    found = judged(saved(torch, {"a": base, "b": base, "t": base.t(), "part": base[1]}), torch)
    np.testing.assert_array_equal(found["t"], base.numpy().T)
    np.testing.assert_array_equal(found["part"], [3, 4, 5])


def test_what_counts_batches_is_no_weight(torch):
    state = {"w": torch.ones(1), "1.num_batches_tracked": torch.tensor(7)}
    assert list(judged(saved(torch, state), torch)) == ["w"]


# --- what is refused

NUMBERS = np.float32([1, 2, 3])
F32 = {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}
BAD_PLAIN = {
    "nothing known": (b"hello" * 9, "no safetensors"),
    "a bare pickle": (pickle.dumps({"W1": 1}), "bare pickle"),
    "cut short": (safetensors.numpy.save({"W1": NUMBERS})[:-1], "does not match"),
    "more than there is": (
        safe({"w": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}, bytes(8)),
        "does not match",
    ),
    "a shape that lies": (safe({"w": {**F32, "shape": [1 << 40]}}, bytes(12)), "does not match"),
    "two at one place": (safe({"w": F32, "v": F32}, bytes(12)), "does not match"),
    "no JSON": (struct.pack("<Q", 4) + b"{{{{" + bytes(8), "does not match"),
    "whole numbers": (safetensors.numpy.save({"W1": np.arange(3)}), "W1 holds whole numbers"),
    "a name of two lines": (safe({"a\nb": F32}, bytes(12)), "no plain text"),
    "an empty array": (
        safe({"w": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}, b""),
        "empty",
    ),
}


@pytest.mark.parametrize("name", BAD_PLAIN)
def test_a_file_without_torch_that_lies_is_refused(name):
    data, reason = BAD_PLAIN[name]
    with pytest.raises(Refused, match=reason) as caught:
        judged(data)
    assert str(caught.value).isprintable()


def test_an_npz_of_objects_is_refused(tmp_path):
    canary = tmp_path / "canary"
    np.savez(tmp_path / "w.npz", W1=np.array([Payload(canary)], dtype=object))
    with pytest.raises(RefusedInputError, match="W1: it holds Python objects"):
        read_weights_file(tmp_path / "w.npz")
    assert not canary.exists()


def test_an_npz_of_whole_numbers_is_refused(tmp_path):
    np.savez(tmp_path / "w.npz", W1=np.arange(3))
    with pytest.raises(RefusedInputError, match="W1 holds whole numbers"):
        read_weights_file(tmp_path / "w.npz")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_refused(tmp_path, value):
    np.savez(tmp_path / "w.npz", W1=np.float32([1, value]), b1=NUMBERS)
    with pytest.raises(RefusedInputError, match="W1 holds values that are no finite numbers"):
        read_weights_file(tmp_path / "w.npz")


def bomb(torch) -> bytes:
    """Return an archive whose storage unpacks to a thousand times its size."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
        archive.writestr("archive/data/0", bytes(1 << 24))
    return out.getvalue()


def twice(torch) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\x02}.")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a/data.pkl", b"\x80\x02}.")
    return out.getvalue()


def elsewhere(torch, name="../data.pkl") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\x02}.")
        archive.writestr(name, b"")
    return out.getvalue()


BAD_TORCH = {
    "cut short": (lambda t: saved(t, {"w": t.ones(9)})[:-60], "damaged or not an archive"),
    "a bomb": (bomb, "packed or encrypted"),
    "a name twice": (twice, "the same name"),
    "a way out": (elsewhere, "lies elsewhere"),
    "a program": (lambda t: elsewhere(t, "a/code/net.py"), "TorchScript"),
    "a pickle that stops": (
        lambda t: rewritten(saved(t, {"w": t.ones(9)}), data_pkl=b"\x80\x02}"),
        "damaged",
    ),
    "a larger view": (lambda t: saved(t, {"w": t.ones(1).expand(1 << 40)}), "larger than the file"),
    "whole numbers": (lambda t: saved(t, {"w": t.arange(3)}), "w holds whole numbers"),
    "complex": (lambda t: saved(t, {"w": t.ones(3, dtype=t.complex64)}), "no plain tensor"),
    "sparse": (lambda t: saved(t, {"w": t.eye(3).to_sparse()}), "more than tensors"),
    "one tensor": (lambda t: saved(t, t.ones(3)), "one tensor without a name"),
    "a list": (lambda t: saved(t, [t.ones(3)]), "holds a list"),
    "two sets": (
        lambda t: saved(t, {"model": {"w": t.ones(1)}, "net": {"w": t.ones(1)}}),
        "several sets of weights: model, net",
    ),
    "a checkpoint of another kind": (
        lambda t: saved(t, {"epoch": 1, "mine": {"w": t.ones(1)}}),
        "a dictionary of epoch, mine",
    ),
    "the old format": (
        lambda t: (out := io.BytesIO(), t.save({"w": t.ones(1)}, out, _use_new_zipfile_serialization=False))[0].getvalue(),
        "bare pickle",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_TORCH)
def test_a_state_dict_that_lies_is_refused(torch, name):
    make, reason = BAD_TORCH[name]
    with pytest.raises(Refused, match=reason) as caught:
        judged(make(torch), torch)
    assert str(caught.value).isprintable()


def test_a_model_that_was_saved_whole_is_refused(torch):
    with pytest.raises(Refused, match=r"torch\.nn\.modules.* could run code"):
        judged(saved(torch, torch.nn.Linear(2, 2)), torch)


def test_reading_can_be_given_up(tmp_path):
    np.savez(tmp_path / "w.npz", **ARRAYS)
    with pytest.raises(Cancelled):
        read_weights_file(tmp_path / "w.npz", cancel=lambda: True)


def test_names_of_weights_are_known():
    assert is_weights("a/B.PT")
    assert is_weights("x.safetensors")
    assert not is_weights("images.npz")


# --- damaged files


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Return bytes with a few of them changed, left out or put in."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        at = rng.randrange(len(changed))
        what = rng.randrange(4)
        if what == 0:
            changed[at] = rng.randrange(256)
        elif what == 1:
            changed[at] ^= 1 << rng.randrange(8)
        elif what == 2 and len(changed) > 50:
            del changed[at : at + rng.randrange(1, 40)]
        else:
            changed[at:at] = rng.randbytes(rng.randrange(1, 9))
    return bytes(changed)


@pytest.mark.parametrize("kind", ["safetensors", "npz", "state_dict", "its pickle"])
def test_a_damaged_file_is_read_or_refused_and_nothing_else(torch, kind):
    rng = random.Random(kind)
    out = io.BytesIO()
    np.savez(out, **ARRAYS)
    state = saved(torch, {name: torch.from_numpy(array) for name, array in ARRAYS.items()})
    whole = {"safetensors": safetensors.numpy.save(ARRAYS), "npz": out.getvalue()}.get(kind, state)
    with zipfile.ZipFile(io.BytesIO(state)) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("data.pkl"))
        pickled = archive.read(name)
    said = []
    for _ in range(400):
        if kind == "its pickle":
            data = rewritten(state, data_pkl=mutated(pickled, rng))
        else:
            data = mutated(whole, rng)
        try:
            judged(data, torch)
        except Refused as refusal:
            said.append(str(refusal))
    assert len(said) > 200
    assert all(text.isprintable() for text in said)
