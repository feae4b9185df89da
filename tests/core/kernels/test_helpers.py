"""The kernels' threads: started all before the first task, gone with their owner."""

from __future__ import annotations

import gc
import threading

import pytest

from app.core.kernels.helpers import Helpers


def living(helpers_before):
    return {t for t in threading.enumerate() if t.name.startswith("kernel-")} - helpers_before


def test_each_does_its_part():
    helpers = Helpers(3)
    seen = []
    for part, inbox in enumerate(helpers.inboxes, 1):
        inbox.put((seen.append, part))
    for _ in helpers.inboxes:
        helpers.outbox.get()
    assert sorted(seen) == [1, 2, 3]


def test_they_end_when_nobody_needs_them():
    before = living(set())
    helpers = Helpers(2)
    own = living(before)
    assert len(own) == 2
    del helpers
    gc.collect()
    for thread in own:
        thread.join(10)
    assert not any(thread.is_alive() for thread in own)


@pytest.mark.parametrize("allowed", [0, 1])
def test_when_the_system_refuses_threads_there_are_fewer(monkeypatch, allowed):
    original, started = threading.Thread.start, []

    def start(self):
        if len(started) == allowed:
            raise RuntimeError("can't start new thread")
        started.append(self)
        original(self)

    monkeypatch.setattr(threading.Thread, "start", start)
    helpers = Helpers(3)
    assert len(helpers.inboxes) == allowed
    assert helpers.wanted == 3
