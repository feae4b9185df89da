"""Preprocessing, each number against a computation of its own: float64, one step after the other."""

from __future__ import annotations

import mmap
import os

import numpy as np
import pytest
import scipy.linalg

from app.core.data import preprocess as module
from app.core.data.patches import RawPatches, Source
from app.core.data.preprocess import apply, preprocess, sweep_work_files
from app.core.errors import Cancelled, FilterscopeError
from app.core.specs import PreprocessSpec


def raw_of(data, value_range="0..255", transform=None):
    """Return patches in memory, as the reader gives them."""
    count, *shape = data.shape
    source = Source("x.h5", "/data", "NCHW", value_range, count, tuple(shape), data.dtype.name, "")
    high = 255.0 if value_range == "0..255" else 1.0
    rows = np.arange(count)
    return RawPatches(source, 0.0, high, data, None, rows, data, transform)


def photographs_like(count=600, side=6, channels=3, seed=0):
    """Return bytes whose neighbours are alike, which is what whitening is about."""
    rng = np.random.default_rng(seed)
    rough = rng.normal(size=(count, channels, side, side)).cumsum(axis=2).cumsum(axis=3)
    rough = rough - rough.min()
    return (rough / rough.max() * 255).astype(np.uint8)


def by_hand(data, deviations=3.0):
    """SPEC A in float64: luminance, own mean, ±kσ of all pixels, [0.1, 0.9]."""
    x = data.astype(np.float64) / 255
    y = 0.2126 * x[:, 0] + 0.7152 * x[:, 1] + 0.0722 * x[:, 2]
    y = y.reshape(len(y), -1)
    y = y - y.mean(axis=1, keepdims=True)
    bound = deviations * y.std()
    return 0.1 + 0.8 * (np.clip(y, -bound, bound) + bound) / (2 * bound), y.std()


def test_the_steps_of_the_exercise():
    data = photographs_like()
    patches = preprocess(raw_of(data), PreprocessSpec())
    wanted, deviation = by_hand(data)
    assert np.abs(patches.x - wanted).max() < 1e-6
    assert patches.fitted.deviation == pytest.approx(deviation, rel=1e-6)
    assert patches.x.dtype == np.float32
    assert patches.image_shape == (1, 6, 6)
    assert patches.x.min() == pytest.approx(0.1, abs=1e-6)
    assert patches.x.max() == pytest.approx(0.9, abs=1e-6)
    assert not patches.x.flags.writeable


def test_colours_weigh_what_the_standard_says():
    data = np.zeros((3, 3, 2, 2), np.uint8)
    for channel in range(3):
        data[channel, channel] = 255
    plain = PreprocessSpec(remove_mean=False, clip=False, rescale=False)
    grey = preprocess(raw_of(data), plain).x
    assert np.allclose(grey, np.array([[0.2126], [0.7152], [0.0722]]), atol=1e-7)


def test_each_step_can_be_left_out():
    data = photographs_like()
    spec = PreprocessSpec(grayscale=False, remove_mean=False, clip=False, rescale=False)
    colour = preprocess(raw_of(data), spec)
    assert np.abs(colour.x - data.reshape(len(data), -1) / 255).max() < 1e-7
    assert colour.image_shape == (3, 6, 6)
    # Without clipping the largest magnitude is the bound.
    unclipped = preprocess(raw_of(data), PreprocessSpec(clip=False)).x
    _, deviation = by_hand(data)
    assert max(0.5 - unclipped.min(), unclipped.max() - 0.5) == pytest.approx(0.4, abs=1e-6)
    clipped = preprocess(raw_of(data), PreprocessSpec(rescale=False, deviations=1.5)).x
    assert np.abs(clipped).max() == pytest.approx(1.5 * deviation, rel=1e-5)


@pytest.mark.parametrize(
    ("dtype", "scale", "value_range"),
    [(np.uint8, 1, "0..255"), (np.float64, 1, "0..255"), (np.float32, 1 / 255, "0..1"),
     (np.float64, 1 / 255, "0..1"), (np.uint16, 1, "0..255"), (np.float16, 1 / 255, "0..1")],
)  # fmt: skip
def test_bytes_and_both_ranges_of_floats_are_the_same_patches(dtype, scale, value_range):
    data = photographs_like()
    other = (data * scale).astype(dtype)
    wanted = preprocess(raw_of(data), PreprocessSpec()).x
    found = preprocess(raw_of(other, value_range), PreprocessSpec()).x
    assert np.abs(found - wanted).max() < (1e-2 if dtype == np.float16 else 1e-5)


