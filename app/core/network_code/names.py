"""What weights are called in the code of each level: a state_dict that is written fits that code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from app.core.network_code.lines import all_rows, left_out
from app.core.network_code.module import member
from app.core.nn.layer_info import NetworkDescription
from app.core.nn.plan import Row, plan
from app.core.specs import layers

__all__ = ["weight_names", "written_rows"]


def written_rows(description: NetworkDescription, dropout: float) -> list[Row]:
    """Return the rows that the code has: a dropout that leaves nothing out is not written."""
    return [
        row
        for row in plan(description)
        if not isinstance(row.layer, layers.Dropout) or left_out(row.layer, dropout)
    ]


def weight_names(level: str, description: NetworkDescription, dropout: float) -> dict[str, str]:
    """Return what the code of a level calls each array of a network, running averages too.

    Parameters
    ----------
    level : {"barebones", "module", "sequential"}
        Bare tensors are called as here.
    description : NetworkDescription
    dropout : float
        That of the spec: it decides which rows are written, and so the numbers in a list.

    Returns
    -------
    dict
        From W1, b1, gamma1, running_mean1 … to the names in ``model.state_dict()``. An affine
        layer's weight is the other way round there, (M, D).
    """
    rows = written_rows(description, dropout)
    if level == "sequential":
        return dict(_in_list(rows, ""))
    learned = [row for row in all_rows(rows) if row.names]
    if level == "module":
        return {name: there for row in learned for name, there in _of_row(row, member(row))}
    return {name: name for row in learned for name, _ in _of_row(row, "")}


def _in_list(rows: Sequence[Row], before: str) -> Iterator[tuple[str, str]]:
    """Yield our names with those in `nn.Sequential`; see the list in sequential.py."""
    at = 0
    for row in rows:
        # A flatten stands before an affine layer that maps come into.
        if isinstance(row.layer, layers.Affine) and row.picture:
            at += 1
        if isinstance(row.layer, layers.Residual):
            yield from _in_list(row.inside, f"{before}{at}.inside.")
            yield from _of_row(row, f"{before}{at}.shortcut")
        else:
            yield from _of_row(row, f"{before}{at}")
        # And one after a mean of maps.
        at += 2 if isinstance(row.layer, layers.GlobalAvgPool) else 1


def _of_row(row: Row, place: str) -> Iterator[tuple[str, str]]:
    """Yield what one row learns and, of batchnorm, its running averages."""
    for name, part in zip(row.names, ("weight", "bias"), strict=False):
        yield name, f"{place}.{part}"
    if isinstance(row.layer, layers.Batchnorm):
        for name, kept in zip(row.averages, ("running_mean", "running_var"), strict=True):
            yield name, f"{place}.{kept}"
