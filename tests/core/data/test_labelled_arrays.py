"""Images and labels in HDF5 and NumPy's files: which arrays belong together, and what they mean."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from app.core.data.image_reader import open_images
from app.core.data.pairs import NeedsPairError, find_pairs
from app.core.errors import FilterscopeError, RefusedInputError

COUNT = 60
X = np.random.default_rng(0).integers(0, 256, (COUNT, 3, 8, 8), dtype=np.uint8)
Y = np.random.default_rng(1).integers(0, 4, COUNT)


def npz(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def hdf5(path: Path, **arrays: Any) -> Path:
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name.replace("__", "/")] = array
    return path


@pytest.fixture(params=[npz, hdf5], ids=["npz", "hdf5"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A function that writes arrays by name."""
    ending = {"npz": ".npz", "hdf5": ".h5"}[request.param.__name__]
    return lambda **arrays: request.param(tmp_path / f"set{ending}", **arrays)


def refusal(path: Any) -> str:
    with pytest.raises(RefusedInputError) as caught:
        open_images(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("x", "y"),
        ("X", "Y"),
        ("data", "labels"),
        ("images", "target"),
        ("img", "label"),
        ("a", "b"),
    ],
)
def test_a_pair_is_found_whatever_it_is_called(file: Any, images: str, labels: str) -> None:
    found = open_images(file(**{images: X, labels: Y}))
    assert (found.x == X).all()
    assert (found.y == Y).all()
    assert found.classes == ("0", "1", "2", "3")
    assert found.x.dtype == np.uint8
    assert found.test_count == 0


@pytest.mark.parametrize(
    "names",
    [
        ("x_train", "y_train", "x_test", "y_test"),
        ("X_train", "Y_train", "X_test", "Y_test"),
        ("xtrain", "ytrain", "xtest", "ytest"),
        ("train_images", "train_labels", "test_images", "test_labels"),
        ("training__data", "training__target", "testing__data", "testing__target"),
    ],
)
def test_train_and_test_are_told_apart(tmp_path: Path, names: tuple[str, ...]) -> None:
    path = hdf5(
        tmp_path / "set.h5", **dict(zip(names, (X[:40], Y[:40], X[40:], Y[40:]), strict=True))
    )
    found = open_images(path)
    assert (found.x == X).all()
    assert (found.y == Y).all()
    assert found.test_count == 20


def test_three_parts(file: Any) -> None:
    found = open_images(
        file(
            x_test=X[50:],
            y_test=Y[50:],
            x_val=X[40:50],
            y_val=Y[40:50],
            x_train=X[:40],
            y_train=Y[:40],
        )
    )
    assert (found.x == X).all()
    assert (found.validation_count, found.test_count) == (10, 10)


@pytest.mark.parametrize(
    ("images", "layout"),
    [
        (X.transpose(0, 2, 3, 1), "NHWC"),
        (X[:, 0], "NHW"),
        (X.reshape(COUNT, -1), "ND"),
    ],
    ids=["NHWC", "NHW", "ND"],
)
def test_axes_are_put_in_order(file: Any, images: np.ndarray, layout: str) -> None:
    found = open_images(file(x=images, y=Y))
    expected = X[:, :1] if layout == "NHW" else X
    assert found.source.layout == layout
    assert (found.x == expected).all()


@pytest.mark.parametrize(
    "labels",
    [
        Y.astype(np.uint8),
        Y.astype(np.float64),
        Y[:, None],
        Y[None, :],
        np.eye(4)[Y],
        np.eye(4, dtype=np.uint8)[Y],
    ],
    ids=["bytes", "floats", "column", "row", "one-hot", "one-hot bytes"],
)
def test_labels_may_be_written_in_many_ways(file: Any, labels: np.ndarray) -> None:
    found = open_images(file(x=X, y=labels))
    assert (found.y == Y).all()
    assert found.y.dtype == np.int64


def test_labels_from_one_keep_their_names(file: Any) -> None:
    found = open_images(file(x=X, y=Y + 1))
    assert (found.y == Y).all()
    assert found.classes == ("1", "2", "3", "4")


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("top", [1, 255])
def test_floating_point_becomes_0_to_255(file: Any, kind: Any, top: int) -> None:
    found = open_images(file(x=(X / 255 * top).astype(kind), y=Y))
    assert found.x.dtype == np.float32
    np.testing.assert_allclose(found.x, X, atol=1e-4)
    assert found.source.value_range == f"0..{top}"


def test_the_range_can_be_told(file: Any) -> None:
    dark = np.full((COUNT, 3, 8, 8), 1.0, np.float32)
    path = file(x=dark, y=Y)
    assert (open_images(path).x == 255).all()
    assert (open_images(path, value_range="0..255").x == 1).all()
    with pytest.raises(RefusedInputError, match="no value range"):
        open_images(path, value_range="0..2")


