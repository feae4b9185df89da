"""A run is a folder: what was set, every step, keyframes of the weights, and checkpoints.

run.json          settings, data, seed, versions, outcome, test scores
history.jsonl     append-only; each line a checksum and a JSON object
keyframes/        weights at some steps, safetensors, float32
labels.json       tags, a note and a colour, from a person
best.safetensors  of a network that is validated, the weights that validation chose
checkpoints/      the newest two generations of all that an exact continuation needs
"""

from __future__ import annotations

from app.core.runs.folder import RunFolder, list_runs
from app.core.runs.info import (
    BestInfo,
    ModelInfo,
    Outcome,
    ParentInfo,
    RunInfo,
    SourceInfo,
    TestScore,
    WeightsInfo,
)
from app.core.runs.recorder import Recorder

__all__ = [
    "BestInfo",
    "ModelInfo",
    "Outcome",
    "ParentInfo",
    "Recorder",
    "RunFolder",
    "RunInfo",
    "SourceInfo",
    "TestScore",
    "WeightsInfo",
    "list_runs",
]
