"""The notebook's cells, run by themselves, give the run's costs and weights."""

from __future__ import annotations

import subprocess
import sys

import nbformat
import numpy as np
import pytest

from app.core.errors import UsageError
from app.core.run_exports import export_run
from app.core.specs import AutoencoderSpec, PreprocessSpec
from tests.core.trained import images, record, write

SPEC = AutoencoderSpec(
    hidden_units=7, batch_size=32, epochs=3, solver="adam", learning_rate=0.01, precision="float64"
)


@pytest.mark.parametrize("grayscale", [True, False])
def test_its_cells_repeat_the_run(tmp_path, grayscale):
    run = record(
        tmp_path, write(tmp_path / "p.h5", images()), SPEC, PreprocessSpec(grayscale=grayscale),
        live=[SPEC.changed(rho=0.1)],
    )  # fmt: skip
    data, notes = export_run(run, "notebook", "ipynb")
    assert notes == []
    assert export_run(run, "notebook", "ipynb")[0] == data
    notebook = nbformat.reads(data.decode(), as_version=4)
    nbformat.validate(notebook)
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert len(cells) >= 7
    program = tmp_path / "cells.py"
    program.write_text(
        f"names = {{}}\nfor cell in {cells!r}:\n    exec(compile(cell, 'cell', 'exec'), names)\n"
        "assert names['picture'].width > 10\n",
        encoding="utf-8",
    )
    # -I: neither this program nor the current folder can be imported.
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", str(program)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    history, _ = run.read_history()
    with np.load(tmp_path / "weights.npz", allow_pickle=False) as found:
        np.testing.assert_allclose(found["costs"], history.terms.sum(axis=1), rtol=1e-5)
        for name, array in run.read_weights()[1].items():
            np.testing.assert_allclose(found[name], array, rtol=1e-3, atol=1e-4)


def test_what_no_script_repeats_no_notebook_does(tmp_path):
    run = record(tmp_path, write(tmp_path / "p.h5", images()), SPEC.changed(solver="lbfgs"))
    with pytest.raises(UsageError, match="L-BFGS"):
        export_run(run, "notebook", "ipynb")
