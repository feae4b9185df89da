"""Who is gone is found out, with the reason, and only who is gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading

import pytest

from app.core.distributed import watch as watching
from app.core.distributed.watch import Member, Watch, life


class Store(dict):
    """A store of keys as torch has them."""

    broken = False

    def set(self, key, value):
        self.check()
        self[key] = value

    def multi_get(self, keys):
        self.check()
        return [self[key].encode() for key in keys]

    def check(self):
        if self.broken:
            raise RuntimeError("Broken pipe")


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def elsewhere(rank):
    return Member(rank, "far", "far 1", 10 + rank, 5.0)


def watch_of(size=3, me=0, members=None):
    """Return a watch whose threads do not run, its store and its clock."""
    store, clock = Store(), Clock()
    members = members or [Member.here(0), *(elsewhere(rank) for rank in range(1, size))]
    for member in members:
        beat(store, member.rank, 0)
    return Watch(store, me, members, pytest.fail, clock=clock), store, clock


def beat(store, rank, number, end=None):
    store[life(rank)] = json.dumps({"beat": number, "end": end})


def test_who_beats_lives_however_slowly_clocks_go():
    watch, store, clock = watch_of()
    for number in range(10):
        clock.now += watching.SILENT_SECONDS - 1
        for rank in (1, 2):
            beat(store, rank, number + 1)
        watch.listen()
        assert watch.problem() is None
    assert watch.speaks


def test_who_is_silent_too_long_is_gone():
    watch, store, clock = watch_of()
    watch.listen()
    clock.now += watching.SILENT_SECONDS + 1
    beat(store, 1, 7)
    watch.listen()
    assert not watch.everyone_ended()
    beat(store, 1, 8, end="")
    assert watch.everyone_ended()
    problem = watch.problem()
    assert problem.message == "Rank 2 (process 12 on far) has not answered for 20 seconds."
    assert "runs resume" in problem.hint
    assert list(watch.gone) == [2]


def test_a_reason_is_told_and_a_good_end_is_none():
    watch, store, clock = watch_of()
    beat(store, 1, 3, end="")
    watch.listen()
    clock.now += 10 * watching.SILENT_SECONDS
    beat(store, 2, 4)
    watch.listen()
    assert watch.problem() is None
    assert not watch.everyone_ended()
    beat(store, 2, 5, end="CPU has too little memory for 50 images at once.")
    watch.listen()
    said = "Rank 2 on far ended: CPU has too little memory for 50 images at once."
    assert watch.problem().message == said
    assert watch.everyone_ended()


def test_who_was_killed_on_this_host_is_known_at_once():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        here = Member.here(0)
        born = watching.psutil.Process(other.pid).create_time()
        member = Member(1, here.host, here.home, other.pid, born)
        watch, _, _ = watch_of(members=[here, member])
        watch.listen()
        assert watch.problem() is None
        other.kill()
        # Not waited for: it stays as a process whose end nobody has asked about.
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
        watch.listen()
        assert watch.problem().message == (
            f"Rank 1 (process {other.pid} on {here.host}) is gone: it was killed, or it crashed."
        )
        assert member.has_died()
    assert member.has_died()
    assert not here.has_died()
    assert Member(1, here.host, here.home, here.pid, here.born - 10).has_died()


def test_a_reason_is_better_than_a_dead_process():
    here = Member.here(0)
    watch, store, _ = watch_of(members=[here, Member(1, here.host, here.home, here.pid, 5.0)])
    beat(store, 1, 3, end="The disk is full.")
    watch.listen()
    assert watch.problem().message == f"Rank 1 on {here.host} ended: The disk is full."


def test_the_first_that_is_left_speaks():
    watch, store, clock = watch_of(me=1, members=[elsewhere(0), Member.here(1), elsewhere(2)])
    watch.listen()
    clock.now += watching.SILENT_SECONDS + 1
    beat(store, 0, 1)
    watch.listen()
    assert list(watch.gone) == [2]
    assert not watch.speaks
    clock.now += watching.SILENT_SECONDS + 1
    watch.listen()
    assert watch.speaks


def test_who_told_why_it_ended_needs_nobody_to_tell_it_again():
    watch, store, _ = watch_of(me=1, members=[elsewhere(0), Member.here(1)])
    beat(store, 0, 1, end="The cost stopped being a finite number.")
    watch.listen()
    assert watch.problem() is not None
    assert not watch.speaks


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(watching, "BEAT_SECONDS", 0.01)
    monkeypatch.setattr(watching, "GRACE_SECONDS", 0.02)


def test_a_training_that_waits_in_vain_is_ended(quick):
    store, left = Store(), threading.Event()
    said = []

    def leave(problem):
        said.append(problem.message)
        left.set()

    watch = Watch(store, 0, [Member.here(0), elsewhere(1)], leave)
    beat(store, 1, 1)
    watch.start()
    beat(store, 1, 2, end="PyTorch broke.")
    assert left.wait(20)
    assert said == ["Rank 1 on far ended: PyTorch broke."]
    assert watch.problem(20).message == said[0]
    watch.close("Rank 1 ended.")
    assert json.loads(store[life(0)])["end"] == "Rank 1 ended."


def test_without_torchrun_nobody_waits(quick):
    store, left = Store(), threading.Event()
    watch = Watch(store, 0, [Member.here(0), elsewhere(1)], lambda problem: left.set())
    beat(store, 1, 1)
    watch.start()
    store.broken = True
    assert "torchrun" in watch.problem(20).message
    assert left.wait(20)
    watch.close()


def test_a_store_that_does_not_answer_is_noticed(quick, monkeypatch):
    monkeypatch.setattr(watching, "SILENT_SECONDS", 0.05)
    asked, released = threading.Event(), threading.Event()

    class Stuck(Store):
        def multi_get(self, keys):
            asked.set()
            released.wait(20)
            return super().multi_get(keys)

    store, left = Stuck(), threading.Event()
    said = []
    watch = Watch(
        store,
        0,
        [Member.here(0), elsewhere(1)],
        lambda problem: (said.append(problem.message), left.set()),
    )
    beat(store, 1, 1)
    watch.start()
    assert asked.wait(20)
    assert left.wait(20)
    assert "has not answered" in said[0]
    released.set()
    watch.close()
