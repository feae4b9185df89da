"""What the colours of the frames mean, and how many pairs have each."""

from __future__ import annotations

from collections.abc import Mapping

from PyQt6.QtWidgets import QHBoxLayout, QLabel, QWidget

from app.core.compare.matching import ALIKE, WEAK, Grade
from app.ui.theme import theme
from app.ui.widgets.card import quiet_label

__all__ = ["COLOURS", "PairLegend"]

# The theme's colour of each frame.
COLOURS: Mapping[Grade, str] = {"alike": "good", "akin": "warm", "chance": "bad", "alone": "faint"}
MEANINGS: Mapping[Grade, tuple[str, str]] = {
    "alike": (f"the same, {{r}} ≥ {ALIKE:g}", "Both runs learned this filter"),
    "akin": (f"akin, {{r}} ≥ {WEAK:g}", "Something of it is in both"),
    "chance": (
        "as by chance",
        f"{{r}} below {WEAK:g}: of many filters some are so alike by chance",
    ),
    "alone": ("no twin", "The other run has fewer filters; drawn faintly, and last"),
}


class PairLegend(QWidget):
    """A line: a colour, how many pairs have it, and what that means."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("pairLegend")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self._swatches: dict[Grade, QLabel] = {}
        self.words: dict[Grade, QLabel] = {}
        for grade in MEANINGS:
            swatch = QLabel("■")
            words = quiet_label(name=f"pairs_{grade}")
            layout.addWidget(swatch)
            layout.addWidget(words)
            layout.addSpacing(12)
            self._swatches[grade], self.words[grade] = swatch, words
        layout.addStretch(1)
        theme.changed.connect(self._dress)
        self._dress()

    def _dress(self) -> None:
        for grade, swatch in self._swatches.items():
            colour = theme.colour(COLOURS[grade]).name()
            swatch.setStyleSheet(f"color: {colour}; font-size: 13px;")

    def show_counts(self, counts: Mapping[Grade, int] | None, *, sign_matters: bool) -> None:
        """Say how many there are of each; None where nothing is paired."""
        self.setVisible(counts is not None)
        r = "r" if sign_matters else "|r|"
        for grade, (text, tip) in MEANINGS.items():
            count = 0 if counts is None else counts.get(grade, 0)
            words = self.words[grade]
            words.setText(f"{count} {text.format(r=r)}")
            words.setToolTip(tip.format(r=r))
            # Nobody needs to know of what is not there.
            for part in (words, self._swatches[grade]):
                part.setVisible(bool(count) or grade != "alone")
