"""How a list of layers is typed.

    conv 32 7x7, relu, pool 2, affine 500, relu
    [conv 32, batchnorm, relu, pool 2] x 3, global_avg_pool
    conv 16, relu, residual(conv 16, relu, conv 16), relu, affine 10

`parse_layers` reads it, `format_layers` writes it back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from app.core.errors import UsageError
from app.core.specs.layer_words import gathered
from app.core.specs.layers import LAYERS, Layer, Residual, walk

__all__ = ["format_layers", "normal_layers", "parse_layers"]

MOST_ROWS = 400
MOST_REPEATS = 100
MOST_TEXT = 20_000
MOST_DEPTH = 8

# What others call the same.
ALIASES = {
    "max_pool": "pool",
    "maxpool": "pool",
    "avgpool": "avg_pool",
    "gap": "global_avg_pool",
    "fc": "affine",
    "linear": "affine",
    "dense": "affine",
    "leaky": "leaky_relu",
    "bn": "batchnorm",
}


def parse_layers(text: str) -> tuple[Layer, ...]:
    """Read a list of layers.

    Parameters
    ----------
    text : str
        Rows with commas between them; ``[…] x 3`` stands for three times the rows inside.

    Raises
    ------
    UsageError
        Naming the row that is none.
    """
    if len(text) > MOST_TEXT:
        raise UsageError("That list of layers is longer than any network here.")
    rows = tuple(_rows(text))
    if not rows:
        raise UsageError(
            "There is no layer.",
            "Write something like conv 32 7x7, relu, pool 2, affine 500, relu.",
        )
    if sum(1 for _ in walk(rows)) > MOST_ROWS:
        raise UsageError(f"There are more than {MOST_ROWS} layers.")
    return rows


def _pieces(text: str) -> Iterator[str]:
    """Yield what stands between commas that are in no bracket."""
    depth, start = 0, 0
    for place, mark in enumerate(text):
        if mark in "([":
            depth += 1
        elif mark in ")]":
            depth -= 1
        elif mark in ",;\n" and depth == 0:
            yield text[start:place].strip()
            start = place + 1
        if depth < 0:
            break
    if depth != 0:
        raise UsageError(f"A bracket in “{text.strip()}” has no partner.")
    yield text[start:].strip()


def _rows(text: str, depth: int = 0) -> Iterator[Layer]:
    if depth > MOST_DEPTH:
        raise UsageError("Brackets are nested too deeply.")
    for piece in _pieces(text):
        if not piece:
            continue
        repeated = re.fullmatch(r"\[(.*)\](?:\s*[x×*]\s*(\d{1,4}))?", piece, re.DOTALL)
        if repeated is not None:
            times = int(repeated[2] or 1)
            if not 1 <= times <= MOST_REPEATS:
                raise UsageError(f"{times} times is none of 1 to {MOST_REPEATS}.")
            inside = tuple(_rows(repeated[1], depth + 1))
            if len(inside) * times > MOST_ROWS:
                raise UsageError(f"There are more than {MOST_ROWS} layers.")
            yield from inside * times
            continue
        block = re.fullmatch(r"residual\s*\((.*)\)", piece, re.DOTALL | re.IGNORECASE)
        if block is not None:
            rows = tuple(_rows(block[1], depth + 1))
            if not rows:
                raise UsageError("There is nothing inside residual().")
            yield Residual(rows=rows)
            continue
        word, *words = piece.lower().split()
        cls = LAYERS.get(ALIASES.get(word, word))
        if cls is None or cls is Residual:
            raise UsageError(f"“{piece}” is no layer.", f"There are {', '.join(LAYERS)}.")
        yield cls.read(words)


def format_layers(rows: Sequence[Layer]) -> str:
    """Write a list of layers so that `parse_layers` reads the same; repetitions are gathered."""
    return gathered([row.text for row in rows])


def normal_layers(text: str) -> str:
    """Return a list of layers in the form that `format_layers` gives."""
    return format_layers(parse_layers(text))
