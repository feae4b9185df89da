"""A run is a folder: what was set, every step, keyframes of the weights, and checkpoints.

run.json          settings, data, seed, versions, outcome, test scores
history.jsonl     every step; append-only, each line a checksum and a JSON object
units.jsonl       what was measured of units, filters and layers, in the same way
keyframes/        weights at some steps, safetensors, float32, within a budget
labels.json       tags, a note and a colour, from a person
best.safetensors  of a network that is validated, the weights that validation chose
checkpoints/      the newest two generations of all that an exact continuation needs
"""

from __future__ import annotations

from app.core.runs.disk_use import DiskUse
from app.core.runs.folder import RunFolder
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
from app.core.runs.listing import list_runs
from app.core.runs.recorder import Recorder
from app.core.runs.statistics import UnitStatistics

__all__ = [
    "BestInfo",
    "DiskUse",
    "ModelInfo",
    "Outcome",
    "ParentInfo",
    "Recorder",
    "RunFolder",
    "RunInfo",
    "SourceInfo",
    "TestScore",
    "UnitStatistics",
    "WeightsInfo",
    "list_runs",
]
