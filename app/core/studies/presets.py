"""The two studies of the exercise's report (parts C and D of its first question)."""

from __future__ import annotations

from typing import Any

from app.core.errors import UsageError
from app.core.studies.spec import StudySpec

__all__ = ["REPORT", "STUDY_PRESETS", "preset_study"]

STUDY_PRESETS: dict[str, dict[str, Any]] = {
    "report-rho": {
        "title": "ρ study",
        "preset": "report",
        "vary": [{"name": "rho", "values": [0.2, 0.5, 0.8]}],
    },
    "report-hidden": {
        "title": "hidden units study",
        "preset": "report",
        "set": {"lam": 1e-3},
        "vary": [{"name": "hidden_units", "values": [25, 64, 100]}],
    },
}
# The word for both of them.
REPORT = "report"


def preset_study(name: str, **more: Any) -> StudySpec:
    """Return a study of the report; `more` are fields that are to be others.

    Raises
    ------
    UsageError
        There is no such study, or a field cannot be so.
    """
    if name not in STUDY_PRESETS:
        raise UsageError(f"There is no study “{name}”; there are {', '.join(STUDY_PRESETS)}.")
    values = {**STUDY_PRESETS[name], **more}
    values["set"] = {**STUDY_PRESETS[name].get("set", {}), **more.get("set", {})}
    return StudySpec.build(values)
