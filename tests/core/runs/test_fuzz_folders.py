"""Damaged run folders: a valid object or one sentence, nothing else."""

from __future__ import annotations

import pytest

from tools.fuzz_runs import Fuzz, autoencoder_run, convnet_run


@pytest.mark.parametrize("make", [autoencoder_run, convnet_run])
def test_twelve_hundred_hurt_folders_are_read_or_refused(make, tmp_path):
    """More of them, and others: ``python -m tools.fuzz_runs 20000 SEED``."""
    run, data = make(tmp_path)
    fuzz = Fuzz(run, data, seed=11)
    for _ in range(600):
        fuzz.once()
    assert fuzz.faults == []
    assert fuzz.found["folders"] == 600
    # Most of what was hurt is read all the same; what cannot be is refused.
    assert 0 < fuzz.found["refused as a whole"] < 200
    assert 0 < fuzz.found["resume: one sentence"] < 200
    # Mended, it is what it was.
    fuzz.found.clear()
    fuzz.read("nothing")
    assert set(fuzz.found) <= {"folders", "normalisation: one sentence"}
