"""Parallel coordinates of a study, drawn as any other chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from app.core.chart import BOTTOM, GRID, HEIGHT, LEFT, QUIET, WIDTH, Area, Chart, Line, Text
from app.core.studies.results import StudyResults, parallel_axes

__all__ = ["ParallelChart", "parallel_chart", "rank_colour"]

TOP = 44
# From the best trial to the worst; told apart by every kind of colour vision.
BEST, WORST = (47, 111, 237), (217, 130, 43)


def rank_colour(share: float) -> str:
    """Return the colour of a trial: 0 is the best, 1 the worst."""
    share = min(max(share, 0.0), 1.0)
    mixed = (round(a + share * (b - a)) for a, b in zip(BEST, WORST, strict=True))
    return "#{:02x}{:02x}{:02x}".format(*mixed)


@dataclass
class ParallelChart(Chart):
    """Upright axes side by side; each trial is a line that crosses them.

    Attributes
    ----------
    axes : sequence of (str, sequence of (float, str))
        Name and ticks of each axis; places run 0 … 1 from its low end.
    lines : sequence of (list of float, str, float)
        Where a trial crosses each axis, its colour and its width, the last drawn on top.
    """

    axes: Sequence[tuple[str, Sequence[tuple[float, str]]]] = field(default_factory=tuple)
    lines: Sequence[tuple[list[float], str, float]] = field(default_factory=tuple)

    def parts(self) -> list[Line | Text | Area]:
        """Return everything to be drawn, back to front."""
        right = WIDTH - LEFT
        across = np.linspace(LEFT, right, max(len(self.axes), 2))
        bottom = HEIGHT - BOTTOM

        def down(place: float) -> float:
            return bottom - place * (bottom - TOP)

        drawn: list[Line | Text | Area] = [
            Line(np.array([[x, TOP], [x, bottom]]), GRID, 1.5) for x in across[: len(self.axes)]
        ]
        for places, colour, width in self.lines:
            points = [(x, down(place)) for x, place in zip(across, places, strict=False)]
            drawn.append(Line(np.array(points), colour, width))
        for number, (x, (name, ticks)) in enumerate(zip(across, self.axes, strict=False)):
            last = number == len(self.axes) - 1
            anchor = "start" if number == 0 else "end" if last else "middle"
            where = x - LEFT + 16 if number == 0 else x + LEFT - 16 if last else x
            drawn.append(Text(float(where), TOP - 18, name, QUIET, anchor))
            for place, words in ticks:
                height = down(place)
                drawn.append(Line(np.array([[x - 3, height], [x + 3, height]]), QUIET))
                side, to = (7, "start") if last else (-7, "end")
                drawn.append(Text(float(x + side), height + 4, words, QUIET, to))
        return drawn


def parallel_chart(results: StudyResults) -> ParallelChart:
    """Return a study's trials as lines across its settings and what they are judged by."""
    axes = parallel_axes(results)
    judged = axes[-1].places
    lines = []
    for number in range(len(results.trials)):
        places = [float(axis.places[number]) for axis in axes]
        if not np.isfinite(places).all():
            continue
        share = judged[number] if results.spec.least_is_best else 1 - judged[number]
        best = results.best is results.trials[number]
        lines.append((share, (places, rank_colour(share), 2.6 if best else 1.2)))
    # The best is drawn last, on top.
    lines.sort(key=lambda line: -line[0])
    return ParallelChart(
        [],
        "",
        "",
        title="Parallel coordinates",
        axes=[(axis.name, axis.ticks) for axis in axes],
        lines=[line for _, line in lines],
    )
