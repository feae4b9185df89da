"""Pictures, curves and weights as bytes; `app.core.storage` then writes them."""

from __future__ import annotations

import base64
import csv
import html
import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from app.core.history import History
from app.core.memory import to_safetensors
from app.core.mosaic import Mosaic
from app.core.params import Spec, describe

__all__ = [
    "columns_csv",
    "curves_csv",
    "evaluations_csv",
    "mosaic_png",
    "mosaic_svg",
    "settings_text",
    "weights_npz",
    "weights_safetensors",
]


def settings_text(*specs: Spec, **more: str) -> dict[str, str]:
    """Return every setting as a string, for a picture's text chunk or a file's metadata."""
    text = {name: str(value) for spec in specs for name, value in spec.model_dump().items()}
    text.update(more)
    text["Software"] = "Filterscope"
    return text


def mosaic_png(mosaic: Mosaic, zoom: int = 8, text: Mapping[str, str] | None = None) -> bytes:
    """Return a PNG in which every pixel of a tile is a square of `zoom` × `zoom` pixels.

    `text` goes into the file's text chunks (UTF-8, readable with any PNG tool), one a setting
    and all of them as JSON under ``filterscope``.
    """
    info = PngImagePlugin.PngInfo()
    for key, value in (text or {}).items():
        info.add_itxt(key, value)
    if text:
        info.add_itxt("filterscope", json.dumps(dict(text)))
    out = io.BytesIO()
    Image.fromarray(mosaic.zoomed(zoom)).save(out, "PNG", pnginfo=info)
    return out.getvalue()


def mosaic_svg(mosaic: Mosaic, zoom: int = 8, title: str = "", caption: str = "") -> bytes:
    """Return an SVG with the pixels embedded, drawn without smoothing, and a caption below."""
    height, width = mosaic.pixels.shape[:2]
    pixels = base64.b64encode(mosaic_png(mosaic, 1)).decode()
    foot = 24 if caption else 0
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width * zoom}" '
        f'height="{height * zoom + foot}" viewBox="0 0 {width * zoom} {height * zoom + foot}">',
        f"<title>{html.escape(title)}</title>",
        f'<image width="{width * zoom}" height="{height * zoom}" '
        'preserveAspectRatio="none" style="image-rendering:pixelated" '
        f'href="data:image/png;base64,{pixels}"/>',
    ]
    if caption:
        parts.append(
            f'<text x="2" y="{height * zoom + 17}" font-family="sans-serif" font-size="12" '
            f'fill="#555">{html.escape(caption)}</text>'
        )
    parts.append("</svg>\n")
    return "\n".join(parts).encode()


def curves_csv(history: History, spec: Spec, steps_per_epoch: int) -> bytes:
    """Return every step as a row: step, epoch, J and its terms, the live values, what changed.

    Numbers have a decimal point whatever the locale, and as many digits as they need. The spec
    holds the values at the start; changes are applied where they happened.
    """
    live = [p.name for p in describe(type(spec)) if p.hyper.live]
    values = {name: getattr(spec, name) for name in live}
    for _, change in reversed(history.changes):
        values[change.name] = change.old
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["step", "epoch", "J", *history.term_names, *live, "changed"])
    pending = list(history.changes)
    for step, terms in zip(history.steps.tolist(), history.terms.tolist(), strict=True):
        said = []
        while pending and pending[0][0] < step:
            change = pending.pop(0)[1]
            values[change.name] = change.new
            said.append(f"{change.name} {change.old!r} -> {change.new!r}")
        numbers = [repr(float(number)) for number in (sum(terms), *terms)]
        row = [step, repr(step / max(steps_per_epoch, 1)), *numbers]
        writer.writerow([*row, *(repr(values[name]) for name in live), "; ".join(said)])
    return out.getvalue().encode()


def evaluations_csv(history: History) -> bytes:
    """Return every evaluation as a row: step, epoch, accuracies and loss; empty where unknown."""
    names = ("step", "epoch", "train_accuracy", "validation_accuracy", "validation_loss")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    for event in history.evaluations:
        values = [getattr(event, name) for name in names]
        writer.writerow(["" if value is None else repr(value) for value in values])
    return out.getvalue().encode()


def columns_csv(columns: Mapping[str, NDArray[Any]]) -> bytes:
    """Return arrays (N,) of one length as named columns."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    rows = zip(*(array.tolist() for array in columns.values()), strict=True)
    writer.writerows([repr(value) for value in row] for row in rows)
    return out.getvalue().encode()


def _plain(weights: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name: np.ascontiguousarray(array) for name, array in weights.items()}


def weights_npz(weights: Mapping[str, NDArray[Any]]) -> bytes:
    """Return W1 (D, L), b1 (L,), W2 (L, D), b2 (D,) as an ``.npz`` archive."""
    out = io.BytesIO()
    np.savez(out, **_plain(weights))  # type: ignore[arg-type]
    return out.getvalue()


def weights_safetensors(
    weights: Mapping[str, NDArray[Any]], metadata: Mapping[str, str] | None = None
) -> bytes:
    """Return the weights as safetensors, the settings as its metadata."""
    return to_safetensors(_plain(weights), metadata)
