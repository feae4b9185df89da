"""The exported script, run on its own, gives the run's curve and weights within rounding."""

from __future__ import annotations

import ast
import subprocess
import sys

import numpy as np
import pytest

from app.core.data.layouts import to_nchw
from app.core.data.patches import LARGE_BYTES
from app.core.errors import UsageError
from app.core.history import History
from app.core.run_exports import export_run
from app.core.script import repeat_script
from app.core.specs import AutoencoderSpec, PreprocessSpec
from tests.core.trained import images, record, write


def spec(**values):
    given = {
        "hidden_units": 7,
        "batch_size": 32,
        "epochs": 3,
        "solver": "sgd",
        "learning_rate": 0.05,
        "precision": "float64",
    }
    return AutoencoderSpec(**{**given, **values})


def repeat(run, folder):
    """Run the script of `run` by itself; returns costs (N,) and the weights."""
    data, notes = export_run(run, "script", "py")
    assert notes == []
    ast.parse(data)
    script = folder / "repeat.py"
    script.write_bytes(data)
    # -I: neither this program nor the current folder can be imported.
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", str(script)],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with np.load(folder / "weights.npz", allow_pickle=False) as found:
        return dict(found)


def agree(run, folder, bound):
    found = repeat(run, folder)
    history, _ = run.read_history()
    np.testing.assert_allclose(found["costs"], history.terms.sum(axis=1), rtol=bound)
    for name, array in run.read_weights()[1].items():
        np.testing.assert_allclose(found[name], array, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("solver", ["sgd", "momentum", "nesterov", "adam"])
def test_every_first_order_solver_is_repeated(tmp_path, solver):
    file = write(tmp_path / "p.h5", images())
    run = record(tmp_path, file, spec(solver=solver, learning_rate=0.01))
    agree(run, tmp_path, 1e-6)


@pytest.mark.parametrize(
    ("preprocessing", "more"),
    [
        ({}, {"precision": "float32"}),
        ({"grayscale": False}, {}),
        ({"remove_mean": False}, {"held_out": 20}),
        ({"clip": False}, {}),
        ({"deviations": 1.5}, {}),
        ({"clip": False, "rescale": False}, {"decoder": "linear"}),
        ({"whiten": "computed", "epsilon": 0.01}, {}),
        ({"whiten": "computed", "clip": False}, {}),
        ({"whiten": "computed", "grayscale": False, "clip": False, "rescale": False}, {"decoder": "linear"}),
    ],
)  # fmt: skip
def test_every_preprocessing_is_repeated(tmp_path, preprocessing, more):
    file = write(tmp_path / "p.h5", images())
    run = record(tmp_path, file, spec(**more), PreprocessSpec(**preprocessing))
    agree(run, tmp_path, 2e-4)


@pytest.mark.parametrize("suffix", [".h5", ".npy", ".npz"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC", "NHW", "ND", "NCWH", "WHCN", "WHN", "dN"])
def test_every_kind_of_file_and_order_of_axes_is_repeated(tmp_path, suffix, layout):
    plain = images(channels=1 if "C" not in layout and "D" not in layout.upper() else 3)
    if "D" in layout.upper():
        rows = plain if "D" in layout else plain.swapaxes(2, 3)
        data = rows.reshape(len(plain), -1)
        data = data if layout[0] == "N" else data.T
    else:
        axes = [a for a in "NCHW" if a in layout]
        kept = plain if "C" in layout else plain[:, 0]
        data = kept.transpose([axes.index(a) for a in layout])
    data = np.ascontiguousarray(data)
    np.testing.assert_array_equal(to_nchw(data, layout), plain)
    file = write(tmp_path / f"p{suffix}", data)
    run = record(tmp_path, file, spec(epochs=1), layout=layout)
    assert run.info.source.layout == layout
    agree(run, tmp_path, 1e-6)


def test_values_from_0_to_1_are_repeated(tmp_path):
    file = write(tmp_path / "p.npy", images().astype(np.float32) / 255)
    run = record(tmp_path, file, spec())
    assert run.info.source.value_range == "0..1"
    agree(run, tmp_path, 1e-6)


def test_patches_that_are_left_out_are_left_out_again(tmp_path):
    data = images().astype(np.float32) / 255
    data[17, 0, 2, 2] = np.nan
    file = write(tmp_path / "p.npy", data)
    agree(record(tmp_path, file, spec()), tmp_path, 1e-6)


def test_live_changes_and_an_early_end_are_repeated(tmp_path):
    file = write(tmp_path / "p.h5", images())
    start = spec(epochs=200)
    moved = [start.changed(rho=0.2), start.changed(rho=0.3, learning_rate=0.01, lam=1e-2)]
    run = record(tmp_path, file, start, live=moved, stop_after=30)
    history, _ = run.read_history()
    assert len(history.changes) == 4
    assert 30 <= len(history) < 800
    agree(run, tmp_path, 1e-6)


def test_a_path_is_written_as_text_that_runs_nothing(tmp_path):
    file = write(tmp_path / "it's\n\"\"\"; raise SystemExit('ran') #.npy", images())
    agree(record(tmp_path, file, spec(epochs=1)), tmp_path, 1e-6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"spec": spec(solver="lbfgs").model_dump()}, "L-BFGS"),
        ({"dataset": "cut 6 0"}, "photographs"),
        ({"count": LARGE_BYTES}, "this large"),
    ],
)
def test_what_has_no_script_is_one_sentence(tmp_path, change, said):
    run = record(tmp_path, write(tmp_path / "p.npy", images()), spec(epochs=1))
    if "spec" not in change:
        change = {"source": {**run.info.source.model_dump(), **change}}
    with pytest.raises(UsageError, match=said):
        repeat_script(run.info.changed(**change), History(("a", "b", "c")))


def test_a_run_that_goes_on_from_another_has_no_script(tmp_path):
    run = record(tmp_path, write(tmp_path / "p.npy", images()), spec(epochs=1))
    history = History(("a", "b", "c"))
    history.append(9, np.ones((1, 3)))
    with pytest.raises(UsageError, match="goes on from another"):
        repeat_script(run.info, history)
