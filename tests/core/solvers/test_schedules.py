"""Learning rates on the way, held against torch's schedulers."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from app.core.solvers.schedules import rate, rate_factor
from app.core.specs import ConvNetSpec

EPOCHS, PER_EPOCH = 6, 5
TOTAL = EPOCHS * PER_EPOCH


def rates(**values):
    spec = ConvNetSpec(epochs=EPOCHS, learning_rate=0.2, **values)
    return [rate(spec, step, PER_EPOCH) for step in range(TOTAL)]


def torch_rates(make, per_epoch=False):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.2)
    schedule = make(optimizer)
    seen = []
    for step in range(TOTAL):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if not per_epoch or (step + 1) % PER_EPOCH == 0:
            schedule.step()
    return seen


def test_constant():
    assert rates() == [0.2] * TOTAL


def test_decay_each_epoch():
    expected = torch_rates(lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.7), per_epoch=True)
    assert rates(schedule="decay", rate_decay=0.7) == pytest.approx(expected)


def test_steps():
    expected = torch_rates(
        lambda o: torch.optim.lr_scheduler.StepLR(o, 2, gamma=0.1), per_epoch=True
    )
    assert rates(schedule="step", rate_decay=0.1, step_epochs=2) == pytest.approx(expected)


def test_cosine():
    expected = torch_rates(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, TOTAL))
    assert rates(schedule="cosine") == pytest.approx(expected)


def test_one_cycle():
    found = rates(schedule="one_cycle", warmup=0.4)
    peak = round(0.4 * TOTAL)
    assert found[0] == pytest.approx(0.2 / 25)
    assert max(found) == pytest.approx(found[peak]) == pytest.approx(0.2)
    # Half a cosine up, half a cosine down.
    assert found[peak // 2] == pytest.approx(0.2 * (1 + 1 / 25) / 2)
    assert found[(peak + TOTAL) // 2] == pytest.approx(0.1)
    assert rates(schedule="one_cycle") == rates(schedule="one_cycle", warmup=0.3)


def test_a_warm_up_rises_in_equal_steps():
    found = rates(schedule="cosine", warmup=0.2)
    assert found[:6] == pytest.approx([0.2 * n / 7 for n in range(1, 7)])
    assert found[6] == pytest.approx(0.2)


@given(
    st.sampled_from(["constant", "decay", "step", "cosine", "one_cycle"]),
    st.floats(0, 0.99),
    st.integers(0, 10_000),
    st.integers(1, 1000),
    st.integers(1, 1000),
)
def test_a_rate_is_never_larger_than_what_was_set(schedule, warmup, step, per_epoch, epochs):
    spec = ConvNetSpec(schedule=schedule, warmup=warmup, epochs=epochs)
    factor = rate_factor(spec, step, per_epoch)
    assert 0 <= factor <= 1
    assert math.isfinite(factor)
