"""Two real processes train what one trains, to the last digits of float64."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.core.distributed.rank import BOUNDS, CASES, SIZE, free_port, made, trained

pytest.importorskip("torch")

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """Return a function: what a rank has seen of a case."""
    folder, port = tmp_path_factory.mktemp("ranks"), free_port()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.core.distributed.rank", str(rank), str(port), folder],
            cwd=ROOT,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(SIZE)
    ]
    try:
        said = [process.communicate(timeout=120)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0] * SIZE, said
    return lambda case, rank: np.load(folder / f"{case} {rank}.npz")


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_curve_is_that_of_one_process_with_the_whole_batch(together, case):
    learner, settings = made(case)
    alone = trained(learner, settings)
    assert len(alone["terms"]) > 5 or case == "diverges"
    for rank in range(SIZE):
        shared = together(case, rank)
        assert str(shared["reason"]) == str(alone["reason"])
        for name in ("terms", "accuracies", "evaluations", "theta", "running"):
            assert shared[name].shape == alone[name].shape, name
            # Sums that cancel are as exact as their largest part, which is large when it diverges.
            bound = BOUNDS.get(case, 1e-8)
            atol = bound * max(1.0, np.abs(alone[name]).max(initial=0.0))
            np.testing.assert_allclose(
                shared[name], alone[name], rtol=bound, atol=atol, err_msg=name
            )


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_all_have_the_same_bits(together, case):
    first, second = together(case, 0), together(case, 1)
    for name in ("terms", "accuracies", "evaluations", "theta", "running"):
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


@pytest.mark.slow
def test_one_that_is_asked_to_stop_stops_all_after_the_same_step(together):
    first, second = together("stopped", 0), together("stopped", 1)
    assert [str(one["reason"]) for one in (first, second)] == ["stopped"] * 2
    assert 3 <= len(first["terms"]) <= 5
    np.testing.assert_array_equal(first["terms"], second["terms"])
    np.testing.assert_array_equal(first["theta"], second["theta"])


@pytest.mark.slow
def test_a_stop_while_all_look_at_images_is_heard_by_all_at_the_same_place(together):
    for rank in range(SIZE):
        found = together("looking", rank)
        assert str(found["reason"]) == "stopped"
        assert (len(found["terms"]), len(found["evaluations"])) == (5, 0)
