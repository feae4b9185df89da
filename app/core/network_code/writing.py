"""A network as a whole Python file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from app.core.network_code.barebones import barebones
from app.core.network_code.lines import all_rows
from app.core.network_code.module import module
from app.core.network_code.names import written_rows
from app.core.network_code.sequential import sequential
from app.core.network_code.step import step
from app.core.nn.description import describe_network
from app.core.nn.plan import Row
from app.core.specs import ConvNetSpec

__all__ = ["LEVELS", "TITLES", "CodeLevel", "network_code"]

CodeLevel = Literal["barebones", "module", "sequential"]
LEVELS: tuple[CodeLevel, ...] = ("barebones", "module", "sequential")
# What stands above the line that brings in trained weights; short, columns are narrow.
STATE_DICT = "The state_dict of a run at this level:"
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
    rows = written_rows(description, spec.dropout)
    bare = level == "barebones"
    if bare:
        lines = barebones(rows, spec, description)
    else:
        lines = module(rows, spec) if level == "module" else sequential(rows, spec)
    code = [
        *_head(bare),
        *map(str, lines),
        "",
        *_weights(level, rows),
        "",
        "",
        *step(spec, bare=bare),
    ]
    return "\n".join(code).rstrip() + "\n"


def _head(bare: bool) -> Iterator[str]:
    yield "import torch"
    if not bare:
        yield "from torch import nn"
    yield "from torch.nn import functional as F"
    yield ""
    yield ""


def _weights(level: CodeLevel, rows: Sequence[Row]) -> Iterator[str]:
    """Yield how an exported file of trained weights comes in, for whoever takes the code away."""
    yield f"# {STATE_DICT}"
    if level != "barebones":
        yield '# model.load_state_dict(torch.load("weights.pt"))'
        return
    yield '# w = torch.load("weights.pt")'
    if any(row.averages for row in all_rows(rows)):
        yield '# w = {name: one for name, one in w.items() if "running" not in name}'
