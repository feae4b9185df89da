"""How the learning rate changes on the way: a pure function of the step.

So a training that is taken up again, or whose rate is moved while it runs, goes on as if nothing
had been.
"""

from __future__ import annotations

import math

from app.core.specs import ConvNetSpec

__all__ = ["rate", "rate_factor"]

# One cycle starts at this share of its peak (Smith 2018, as in torch).
ONE_CYCLE_START = 1 / 25


def rate_factor(spec: ConvNetSpec, step: int, steps_per_epoch: int) -> float:
    """Return what the learning rate is multiplied with at a step.

    Parameters
    ----------
    spec : ConvNetSpec
        Its `schedule`, `rate_decay`, `step_epochs`, `warmup` and `epochs` count.
    step : int
        Steps that are done before, from 0.
    steps_per_epoch : int

    Notes
    -----
    decay: ``rate_decay ** (epochs done)``, as in CS231n. step: ``rate_decay`` once every
    ``step_epochs``. cosine: ``(1 + cos πt)/2`` with t from 0 to 1 (Loshchilov and Hutter 2017),
    after a rise over the share ``warmup``. one_cycle: from 1/25 up over ``warmup`` (0.3 when it
    is 0), then down to zero, both along cosines (Smith 2018).
    """
    epoch = step // max(steps_per_epoch, 1)
    if spec.schedule == "decay":
        return spec.rate_decay**epoch
    if spec.schedule == "step":
        return spec.rate_decay ** (epoch // spec.step_epochs)
    if spec.schedule == "constant":
        return 1.0
    total = max(steps_per_epoch * spec.epochs, 1)
    share = min(step / total, 1.0)
    if spec.schedule == "one_cycle":
        top = spec.warmup or 0.3
        if share < top:
            return ONE_CYCLE_START + (1 - ONE_CYCLE_START) * _rising(share / top)
        return 1 - _rising((share - top) / (1 - top))
    if share < spec.warmup:
        # The first step moves too.
        return (step + 1) / (spec.warmup * total + 1)
    return 1 - _rising((share - spec.warmup) / (1 - spec.warmup))


def rate(spec: ConvNetSpec, step: int, steps_per_epoch: int) -> float:
    """Return the learning rate of the step after `step` steps."""
    return spec.learning_rate * rate_factor(spec, step, steps_per_epoch)


def _rising(share: float) -> float:
    """Return half a cosine from 0 to 1."""
    return (1 - math.cos(math.pi * share)) / 2
