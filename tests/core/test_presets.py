"""Each preset is a whole, valid setting that trains."""

from __future__ import annotations

import numpy as np
import pytest

from app.core.control import Control
from app.core.data.batches import EpochOrder
from app.core.events import Finished
from app.core.learners import AutoencoderLearner
from app.core.presets import PRESETS
from app.core.specs import AutoencoderSpec, PreprocessSpec
from app.core.training import train


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_fits_together(name):
    preset = PRESETS[name]
    assert AutoencoderSpec.build(preset.spec.model_dump()) == preset.spec
    assert PreprocessSpec.build(preset.preprocess.model_dump()) == preset.preprocess
    assert preset.title
    assert preset.teaches.endswith(".")
    # A sigmoid cannot reach what is not scaled to its range.
    assert preset.spec.decoder == "linear" or preset.preprocess.rescale


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_leads_down(name):
    preset = PRESETS[name]
    width = 32
    rng = np.random.default_rng(0)
    # Rows with structure: a few directions and little noise, in the range of the decoder.
    x = rng.standard_normal((512, 4)) @ rng.standard_normal((4, width))
    x = 0.5 + 0.4 * np.tanh(x / 3) if preset.spec.decoder == "sigmoid" else x / x.std()
    spec = preset.spec.changed(hidden_units=16, epochs=30)
    learner = AutoencoderLearner(np.ascontiguousarray(x, np.float32), spec)
    before = learner.evaluate(spec).sum()
    *_, last = train(
        learner, spec, Control(), examples=512, order=EpochOrder(512, spec.seed), run_id="r"
    )
    assert isinstance(last, Finished)
    assert last.terms.sum() < before


def test_the_reports_settings_are_those_of_the_report():
    spec = PRESETS["report"].spec
    assert (spec.solver, spec.learning_rate, spec.batch_size, spec.epochs) == (
        "sgd",
        0.01,
        128,
        1000,
    )
    assert (spec.lam, spec.beta, spec.rho, spec.hidden_units) == (5e-4, 0.008, 0.25, 64)
    assert PRESETS["report"].preprocess == PreprocessSpec()
