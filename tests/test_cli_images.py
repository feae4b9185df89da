"""What the command line tells of images with labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.cli import main
from tests.core.data import cifar_files as files


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run ``info``; returns its exit code, standard output and standard error."""

    def run(*arguments: Any) -> tuple[int, str, str]:
        code = main(["info", *map(str, arguments)])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return files.write(tmp_path / "cifar-10-batches-py", files.pickled_files())


def test_classes_counts_and_split_of_a_folder(told: Any, folder: Path) -> None:
    code, out, _ = told(folder)
    assert code == 0
    assert "120 images, 3 × 32 × 32, uint8" in out
    assert "90 train, 10 validate, 20 test" in out
    labels = np.concatenate([files.labels_of(20, seed) for seed in range(6)])
    for label, name in enumerate(files.CLASSES):
        line = next(line for line in out.splitlines() if line.strip().startswith(name))
        assert int(line.split()[-1]) == (labels == label).sum()
    assert "The checksums are not the published ones" in out


def test_the_same_as_json(told: Any, folder: Path) -> None:
    code, out, _ = told(folder, "--json")
    images = json.loads(out)["images"]
    assert code == 0
    assert images["split"] == {"train": 90, "validation": 10, "test": 20}
    assert list(images["classes"]) == files.CLASSES
    assert sum(images["classes"].values()) == images["count"] == 120
    assert len(images["sha256"]) == 64


def test_the_drawn_images_have_a_name(told: Any) -> None:
    code, out, _ = told("synthetic")
    assert code == 0
    assert "9,000 train, 1,000 validate, 2,000 test" in out
    assert "horizontal stripes" in out


def test_a_file_of_arrays_tells_of_both(told: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (50, 3, 8, 8), dtype=np.uint8), rng.integers(0, 2, 50)
    np.savez(tmp_path / "set.npz", x=x, y=y)
    code, out, _ = told(tmp_path / "set.npz")
    assert code == 0
    assert "50 × 3 × 8 × 8" in out
    assert "40 train, 5 validate, 5 test" in out
    facts = json.loads(told(tmp_path / "set.npz", "--json")[1])
    assert [row["path"] for row in facts["datasets"]] == ["x", "y"]
    assert facts["images"]["classes"] == {"0": int((y == 0).sum()), "1": int((y == 1).sum())}
    code, out, _ = told(f"{tmp_path / 'set.npz'}::x,y")
    assert out.splitlines()[0].endswith("x,y")


def test_labels_that_are_none_are_told_beside_the_arrays(told: Any, tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", x=np.ones((50, 3, 8, 8)), y=np.arange(50) * 1000)
    code, out, _ = told(tmp_path / "set.npz")
    assert code == 0
    assert "images with labels: The labels go from 0 to 49000" in out
    facts = json.loads(told(tmp_path / "set.npz", "--json")[1])
    assert facts["images_refused"].startswith("The labels go from")


def test_patches_alone_are_told_as_before(told: Any, tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", data=np.ones((50, 3, 8, 8)))
    code, out, _ = told(tmp_path / "set.npz")
    assert code == 0
    assert len(out.splitlines()) == 2


def test_what_is_refused_is_one_sentence(told: Any, folder: Path) -> None:
    (folder / "data_batch_3").write_bytes(b"\x80\x02cos\nsystem\n.")
    code, out, err = told(folder)
    assert code == 2
    assert out == ""
    assert (
        "data_batch_3 is not opened: it asks for os.system: a pickle that does could run code"
        in err
    )


def test_a_network_is_told_layer_by_layer(told: Any, folder: Path, tmp_path: Path) -> None:
    code, out, _ = told("--layers", "conv 32 7x7, relu, pool 2, affine 500, relu")
    assert code == 0
    weights = 32 * (3 * 49 + 1) + (32 * 256 + 1) * 500 + (500 + 1) * 10
    assert f"{weights:,}" in next(line for line in out.splitlines() if "in all" in line)
    images = np.random.default_rng(0).integers(0, 256, (90, 8, 8, 3), dtype=np.uint8)
    np.savez(tmp_path / "few.npz", x=images, y=np.arange(90) % 3)
    code, out, _ = told(tmp_path / "few.npz", "--layers", "conv 4 3x3", "--json")
    found = json.loads(out)
    assert (code, found["input"]) == (0, [3, 8, 8])
    assert found["layers"][-1]["output"] == [3]
    assert found["multiply_adds"] == 27 * 4 * 64 + 256 * 3
    code, _, error = told("--layers", "pool 64")
    assert code == 2
    assert "pool 64" in error
    code, _, error = told()
    assert code == 2
    assert "Name a file" in error
