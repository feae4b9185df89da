"""The studies that a form asks for, on what the labs give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.core.studies.presets import preset_study
from app.core.studies.spec import StudySpec
from app.ui.panels.studies.form import StudyForm

__all__ = ["own_study", "report_studies"]

MOST_LETTERS = 80


def report_studies(
    form: StudyForm, names: Sequence[str], given: Mapping[str, Any]
) -> list[StudySpec]:
    """Return studies of the report, with the data of a lab and the epochs of the form.

    Raises
    ------
    UsageError
        What stands in the form cannot be meant.
    """
    more = {name: given[name] for name in ("data", "layout", "value_range") if name in given}
    epochs = form.epoch_count()
    if epochs is not None:
        more["set"] = {"epochs": epochs}
    return [preset_study(name, **more) for name in names]


def own_study(form: StudyForm, given: Mapping[str, Any]) -> StudySpec:
    """Return the study in the form, with the data and the other settings of a lab.

    Raises
    ------
    UsageError
        What stands in the form cannot be meant.
    """
    values = form.values()
    left = {name: value for name, value in given.items() if name not in ("spec", "preprocess")}
    # What the form says is more than what the lab says.
    settings = {**given.get("spec", {}), **values.pop("set", {}), **given.get("preprocess", {})}
    title = " and ".join(form.varied)[:MOST_LETTERS].lower() or "study"
    return StudySpec.build({**left, **values, "title": title, "set": settings})
