"""The images that need no network."""

from __future__ import annotations

import numpy as np
import pytest

from app.core.data.image_reader import open_images
from app.core.data.images import LabelledImages
from app.core.data.synthetic import FIGURES, SYNTHETIC_CLASSES, synthetic_images
from app.core.errors import Cancelled


@pytest.fixture(scope="module")
def images() -> LabelledImages:
    return synthetic_images(1_200)


def test_ten_classes_alike_in_number(images: LabelledImages) -> None:
    assert len(images.classes) == 10
    assert images.x.shape == (1_200, 3, 32, 32)
    assert images.x.dtype == np.uint8
    assert images.counts().tolist() == [120] * 10
    assert images.test_count == 200
    assert images.counts(np.arange(1_000, 1_200)).tolist() == [20] * 10
    assert not images.x.flags.writeable


def test_the_same_seed_gives_the_same_bits(images: LabelledImages) -> None:
    again, other = synthetic_images(1_200), synthetic_images(1_200, seed=1)
    assert (again.x == images.x).all()
    assert (again.y == images.y).all()
    assert again.source == images.source
    assert other.source.sha256 != images.source.sha256


def test_it_is_what_is_opened_without_a_name() -> None:
    told: list[float] = []
    found = open_images(progress=lambda share, text: told.append(share))
    assert found.classes == SYNTHETIC_CLASSES
    assert found.count == 12_000
    assert found.test_count == 2_000
    assert told == sorted(told)
    assert told[-1] == 1


def test_no_two_images_are_alike(images: LabelledImages) -> None:
    assert len({image.tobytes() for image in images.x}) == images.count


@pytest.mark.parametrize("count", [1, 5, 6, 13])
def test_any_number_can_be_drawn(count: int) -> None:
    assert synthetic_images(count).count == count


def test_drawing_can_be_given_up() -> None:
    asked = iter([False] * 20 + [True] * 100)
    with pytest.raises(Cancelled):
        synthetic_images(cancel=lambda: next(asked))


def drawn(name: str, radius: float = 10.0, period: float = 5.03) -> np.ndarray:
    """Return where a figure around (0, 0) is, over −16 … 16."""
    at = np.linspace(-16, 16, 513, dtype=np.float32)
    u, v = np.broadcast_arrays(at[None, None, :], at[None, :, None])
    size = [np.full((1, 1, 1), value, np.float32) for value in (radius, period)]
    return np.asarray(FIGURES[name](u, v, *size))[0] < 0


def test_figures_are_what_they_are_called() -> None:
    """Areas and symmetries, from geometry."""
    pixel = (32 / 512) ** 2
    area = {name: drawn(name).sum() * pixel for name in FIGURES}
    assert area["circle"] == pytest.approx(np.pi * 100, rel=0.02)
    assert area["square"] == pytest.approx(17**2, rel=0.04)
    # Equilateral about a circle of radius 6: 3√3 r².
    assert area["triangle"] == pytest.approx(3 * np.sqrt(3) * 36, rel=0.02)
    assert area["cross"] == pytest.approx(2 * 20 * 6 - 36, rel=0.05)
    assert area["ring"] == pytest.approx(np.pi * (9.5**2 - 5.5**2), rel=0.03)
    for name in ("horizontal stripes", "vertical stripes", "diagonal stripes", "checks"):
        assert area[name] == pytest.approx(200, rel=0.1), name
    assert area["dots"] == pytest.approx(400 * np.pi * 0.34**2, rel=0.1)
    across, upright = drawn("horizontal stripes"), drawn("vertical stripes")
    assert (upright == across.T).all()
    for name in ("circle", "square", "cross", "ring", "checks", "dots"):
        assert (drawn(name) == drawn(name).T).mean() > 0.99, name
    assert (drawn("triangle") == drawn("triangle")[:, ::-1]).all()
    assert (drawn("triangle") != drawn("triangle")[::-1]).any()


def test_no_pixel_and_no_colour_tells_the_class(images: LabelledImages) -> None:
    """A nearest mean over all pixels, and over mean colours, stays near the floor of a tenth."""
    x = images.x.reshape(images.count, -1).astype(np.float64)
    colours = images.x.mean(axis=(2, 3))
    for values, most in ((x, 0.4), (colours, 0.25)):
        train, test = values[:1_000], values[1_000:]
        means = np.stack([train[images.y[:1_000] == k].mean(axis=0) for k in range(10)])
        nearest = ((test[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
        assert (nearest == images.y[1_000:]).mean() < most


@pytest.mark.slow
def test_a_linear_classifier_stays_below_60_percent() -> None:
    """Ridge regression on all pixels, its weight chosen on the test itself: an upper bound."""
    images = synthetic_images()
    x = images.x.reshape(images.count, -1).astype(np.float64) / 255
    x -= x[:10_000].mean(axis=0)
    targets = np.eye(10)[images.y]
    products, sums = x[:10_000].T @ x[:10_000], x[:10_000].T @ targets[:10_000]
    best = 0.0
    for ridge in (10.0, 1e2, 1e3, 1e4):
        weights = np.linalg.solve(products + ridge * np.eye(3072), sums)
        best = max(best, float(((x[10_000:] @ weights).argmax(axis=1) == images.y[10_000:]).mean()))
    assert 0.2 < best < 0.6