def whitened(epsilon, **more):
    return PreprocessSpec(
        grayscale=False, whiten="computed", epsilon=epsilon, clip=False, rescale=False, **more
    )


@pytest.mark.parametrize("epsilon", [1e-4, 0.01, 0.1])
def test_whitening_is_that_of_the_singular_values(epsilon):
    data = photographs_like()
    patches = preprocess(raw_of(data), whitened(epsilon))
    x = data.reshape(len(data), -1) / 255.0
    x = x - x.mean(axis=1, keepdims=True)
    x = x - x.mean(axis=0)
    _, singular, rows = scipy.linalg.svd(x, full_matrices=False)
    zca = rows.T @ np.diag(1 / np.sqrt(singular**2 / len(x) + epsilon)) @ rows
    assert np.abs(patches.fitted.whitening - zca).max() < 1e-3 * np.abs(zca).max()
    assert np.abs(patches.x - x @ zca).max() < 2e-3
    assert patches.fitted.deviation == pytest.approx((x @ zca).std(), rel=1e-3)
    identity = patches.fitted.whitening @ patches.fitted.unwhitening
    assert np.allclose(identity, np.eye(len(identity)), atol=1e-6)


def test_whitened_directions_have_the_variance_that_epsilon_leaves():
    data = photographs_like(4000)
    patches = preprocess(raw_of(data), whitened(1e-4))
    x = patches.x.astype(np.float64)
    assert np.abs(x.mean(axis=0)).max() < 1e-3
    before = data.reshape(len(data), -1) / 255.0
    before = before - before.mean(axis=1, keepdims=True)
    strong = scipy.linalg.eigvalsh(np.cov(before.T, bias=True))
    assert np.allclose(scipy.linalg.eigvalsh(x.T @ x / len(x)), strong / (strong + 1e-4), atol=1e-3)


def test_filters_are_shown_in_the_space_of_pixels():
    patches = preprocess(raw_of(photographs_like()), whitened(0.1))
    columns = np.random.default_rng(0).normal(size=(108, 4)).astype(np.float32)
    wanted = patches.fitted.whitening @ columns
    assert np.allclose(patches.fitted.to_pixels(columns), wanted, atol=1e-4)
    # A filter acts on pixels as it does on whitened ones: x·ZCA·w.
    x = np.random.default_rng(1).normal(size=(1, 108))
    assert np.allclose(x @ patches.fitted.whitening @ columns, x @ wanted)


def test_the_file_s_own_matrix_is_used_as_it_stands():
    data = photographs_like()
    rng = np.random.default_rng(3)
    given = rng.normal(size=(108, 108)) + 5 * np.eye(108)
    spec = PreprocessSpec(grayscale=False, whiten="file", clip=False, rescale=False)
    patches = preprocess(raw_of(data, transform=given), spec)
    x = data.reshape(len(data), -1) / 255.0
    x = x - x.mean(axis=1, keepdims=True)
    wanted = (x - x.mean(axis=0)) @ given
    assert np.abs(patches.x - wanted).max() < 1e-4 * np.abs(wanted).max()
    assert patches.fitted.deviation == pytest.approx(wanted.std(), rel=1e-4)
    assert np.allclose(patches.fitted.unwhitening, scipy.linalg.inv(given), atol=1e-8)
    with pytest.raises(FilterscopeError, match="no whitening matrix"):
        preprocess(raw_of(data), spec)
    with pytest.raises(FilterscopeError, match="108×108"):
        preprocess(raw_of(data, transform=given), spec.changed(grayscale=True))


# --- what is wrong with data


def test_patches_with_nan_are_left_out_and_counted():
    data = photographs_like().astype(np.float64) / 255
    dirty = data.copy()
    dirty[17, 1, 2, 3] = np.nan
    dirty[18, 0, 0, 0] = np.inf
    # Finite to the file, infinite as float32.
    dirty[19, 0, 0, 0] = 1e300
    patches = preprocess(raw_of(dirty, "0..1"), PreprocessSpec())
    clean = np.delete(data, [17, 18, 19], axis=0)
    assert patches.fitted.dropped == 3
    assert np.array_equal(patches.x, preprocess(raw_of(clean, "0..1"), PreprocessSpec()).x)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nothing_but_nan_is_said_plainly(value):
    data = np.full((9, 3, 4, 4), value)
    with pytest.raises(FilterscopeError, match="None of the 9 patches"):
        preprocess(raw_of(data, "0..1"), PreprocessSpec())


