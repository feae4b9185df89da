"""What ``filterscope range`` prints."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from app.cli import main
from app.core import range_test
from tests.core.small_images import small_images


@pytest.fixture
def few(tmp_path: Path) -> str:
    images = small_images()
    np.savez(tmp_path / "few.npz", x=images.x, y=images.y)
    return str(tmp_path / "few.npz")


SETTINGS = ("--set", "layers=affine 8, relu", "--set", "train_count=45", "--set", "batch_size=9")


def test_rates_losses_and_a_band_of_a_cnn(few: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["range", "cnn", few, *SETTINGS, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert 1e-6 < found["low"] < found["high"] < 10
    assert len(found["rates"]) == len(found["losses"]) == len(found["smoothed"]) > 20
    assert main(["range", "cnn", few, *SETTINGS]) == 0
    out = capsys.readouterr().out
    assert "smoothed loss" in out
    assert "The range test suggests" in out


def test_an_autoencoder_on_the_sample_patches(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["range", "autoencoder", "--set", "hidden_units=8", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["low"] < found["high"]


def test_lbfgs_has_no_rate(few: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["range", "cnn", few, "--set", "solver=lbfgs"]) == 2
    assert "L-BFGS" in capsys.readouterr().err


def test_where_nothing_helps_that_is_said(
    few: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(range_test, "suggest_band", lambda points: None)
    assert main(["range", "cnn", few, *SETTINGS]) == 0
    assert "No rate made the loss fall" in capsys.readouterr().out
    assert main(["range", "cnn", few, *SETTINGS, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["low"] is None
