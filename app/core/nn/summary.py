"""A network as a table: what each layer gives, learns, costs and sees."""

from __future__ import annotations

from typing import Any

from app.core.nn.layer_info import LayerInfo, NetworkDescription

__all__ = ["summary_facts", "summary_text"]

HEAD = ("row", "layer", "output", "weights", "multiply-adds", "sees")


def summary_facts(description: NetworkDescription) -> dict[str, Any]:
    """Return the table as plain values, ready for JSON.

    ``multiply_adds`` are those of one image; ``sees`` is the receptive field, height and width.
    """
    return {
        "input": list(description.input_shape),
        "layers": [
            {
                "row": _place(layer),
                "layer": layer.row.text,
                "output": list(layer.out_shape),
                "parameters": {one.name: list(one.shape) for one in layer.parameters},
                "weights": layer.parameter_count,
                "multiply_adds": layer.multiply_adds,
                "sees": list(layer.receptive_field),
            }
            for layer in description.layers
        ],
        "weights": description.parameter_count,
        "multiply_adds": description.multiply_adds,
    }


def summary_text(description: NetworkDescription) -> str:
    """Return the table as lines of text, the sums at its end."""
    size = " × ".join(map(str, description.input_shape))
    rows = [HEAD, ("", "image", size, "", "", "")]
    for layer in description.layers:
        # What is inside a residual block stands above it, set in.
        indent = "  " * (len(layer.place) - 1)
        note = f" ({layer.note})" if layer.note else ""
        words = layer.row.text.partition("(")[0] + note
        rows.append(
            (
                _place(layer),
                indent + words,
                " × ".join(map(str, layer.out_shape)),
                f"{layer.parameter_count:,}" if layer.parameter_count else "",
                f"{layer.multiply_adds:,}" if layer.multiply_adds else "",
                " × ".join(map(str, layer.receptive_field)),
            )
        )
    rows.append(
        ("", "in all", "", f"{description.parameter_count:,}", f"{description.multiply_adds:,}", "")
    )
    wide = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    # Numbers end below each other, words begin so.
    right = (False, False, False, True, True, True)
    return "\n".join(
        "  ".join(
            cell.rjust(width) if ends else cell.ljust(width)
            for cell, width, ends in zip(row, wide, right, strict=True)
        ).rstrip()
        for row in rows
    )


def _place(layer: LayerInfo) -> str:
    return ".".join(str(index + 1) for index in layer.place)
