"""Looks into a network: one job at a time, at the newest weights, none of a network that is gone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from app.core.nn.network import Network
from app.core.specs import ConvNetSpec
from app.ui.reading_session import Reading, ReadingSession, Wish
from app.workers.thread import Runner
from tests.core.small_images import small_fitted

SPEC = ConvNetSpec.build({"layers": "conv 4 3x3, relu, pool 2, affine 6, relu"})


def weights(seed: int) -> Mapping[str, np.ndarray]:
    network = Network(SPEC.rows, (3, 8, 8), 3)
    network.initialise(np.random.default_rng(seed), how="he")
    return network.weights()


@pytest.fixture
def session(runner: Runner) -> ReadingSession:
    session = ReadingSession(runner)
    session.set_network(small_fitted(), SPEC)
    return session


def test_wishes_that_wait_become_one() -> None:
    image = np.zeros((3, 8, 8), np.uint8)
    both = Wish(answers=True).also(Wish(look=(image, (1,), "maps")))
    assert both.answers
    assert both.look is not None
    assert not both.behaviour
    assert both.also(Wish(look=(image, (2,)))).look == (image, (2,))
    assert not Wish()
    assert both


def test_what_is_wished_is_read_and_nothing_else(qtbot: QtBot, session: ReadingSession) -> None:
    with qtbot.waitSignal(session.read, timeout=20_000) as told:
        session.want(weights(0), Wish(answers=True))
    reading: Reading = told.args[0]
    assert reading.answers is not None
    assert len(reading.answers.rows) == 30
    assert (reading.look, reading.behaviour) == (None, None)
    assert reading.seconds > 0


def test_the_newest_weights_are_read(qtbot: QtBot, session: ReadingSession) -> None:
    readings: list[Reading] = []
    session.read.connect(readings.append)
    for seed in range(20):
        session.want(weights(seed), Wish(behaviour=True))
    qtbot.waitUntil(lambda: not session.busy and bool(readings), timeout=20_000)
    # The first was under way; all that came meanwhile is one wish.
    assert len(readings) == 2
    with qtbot.waitSignal(session.read, timeout=20_000) as told:
        session.want(weights(19), Wish(behaviour=True))
    assert told.args[0].behaviour[0].mean == readings[1].behaviour[0].mean


def test_of_a_network_that_is_gone_nothing_is_told(qtbot: QtBot, session: ReadingSession) -> None:
    readings: list[Reading] = []
    session.read.connect(readings.append)
    session.want(weights(0), Wish(answers=True))
    session.set_network(small_fitted(), SPEC.changed(layers="affine 3"))
    qtbot.waitUntil(lambda: not session.busy, timeout=20_000)
    assert readings == []
    session.set_network(None, SPEC)
    session.want(weights(0), Wish(answers=True))
    assert not session.busy
