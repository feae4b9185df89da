"""A network as a whole Python file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from app.core.network_code.barebones import barebones
from app.core.network_code.lines import left_out
from app.core.network_code.module import module
from app.core.network_code.sequential import sequential
from app.core.network_code.step import step
from app.core.nn.description import describe_network
from app.core.nn.plan import plan
from app.core.specs import ConvNetSpec, layers

__all__ = ["LEVELS", "TITLES", "CodeLevel", "network_code"]

CodeLevel = Literal["barebones", "module", "sequential"]
LEVELS: tuple[CodeLevel, ...] = ("barebones", "module", "sequential")
TITLES = {"barebones": "bare tensors", "module": "nn.Module", "sequential": "nn.Sequential"}


def network_code(
    level: CodeLevel, spec: ConvNetSpec, image_shape: tuple[int, int, int], classes: int
) -> str:
    """Return the network of a spec as a Python file.

    Parameters
    ----------
    level : {"barebones", "module", "sequential"}
    spec : ConvNetSpec
        Its layers, loss, regularisation, dropout, solver and rate; a schedule is left out.
    image_shape : tuple of int
        (C, H, W).
    classes : int

    Returns
    -------
    str
        Defines ``scores(x, w)`` over weights by name at the level of bare tensors, else
        ``model``; and ``step(x, y)``, which moves the weights, but for L-BFGS.

    Raises
    ------
    ShapeError
        A row is impossible.
    """
    description = describe_network(spec.rows, image_shape, classes).checked()
    rows = [
        row
        for row in plan(description)
        if not isinstance(row.layer, layers.Dropout) or left_out(row.layer, spec)
    ]
    bare = level == "barebones"
    if bare:
        lines = barebones(rows, spec, description)
    else:
        lines = module(rows, spec) if level == "module" else sequential(rows, spec)
    code = [*_head(bare), *map(str, lines), "", "", *step(spec, bare=bare)]
    return "\n".join(code).rstrip() + "\n"


def _head(bare: bool) -> Iterator[str]:
    yield "import torch"
    if not bare:
        yield "from torch import nn"
    yield "from torch.nn import functional as F"
    yield ""
    yield ""