def test_whole_numbers_of_many_bytes_become_bytes(file: Any) -> None:
    assert open_images(file(x=X.astype(np.int64), y=Y)).x.dtype == np.uint8
    assert "values 0 … 4095" in refusal(file(x=np.tile([0, 4095], (COUNT, 3, 8, 4)), y=Y))


def test_values_outside_are_told(file: Any) -> None:
    found = open_images(file(x=X.astype(np.float32) - 130, y=Y))
    assert "outside 0 … 255" in found.notes[0]


def test_images_that_are_no_numbers_are_left_out_with_their_labels(file: Any) -> None:
    x = X.astype(np.float32)
    x[3, 1, 2, 2], x[50, 0, 0, 0] = np.nan, np.inf
    good = np.delete(np.arange(COUNT), [3, 50])
    found = open_images(file(x_train=x[:40], y_train=Y[:40], x_test=x[40:], y_test=Y[40:]))
    assert (found.x == X[good]).all()
    assert (found.y == Y[good]).all()
    assert found.test_count == 19
    assert found.notes[0].startswith("2 images with NaN")
    assert "no image has only finite numbers" in refusal(file(x=x * np.nan, y=Y))


def test_a_file_in_the_order_of_classes_is_mixed(file: Any) -> None:
    order = np.argsort(Y, kind="stable")
    path = file(x=X[order], y=Y[order])
    found = open_images(path)
    assert "ordered by class" in found.notes[0]
    # Each image kept its label.
    label_of = {image.tobytes(): label for image, label in zip(X, Y, strict=True)}
    assert [label_of[image.tobytes()] for image in found.x] == found.y.tolist()
    assert not (np.diff(found.y) >= 0).all()
    assert (open_images(path).y == found.y).all()


def test_classes_with_no_images_are_named(file: Any) -> None:
    labels = np.where(Y == 2, 5, Y)
    found = open_images(file(x=X, y=labels))
    assert len(found.classes) == 6
    assert found.notes == ("classes 2, 4 have no images",)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (np.where(np.arange(COUNT) == 7, -1, Y), "the label of image 7 is -1, which is no class"),
        (Y * 1000, "not a number for each class"),
        (Y + 0.5, "not whole numbers"),
        (np.where(Y == 1, np.nan, Y), "not whole numbers"),
        (np.where(Y == 1, 1e30, Y), "which is no class"),
        (np.zeros(COUNT, int), "the same label"),
        (np.eye(4)[Y] * 2, "not one-hot"),
        (np.ones((COUNT, 4)), "not one-hot"),
    ],
)
def test_labels_that_are_none(file: Any, labels: np.ndarray, said: str) -> None:
    assert said in refusal(file(x=X, y=labels))


def test_a_person_chooses_where_names_do_not_tell(file: Any) -> None:
    path = file(first=Y, second=3 - Y, some=X)
    with pytest.raises(NeedsPairError) as caught:
        open_images(path)
    assert caught.value.exit_code == 2
    assert re.search("/?some with /?first; /?some with /?second", caught.value.message)
    assert f"{path.name}::some," in caught.value.hint
    found = open_images(f"{path}::some,second")
    assert (found.y == 3 - Y).all()
    assert found.source.dataset == "some,second"


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("x", "does not name images and labels"),
        ("x,y,y", "does not name images and labels"),
        ("x,z", "has no data set z"),
        ("y,x", "are not images and their labels"),
        ("x,short", "are not images and their labels"),
    ],
)
def test_a_wrong_choice_is_told(file: Any, wanted: str, said: str) -> None:
    path = file(x=X, y=Y, short=Y[:5])
    assert said in refusal(f"{path}::{wanted}")


def test_better_names_win(file: Any) -> None:
    path = file(x=X, y=Y, weights=np.arange(COUNT), extra=X[::-1].copy())
    (pair,) = find_pairs(path)
    assert (pair.images.strip("/"), pair.labels.strip("/")) == ("x", "y")


def test_patches_alone_are_no_pair(file: Any) -> None:
    assert find_pairs(file(data=X)) == ()
    assert "no images with labels" in refusal(file(data=X, other=np.arange(7)))


def test_objects_and_texts_are_never_read(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    np.savez(path, x=X, y=np.array(["cat"] * COUNT, dtype=object))
    assert "no images with labels" in refusal(path)
    assert "is not opened" in refusal(f"{path}::x,y")


def test_too_many_for_the_memory(file: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Free", (), {"available": 1000}))
    with pytest.raises(FilterscopeError, match="60 images need"):
        open_images(file(x=X, y=Y))


def test_progress_is_told(file: Any) -> None:
    told: list[float] = []
    open_images(file(x=X, y=Y), progress=lambda share, text: told.append(share))
    assert told[-1] == 1
