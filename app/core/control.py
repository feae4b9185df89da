"""The person's hand on a running training, callable from any thread."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from app.core.specs import TrainingSpec

__all__ = ["END", "GIVE_UP", "Control"]

# What `Control.interrupt` says: come back after this step; where a step lasts long, give even that
# one up; and, for a stop, do not wait for what does not answer.
AFTER_STEP, GIVE_UP, END = 1, 2, 3


class Control:
    """Pause, single step, stop and live values for one training.

    Pause and stop are events that are set directly, never queued. A live value is a whole
    new frozen spec: the last one written wins, and the trainer takes it between two steps, so
    that no step mixes old and new.

    Attributes
    ----------
    interrupt : ndarray, shape (1,), int32
        Not zero while something wants the trainer's attention. Kernels that take several
        steps in one call read it between mini-batches and return early. `GIVE_UP` for a pause,
        `END` for a stop: a step that lasts long may be left undone.
    in_haste : bool
        Whether stop is to compute nothing that need not be kept.
    """

    def __init__(self) -> None:
        self.interrupt: NDArray[np.int32] = np.zeros(1, dtype=np.int32)
        self._stop = threading.Event()
        self._running = threading.Event()
        self._running.set()
        self._lock = threading.Lock()
        self._live: TrainingSpec | None = None
        self._single_steps = 0
        self.in_haste = False

    @property
    def stopping(self) -> bool:
        """Whether stop was asked for."""
        return self._stop.is_set()

    @property
    def paused(self) -> bool:
        """Whether the trainer is to wait."""
        return not self._running.is_set()

    def pause(self) -> None:
        """Wait after the mini-batch that is being computed."""
        with self._lock:
            self._running.clear()
            self.interrupt[0] = max(self.interrupt[0], GIVE_UP)

    def resume(self) -> None:
        """Go on."""
        with self._lock:
            self._single_steps = 0
            self._running.set()

    def single_step(self) -> None:
        """Take exactly one more step, then wait."""
        with self._lock:
            self._single_steps += 1
            self.interrupt[0] = max(self.interrupt[0], AFTER_STEP)
            self._running.set()

    def stop(self, *, in_haste: bool = False) -> None:
        """End after the mini-batch that is being computed; a pause is released.

        In haste, nothing is computed any more but what must be kept: somebody wants to leave.
        """
        with self._lock:
            self.in_haste = self.in_haste or in_haste
            self._stop.set()
            self.interrupt[0] = END
            self._running.set()

    def set_live(self, spec: TrainingSpec) -> None:
        """Use the live values of `spec` from the next mini-batch on."""
        with self._lock:
            self._live = spec
            self.interrupt[0] = max(self.interrupt[0], AFTER_STEP)

    def attend(self) -> tuple[TrainingSpec | None, bool]:
        """Take what was asked for, and clear the interruption.

        Returns
        -------
        live : TrainingSpec or None
            The newest spec, if one was written since the last call.
        single : bool
            Whether only one step may be taken now; it counts as taken.
        """
        with self._lock:
            live, self._live = self._live, None
            single = self._single_steps > 0
            if single:
                self._single_steps -= 1
                if self._single_steps == 0 and not self._stop.is_set():
                    self._running.clear()
            if single:
                self.interrupt[0] = END if self.stopping else AFTER_STEP
            elif self.stopping:
                self.interrupt[0] = END
            else:
                self.interrupt[0] = GIVE_UP if self.paused else 0
            return live, single

    def wait_while_paused(self, timeout: float | None = None) -> bool:
        """Block until training may go on; return False if `timeout` seconds passed first."""
        return self._running.wait(timeout)
