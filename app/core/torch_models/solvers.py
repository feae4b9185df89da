"""The rules of `app.core.solvers.first_order` on tensors, all parameters in one call."""

from __future__ import annotations

import torch
from torch import Tensor

from app.core.solvers.first_order import BETA1, BETA2, DECAY, EPSILON

__all__ = ["update"]

Tensors = list[Tensor]


@torch.no_grad()
def update(
    solver: str,
    weights: Tensors,
    slopes: Tensors,
    memory: list[Tensors],
    step: int,
    learning_rate: float,
    momentum: float,
) -> None:
    """Move `weights` in place by one step of `solver`.

    Parameters
    ----------
    weights, slopes : list of Tensor
    memory : list of list of Tensor
        What the rule remembers, `MEMORY[solver]` tensors for each weight; changed in place.
    step : int
        Number of this step, from 1.
    learning_rate, momentum : float
    """
    if solver == "sgd":
        torch._foreach_add_(weights, slopes, alpha=-learning_rate)
    elif solver in ("momentum", "nesterov"):
        (v,) = memory
        torch._foreach_mul_(v, momentum)
        torch._foreach_add_(v, slopes, alpha=-learning_rate)
        if solver == "momentum":
            torch._foreach_add_(weights, v)
        else:
            torch._foreach_add_(weights, v, alpha=momentum)
            torch._foreach_add_(weights, slopes, alpha=-learning_rate)
    elif solver == "adam":
        m, v = memory
        torch._foreach_lerp_(m, slopes, 1 - BETA1)
        torch._foreach_mul_(v, BETA2)
        torch._foreach_addcmul_(v, slopes, slopes, value=1 - BETA2)
        # √v̂ of v̂ = v / (1 − β₂ᵗ), and m̂ in the length of the step.
        roots = _roots(v, (1 - BETA2**step) ** -0.5)
        torch._foreach_addcdiv_(weights, m, roots, value=-learning_rate / (1 - BETA1**step))
    elif solver in ("rmsprop", "adagrad"):
        (v,) = memory
        if solver == "rmsprop":
            torch._foreach_mul_(v, DECAY)
        torch._foreach_addcmul_(v, slopes, slopes, value=1 - DECAY if solver == "rmsprop" else 1)
        torch._foreach_addcdiv_(weights, slopes, _roots(v), value=-learning_rate)
    else:
        raise ValueError(f"{solver} is no first-order solver")


def _roots(squares: Tensors, factor: float = 1.0) -> Tensors:
    """Return √squares · factor + ε."""
    roots = list(torch._foreach_sqrt(squares))
    if factor != 1:
        torch._foreach_mul_(roots, factor)
    torch._foreach_add_(roots, EPSILON)
    return roots
