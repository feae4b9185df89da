"""Which images train, how they are normalised, and how they are varied."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.data.image_preprocess import augmentation_rng, fit_images
from app.core.data.images import LabelledImages
from app.core.data.patches import Source
from app.core.errors import FilterscopeError
from app.core.specs import ImageSpec


def images_of(
    count: int, test: int = 0, validation: int = 0, shape: Any = (3, 6, 5), seed: int = 0
) -> LabelledImages:
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
    source = Source("", "", "NCHW", "0..255", count, shape, "uint8", "")
    return LabelledImages(x, rng.integers(0, 3, count), ("a", "b", "c"), source, test, validation)


# --- the split


def test_cifar10_is_divided_as_cs231n_does() -> None:
    images = images_of(60_000, 10_000, shape=(1, 2, 2))
    split = images.split(ImageSpec())
    assert (split.train == np.arange(49_000)).all()
    assert (split.validation == np.arange(49_000, 50_000)).all()
    assert (split.test == np.arange(50_000, 60_000)).all()
    assert split.sentence == "49,000 train, 1,000 validate, 10,000 test"


@pytest.mark.parametrize(
    ("count", "test", "validation", "spec", "sizes"),
    [
        (12_000, 2_000, 0, {}, (9_000, 1_000, 2_000)),
        (60_000, 0, 0, {}, (49_000, 1_000, 10_000)),
        (1_000, 0, 0, {}, (800, 100, 100)),
        (1_000, 200, 0, {}, (720, 80, 200)),
        (1_000, 200, 100, {}, (700, 100, 200)),
        (60_000, 10_000, 0, {"train_count": 100}, (100, 1_000, 10_000)),
        (1_000, 0, 0, {"train_count": 500, "validation_count": 100}, (500, 100, 400)),
        (1_000, 100, 0, {"validation_count": 0}, (900, 0, 100)),
        (5, 0, 0, {}, (5, 0, 0)),
    ],
)
def test_sizes_follow_what_is_there(
    count: int, test: int, validation: int, spec: dict[str, int], sizes: tuple[int, int, int]
) -> None:
    split = images_of(count, test, validation, (1, 2, 2)).split(ImageSpec(**spec))
    assert (len(split.train), len(split.validation), len(split.test)) == sizes


@given(
    st.integers(1, 300),
    st.integers(0, 100),
    st.integers(0, 100),
    st.integers(1, 400),
    st.integers(0, 400),
    st.integers(0, 3),
)
def test_no_image_is_in_two_parts(
    free: int, test: int, validation: int, train: int, validate: int, seed: int
) -> None:
    count = free + test + validation
    images = images_of(count, test, validation, (1, 1, 1))
    spec = ImageSpec(train_count=train, validation_count=validate, split_seed=seed)
    split = images.split(spec)
    rows = np.concatenate([split.train, split.validation, split.test])
    assert len(set(rows.tolist())) == len(rows)
    assert ((rows >= 0) & (rows < count)).all()
    assert 1 <= len(split.train) <= train
    if test:
        assert (split.test == np.arange(count - test, count)).all()
    if validation:
        assert (split.validation == np.arange(free, free + validation)).all()
    assert (split.train < free).all()


def test_a_seed_mixes_but_never_the_file_s_own_test() -> None:
    images = images_of(1_000, 200)
    one, two, same = (images.split(ImageSpec(split_seed=seed)) for seed in (1, 2, 1))
    assert (one.train == same.train).all()
    assert (one.train != two.train).any()
    assert (one.test == np.arange(800, 1_000)).all()


def test_without_images_to_train_nothing_is_divided() -> None:
    with pytest.raises(FilterscopeError, match="too few"):
        images_of(10, 10).split(ImageSpec())


def test_counts_of_classes() -> None:
    images = images_of(100)
    assert images.counts().tolist() == [int((images.y == k).sum()) for k in range(3)]
    assert images.counts(np.arange(10)).sum() == 10


# --- normalisation


SPEC = {"train_count": 300, "validation_count": 50}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_mean_image_is_that_of_the_training_images(dtype: Any) -> None:
    images = images_of(500, 100)
    data = fit_images(images, ImageSpec(**SPEC))
    expected = images.x.astype(np.float64) - images.x[:300].mean(axis=0, dtype=np.float64)
    rows = np.array([0, 299, 300, 499])
    found = data.rows(rows, dtype)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected[rows], rtol=1e-5, atol=1e-4)
    assert data.shift.shape == images.shape


def test_each_channel_has_mean_0_and_deviation_1_over_the_training_images() -> None:
    images = images_of(3_000, 100)
    data = fit_images(images, ImageSpec(normalisation="per_channel", **SPEC))
    rows = data.rows(data.split.train, np.float64)
    np.testing.assert_allclose(rows.mean(axis=(0, 2, 3)), 0, atol=1e-9)
    np.testing.assert_allclose(rows.std(axis=(0, 2, 3)), 1, rtol=1e-9)
    assert data.shift.shape == (3, 1, 1)


def test_a_channel_that_never_changes_stays_finite() -> None:
    images = images_of(100)
    images.x[:, 1] = 7
    data = fit_images(images, ImageSpec(normalisation="per_channel"))
    assert (data.rows(data.split.train)[:, 1] == 0).all()


def test_scale_and_none() -> None:
    images = images_of(50)
    rows = np.arange(50)
    plain = fit_images(images, ImageSpec(normalisation="none")).rows(rows)
    assert (plain == images.x).all()
    scaled = fit_images(images, ImageSpec(normalisation="scale")).rows(rows, np.float64)
    np.testing.assert_allclose(scaled, images.x / 255, rtol=1e-12)


def test_published_figures_are_applied_as_torchvision_does() -> None:
    """Normalize(mean, std) of values in 0 … 1, as part D has it."""
    torch = pytest.importorskip("torch")
    images = images_of(50)
    x = torch.from_numpy(images.x.astype(np.float64)) / 255
    mean = torch.tensor((0.4914, 0.4822, 0.4465), dtype=torch.float64)[:, None, None]
    std = torch.tensor((0.2023, 0.1994, 0.2010), dtype=torch.float64)[:, None, None]
    found = fit_images(images, ImageSpec(normalisation="cifar10")).rows(np.arange(50), np.float64)
    np.testing.assert_allclose(found, ((x - mean) / std).numpy(), rtol=1e-12)


def test_published_figures_of_grey_images_are_their_mean() -> None:
    data = fit_images(images_of(20, shape=(1, 4, 4)), ImageSpec(normalisation="cifar10"))
    assert data.shift.shape == data.factor.shape == (1, 1, 1)


@pytest.mark.parametrize("normalisation", ["none", "scale", "mean_image", "per_channel", "cifar10"])
def test_what_a_network_sees_becomes_pixels_again(normalisation: Any) -> None:
    images = images_of(200)
    data = fit_images(images, ImageSpec(normalisation=normalisation))
    assert (data.to_pixels(data.rows(data.split.train)) == images.x[data.split.train]).all()


def test_what_was_measured_can_be_kept() -> None:
    images, other = images_of(200), images_of(200, seed=5)
    spec = ImageSpec(normalisation="per_channel")
    data = fit_images(images, spec)
    again = fit_images(other, spec, data.state())
    assert (again.shift == data.shift).all()
    assert (again.rows(np.arange(9)) == data.normalise(other.x[:9])).all()
    with pytest.raises(ValueError, match="another shape"):
        fit_images(
            images_of(20, shape=(3, 4, 4)), ImageSpec(), fit_images(images, ImageSpec()).state()
        )


def test_rows_are_new_arrays_and_the_set_stays_bytes() -> None:
    images = images_of(50)
    images.x.flags.writeable = False
    data = fit_images(images, ImageSpec(normalisation="none"))
    data.rows(np.arange(3))[:] = 0
    assert images.x.any()
    assert data.images.x is images.x


# --- augmentation


def test_without_augmentation_a_batch_is_its_rows() -> None:
    data = fit_images(images_of(50), ImageSpec())
    rows = np.arange(10)
    assert (data.batch(rows, augmentation_rng(0, 0, 0)) == data.rows(rows)).all()


def test_flips_mirror_half_of_the_images() -> None:
    data = fit_images(images_of(2_000), ImageSpec(flip=True, normalisation="none"))
    rows = np.arange(1_000)
    plain, varied = data.rows(rows), data.batch(rows, augmentation_rng(0, 1, 2))
    same = (varied == plain).all(axis=(1, 2, 3))
    mirrored = (varied == plain[..., ::-1]).all(axis=(1, 2, 3))
    assert (same ^ mirrored).all()
    assert 430 < mirrored.sum() < 570


@pytest.mark.parametrize("crop", [1, 2])
def test_crops_move_an_image_and_mirror_its_rim(crop: int) -> None:
    data = fit_images(images_of(400, shape=(2, 6, 5)), ImageSpec(crop=crop, normalisation="none"))
    rows = np.arange(300)
    plain, varied = data.rows(rows), data.batch(rows, augmentation_rng(3, 1, 2))
    reach = range(-crop, crop + 1)
    seen = set()
    for image, found in zip(plain, varied, strict=True):
        fits = [
            (down, right)
            for down in reach
            for right in reach
            if (found == moved(image, down, right)).all()
        ]
        assert len(fits) == 1
        seen.add(fits[0])
    assert len(seen) == len(reach) ** 2


def moved(image: np.ndarray, down: int, right: int) -> np.ndarray:
    """Return what lies at (row + down, column + right), pixel by pixel, mirrored at the rim."""
    height, width = image.shape[1:]

    def inside(at: int, length: int) -> int:
        at = -at if at < 0 else at
        return 2 * (length - 1) - at if at >= length else at

    out = np.empty_like(image)
    for row in range(height):
        for column in range(width):
            out[:, row, column] = image[
                :, inside(row + down, height), inside(column + right, width)
            ]
    return out


def test_a_step_draws_the_same_again_and_the_next_step_others() -> None:
    data = fit_images(images_of(50), ImageSpec(flip=True, crop=2))
    rows = np.arange(30)
    drawn = [
        data.batch(rows, augmentation_rng(*key))
        for key in ((1, 2, 3), (1, 2, 3), (1, 2, 4), (1, 3, 3))
    ]
    assert (drawn[0] == drawn[1]).all()
    assert (drawn[0] != drawn[2]).any()
    assert (drawn[0] != drawn[3]).any()


def test_a_crop_larger_than_an_image_is_as_large_as_it_can_be() -> None:
    data = fit_images(images_of(50, shape=(1, 3, 3)), ImageSpec(crop=64))
    assert data.batch(np.arange(9), augmentation_rng(0, 0, 0)).shape == (9, 1, 3, 3)


def test_an_empty_batch_is_none() -> None:
    data = fit_images(images_of(50), ImageSpec(flip=True, crop=2))
    assert data.batch(np.empty(0, np.int64), augmentation_rng(0, 0, 0)).shape == (0, 3, 6, 5)
