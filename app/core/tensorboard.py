"""The curves of a run as an event file of TensorBoard."""

from __future__ import annotations

import datetime
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from app.core.errors import UsageError
from app.core.history import History

__all__ = ["event_file"]


def event_file(
    history: History, started: str, seconds: float, settings: Mapping[str, str] | None = None
) -> bytes:
    """Return an event file with each term at each step, each evaluation, and the settings.

    A file whose name holds ``tfevents`` is found by TensorBoard below the folder it is given.

    Parameters
    ----------
    started : str
        When the run began, ISO 8601.
    seconds : float
        How long it took. When each step was taken is not kept: they are spread evenly.
    settings : mapping, optional
        Names and values; TensorBoard shows them as a table under its Text tab.

    Raises
    ------
    UsageError
        tensorboardX is not installed.
    """
    try:
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.summary_pb2 import Summary
    except ImportError as error:
        raise UsageError(
            f"tensorboardX is not installed ({error}).", 'Say: pip install "filterscope[export]"'
        ) from None
    began = datetime.datetime.fromisoformat(started).timestamp()
    last = int(history.steps[-1]) if len(history) else 1
    records = [Event(wall_time=began, file_version="brain.Event:2")]
    if settings:
        records.append(Event(wall_time=began, step=0, summary=_text(settings)))
    for step, values in _values(history):
        summary = Summary(
            value=[Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        )
        when = began + seconds * step / last
        records.append(Event(wall_time=when, step=step, summary=summary))
    return b"".join(_record(record.SerializeToString()) for record in records)


def _text(settings: Mapping[str, str]) -> Any:
    """Return the settings as a table in Markdown, as TensorBoard's text plugin reads it."""
    from tensorboardX.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboardX.proto.tensor_pb2 import TensorProto
    from tensorboardX.proto.tensor_shape_pb2 import TensorShapeProto

    def cell(text: str) -> str:
        # A bar would end the cell, markup would be shown as such.
        return "".join(f"\\{c}" if c in "\\|<>*_`[]" else c for c in " ".join(text.split()))

    rows = ["| setting | value |", "|---|---|"]
    rows += [f"| {cell(name)} | {cell(value)} |" for name, value in settings.items()]
    plugin = SummaryMetadata.PluginData(plugin_name="text")
    tensor = TensorProto(
        dtype="DT_STRING",
        string_val=["\n".join(rows).encode(errors="backslashreplace")],
        tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)]),
    )
    metadata = SummaryMetadata(plugin_data=plugin)
    value = Summary.Value(tag="settings/text_summary", metadata=metadata, tensor=tensor)
    return Summary(value=[value])


def _values(history: History) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield what is known at each step, in order."""
    evaluated = {evaluation.step: evaluation for evaluation in history.evaluations}
    changed: dict[int, dict[str, float]] = {}
    for step, change in history.changes:
        changed.setdefault(step + 1, {})[f"settings/{change.name}"] = float(change.new)
    for step, terms, accuracy in zip(
        history.steps.tolist(), history.terms.tolist(), history.accuracies.tolist(), strict=True
    ):
        values = {f"cost/{name}": v for name, v in zip(history.term_names, terms, strict=True)}
        values["cost/J"] = sum(terms)
        if accuracy == accuracy:  # not NaN: something is named
            values["accuracy/batch"] = accuracy
        found = evaluated.get(step)
        if found is not None:
            values["accuracy/train"] = found.train_accuracy
            if found.validation_accuracy is not None:
                values["accuracy/validation"] = found.validation_accuracy
            if found.validation_loss is not None:
                values["cost/validation"] = found.validation_loss
        yield step, values | changed.get(step, {})


def _record(data: bytes) -> bytes:
    """Return data framed as in a TFRecord: length and data, each with its masked CRC-32C."""
    from tensorboardX.crc32c import crc32c

    def masked(part: bytes) -> bytes:
        crc = crc32c(part)
        return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)

    length = struct.pack("<Q", len(data))
    return length + masked(length) + data + masked(data)
