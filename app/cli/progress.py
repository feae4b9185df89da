"""What a command says while it works, and how it is interrupted."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

__all__ = ["Interruptible", "Progress"]


class Interruptible:
    """The first Ctrl-C stops and saves; a second one ends at once."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._before: Any = None

    def __enter__(self) -> None:
        import signal

        def asked(_number: int, _frame: types.FrameType | None) -> None:
            signal.signal(signal.SIGINT, self._before)
            print("\nStopping after this batch; the run is kept.", file=sys.stderr)
            self._stop()

        self._before = signal.signal(signal.SIGINT, asked)

    def __exit__(self, *_: object) -> None:
        import signal

        signal.signal(signal.SIGINT, self._before)


class Progress:
    """One line on standard error: redrawn on a terminal, else a line now and then."""

    def __init__(self, noun: str = "patches", *, silent: bool = False) -> None:
        self.noun, self.silent = noun, silent
        self._names: tuple[str, ...] = ()
        self._said = ""
        self.terminal = sys.stderr.isatty()
        self._last = 0.0
        self._steps_per_epoch = self._total = 1
        self._open = False
        # What a stage said last, and what of it was shown.
        self._kept: tuple[str, str] | None = None
        self._shown = ""

    def _due(self) -> bool:
        import time

        now = time.monotonic()
        if now - self._last < (0.1 if self.terminal else 5.0):
            return False
        self._last = now
        return True

    def _show(self, text: str) -> None:
        if self.silent:
            return
        if self.terminal:
            print(f"\r{text:78}", end="", file=sys.stderr, flush=True)
            self._open = True
        else:
            print(text, file=sys.stderr, flush=True)

    def share(self, share: float, text: str) -> None:
        """Show how far some work is."""
        line = f"{text} {share:4.0%}"
        if self.terminal:
            if self._due():
                self._show(line)
            return
        # In a file the last word of each stage stands, whenever it came.
        if self._kept is not None and self._kept[0] != text:
            self._show_kept()
        self._kept = (text, line)
        if self._due() or share >= 1:
            self._show_kept()

    def _show_kept(self) -> None:
        if self._kept is not None and self._kept[1] != self._shown:
            self._shown = self._kept[1]
            self._show(self._shown)

    def take(self, event: Any, result: dict[str, Any]) -> None:
        """Show an event of a training, and note in `result` how it ends."""
        from app.core import events

        if isinstance(event, events.Started):
            self._steps_per_epoch, self._total = event.steps_per_epoch, event.total_steps
            self._names = event.term_names
            self._show(f"{event.examples} {self.noun}, {event.total_steps} steps, {event.engine}")
        elif isinstance(event, events.Steps):
            if self._due():
                epoch = event.last_step / self._steps_per_epoch
                rate = event.examples / max(event.seconds, 1e-9)
                cost = float(event.terms[-1].sum())
                self._show(
                    f"epoch {epoch:.1f} / {self._total // self._steps_per_epoch}   J {cost:.4g}   "
                    f"{rate:,.0f} {self.noun}/s{self._said}"
                )
        elif isinstance(event, events.Evaluated):
            if event.validation_accuracy is not None:
                self._said = f"   {event.validation_accuracy:.1%} validation"
        elif isinstance(event, events.Finished):
            terms = event.terms
            names = self._names
            values = [None] * len(names) if terms is None else [float(v) for v in terms]
            result.update(
                epochs=event.epoch,
                cost=None if terms is None else float(terms.sum()),
                **dict(zip(names, values, strict=True)),
                seconds=event.seconds,
                reason=event.reason,
            )
        elif isinstance(event, events.Failed):
            if event.kind == "bug":
                print(event.traceback_text, file=sys.stderr)
            result["failed"] = (event.message, event.hint)

    def say(self, text: str) -> None:
        """Say something that stays."""
        self.end()
        print(f"filterscope: {text}", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line."""
        self._show_kept()
        self._kept = None
        if self._open:
            print(file=sys.stderr)
            self._open = False