def test_constant_patches_are_grey_and_nothing_is_divided_by_zero():
    data = photographs_like()
    data[5] = 130
    patches = preprocess(raw_of(data), PreprocessSpec())
    assert np.allclose(patches.x[5], 0.5, atol=1e-6)
    assert np.isfinite(patches.x).all()
    # All constant, each with a value of its own.
    data = np.repeat(np.arange(50, dtype=np.uint8), 48).reshape(50, 3, 4, 4)
    with pytest.raises(FilterscopeError, match="All patches are constant"):
        preprocess(raw_of(data), PreprocessSpec())


def test_clipping_that_leaves_nothing_is_said_plainly():
    with pytest.raises(FilterscopeError, match="Nothing is left of the patches"):
        preprocess(raw_of(photographs_like()), PreprocessSpec(deviations=1e-300))


def test_values_that_are_too_large_to_whiten_are_said_plainly():
    data = photographs_like().astype(np.float32)
    data[3, 0, 0, 0] = 1e30
    with pytest.raises(FilterscopeError, match="too large to be whitened"):
        preprocess(raw_of(data, "0..1"), whitened(0.1))


def test_grey_patches_need_no_weights():
    data = photographs_like(channels=1)
    patches = preprocess(raw_of(data), PreprocessSpec())
    assert patches.fitted.spec.grayscale is False
    assert patches.image_shape == (1, 6, 6)


@pytest.mark.parametrize(
    "spec", [PreprocessSpec(), PreprocessSpec(grayscale=False, whiten="computed")]
)
def test_some_patches_beside_what_they_were(spec):
    raw = raw_of(photographs_like())
    patches = preprocess(raw, spec)
    rows = raw.spread(200)
    assert len(rows) == 200
    assert np.allclose(apply(raw.take(rows), patches.fitted), patches.images(rows), atol=1e-5)


# --- where rows are kept


def test_rows_that_are_too_many_are_mapped_from_a_file_that_goes_away(tmp_path):
    raw = raw_of(photographs_like())
    held = preprocess(raw, PreprocessSpec())
    mapped = preprocess(raw, PreprocessSpec(), memory_budget=0, workdir=tmp_path)
    assert np.array_equal(held.x, mapped.x)
    assert held._map is None
    assert isinstance(mapped._map, mmap.mmap)
    assert not mapped.x.flags.writeable
    assert len(list(tmp_path.iterdir())) == 1
    part, rest = mapped.split(100)
    del mapped
    assert len(list(tmp_path.iterdir())) == 1, "a part still needs it"
    assert (len(part.x), len(rest.x)) == (500, 100)
    del part, rest
    assert list(tmp_path.iterdir()) == []


def test_what_is_given_up_leaves_nothing_behind(tmp_path):
    asked = iter(range(1000))
    with pytest.raises(Cancelled):
        preprocess(
            raw_of(photographs_like(3000)), PreprocessSpec(), memory_budget=0, workdir=tmp_path,
            cancel=lambda: next(asked) > 4,
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_is_said_before_anything_is_written(tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(FilterscopeError, match=r"KiB on disk, 0\.977 KiB are free"):
        preprocess(raw_of(photographs_like()), PreprocessSpec(), memory_budget=0, workdir=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110
def test_a_disk_that_fills_up_meanwhile_is_an_error_and_no_signal(tmp_path, monkeypatch):
    full = open("/dev/full", "r+b", buffering=0)  # noqa: SIM115, PTH123
    monkeypatch.setattr(module.Path, "open", lambda *_, **__: full)
    with pytest.raises(FilterscopeError, match="There is no room"):
        preprocess(raw_of(photographs_like()), PreprocessSpec(), memory_budget=0, workdir=tmp_path)
    monkeypatch.undo()
    assert full.closed
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_may_not_be_written_to_is_an_error(tmp_path):
    with pytest.raises(FilterscopeError, match="There is no room"):
        preprocess(
            raw_of(photographs_like()), PreprocessSpec(), memory_budget=0,
            workdir=tmp_path / "missing",
        )  # fmt: skip


def test_what_a_crashed_process_left_is_swept(tmp_path):
    kept = tmp_path / f"{module.PREFIX}{os.getpid()}-abc"
    left = tmp_path / f"{module.PREFIX}999999999-abc"
    other = tmp_path / "other"
    for folder in (kept, left, other):
        folder.mkdir()
    assert sweep_work_files(tmp_path) == 1
    assert sorted(tmp_path.iterdir()) == sorted([kept, other])


def test_progress_goes_from_nothing_to_everything():
    told = []
    preprocess(
        raw_of(photographs_like()), PreprocessSpec(), progress=lambda share, _: told.append(share)
    )
    assert told == sorted(told)
    assert told[-1] == 1.0
