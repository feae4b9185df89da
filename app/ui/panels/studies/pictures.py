"""What is seen of a study: curves, filters, the heat map and all trials as lines."""

from __future__ import annotations

from PyQt6.QtCore import pyqtSignal

from app.core.compare.curves import of_what
from app.core.studies.look import MOST_TRIALS, Look
from app.core.studies.results import StudyResults, heat_map
from app.ui.panels.studies.filters import FilterStrip
from app.ui.panels.studies.maps import ParallelPlot, TrialMap
from app.ui.widgets.card import TabbedCard
from app.ui.widgets.run_curves import RunCurves

__all__ = ["CURVES", "FILTERS", "MAP", "PARALLEL", "StudyPictures"]

CURVES, FILTERS, MAP, PARALLEL = range(4)


class StudyPictures(TabbedCard):
    """Four pages on the trials of one study.

    Signals
    -------
    trial_chosen(int)
        The number of a trial that was clicked.
    """

    trial_chosen = pyqtSignal(int)

    def __init__(self) -> None:
        super().__init__(
            ["Curves", "Filters", "Heat map", "All trials"],
            "studyPictures",
            [
                "Cost of the trials over each other, also while they train; a band reaches over the "
                "seeds",
                "Filters of the trials, also while they form",
                "The mean result over the two settings that vary; it needs two",
                "Every trial as a line across its settings",
            ],
        )
        self.curves = RunCurves()
        self.filters = FilterStrip()
        self.map = TrialMap()
        self.parallel = ParallelPlot()
        for chooser in (self.filters, self.map, self.parallel):
            chooser.chosen.connect(self.trial_chosen)
        for page in (self.curves, self.filters, self.map, self.parallel):
            self.add_page(page)
        self._few = ""
        self.on_page_changed(lambda _: self._say_few())

    def set_results(self, results: StudyResults | None) -> None:
        """Show the results of a study; None shows nothing."""
        varied = [] if results is None else [one.name for one in results.spec.vary]
        found = None
        if results is not None and len(varied) >= 2:
            found = heat_map(results, varied[0], varied[1])
        percent = results is not None and results.spec.objective == "accuracy"
        self.map.set_map(
            found,
            least_is_best=results is None or results.spec.least_is_best,
            percent=percent,
        )
        self.tabs[MAP].setEnabled(found is not None)
        if found is None and self.page == MAP:
            self.show_page(CURVES)
        self.parallel.set_results(results)

    def show_trial(self, trial: int | None) -> None:
        """Show one trial above the others."""
        self.filters.show_trial(trial)
        self.parallel.highlight(trial)

    def set_look(self, look: Look, results: StudyResults | None) -> None:
        """Draw the curves and the filters that were read of a study."""
        accuracy = results is not None and results.spec.objective == "accuracy"
        many = results is not None and len(results.trials) > MOST_TRIALS
        self._few = f"the best {MOST_TRIALS} and the chosen one" if many else ""
        self._say_few()
        shown = [(curve.name, curve.colour) for curve in look.curves]
        if shown and shown == [(curve.name, curve.colour) for curve in self.curves.curves]:
            self.curves.renew(look.curves)
        else:
            # Validation is asked once an epoch: few points, which need no logarithmic axis.
            self.curves.set_options(log_x=not accuracy, log_y=not accuracy)
            label = "per cent right" if accuracy else "cost"
            self.curves.set_curves(look.curves, label, of="" if accuracy else of_what("cost"))
        self.filters.set_pictures(look.pictures)

    def _say_few(self) -> None:
        """Say which trials are seen, on the pages that do not show all."""
        self.note.setText(self._few if self.page in (CURVES, FILTERS) else "")
