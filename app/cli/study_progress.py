"""What ``filterscope study`` says while it works."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

__all__ = ["StudyProgress"]


class StudyProgress:
    """One line on standard error that is redrawn; in a file, a line for each run."""

    def __init__(self, studies: Sequence[Any]) -> None:
        from app.core.studies.folder import FINISHED
        from app.core.studies.watch import Watch

        self.terminal = sys.stderr.isatty()
        self._studies = {study.info.study_id: study for study in studies}
        self._several = len(studies) > 1
        self._total = sum(study.spec.run_count for study in studies)
        members = [(study, member) for study in studies for member in study.info.members]
        self._done = sum(
            run is not None and run.info.state in FINISHED
            for run in (study.run_of(member) for study, member in members)
        )
        self._at_work: dict[tuple[str, int], float] = {}
        self._watch = Watch()
        self._results: list[Any] = []
        self._last = 0.0
        self._open = False

    def take(self, event: Any) -> None:
        """Show an event."""
        from app.core.studies import conduct
        from app.core.studies.results import read_results

        self._watch.take(event)
        if self.terminal and isinstance(event, conduct.MemberBegan | conduct.MemberEnded):
            self._results = [read_results(study) for study in self._studies.values()]
        if isinstance(event, conduct.MemberMoved):
            self._at_work[event.study_id, event.number] = event.epoch / max(event.epochs, 1)
            self._draw()
        elif isinstance(event, conduct.MemberBegan):
            self._at_work[event.study_id, event.number] = 0.0
            again = "" if event.attempt == 1 else ", once more"
            self._say(f"{self._name(event)}: {event.worker}{again}")
        elif isinstance(event, conduct.MemberEnded):
            self._at_work.pop((event.study_id, event.number), None)
            self._done += event.state in ("done", "converged", "diverged", "failed")
            value = "" if event.value is None else f" {event.value:.5g}"
            message = f": {event.message}" if event.message else ""
            self._say(f"{self._name(event)}: {event.state}{value}{message}")
        elif isinstance(event, conduct.Said):
            self._say(event.message)

    def _name(self, event: Any) -> str:
        from app.core.studies.results import words_of

        study = self._studies[event.study_id]
        # Which runs there are may have grown since.
        members = study.info.members
        words = f"run {event.number}"
        if event.number < len(members):
            member = members[event.number]
            words = f"{words_of(study.spec, member.values)}, seed {member.seed}"
        return f"{study.spec.title}, {words}" if self._several else words

    def _say(self, text: str) -> None:
        if self._open:
            print(f"\r{'':78}\r", end="", file=sys.stderr)
            self._open = False
        print(text, file=sys.stderr, flush=True)
        self._last = 0.0
        self._draw()

    def _draw(self) -> None:
        from app.core.words import wait_in_words

        now = time.monotonic()
        if not self.terminal or now - self._last < 0.1:
            return
        self._last = now
        shares = " ".join(f"{share:.0%}" for share in self._at_work.values())
        line = f"{self._done} of {self._total} runs done   at work: {shares}"
        left = self._watch.seconds_left(self._results)
        if left is not None and self._at_work:
            line += f"   {wait_in_words(left)} left"
        print(f"\r{line[:78]:78}", end="", file=sys.stderr, flush=True)
        self._open = True

    def end(self) -> None:
        """Leave the line."""
        if self._open:
            print(file=sys.stderr)
            self._open = False
