"""How a race stands, in words."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from app.core.events import Change as Moved
from app.core.events import Evaluated, Failed, ParamsChanged, Started, Steps
from app.core.feed import Feed
from app.core.history import History
from app.core.race.contestant import Contestant
from app.core.race.telling import (
    behind,
    figures,
    judged_curves,
    leader,
    line,
    standing_csv,
    verdict,
)
from tests.core.race.racing import SMALL, patches, run_race, specs_of

NAMES = ("reconstruction", "decay", "sparsity")


def racer(name: str, *errors: float, epochs: int = 3) -> Contestant:
    """Return a racer with one step an epoch, of these reconstruction errors."""
    one = Contestant(name, "#000000", SMALL.changed(epochs=epochs), Feed(name), History(NAMES))
    one.take(Started(name, 0, 0, 1, epochs, 10, NAMES, "none"))
    if errors:
        terms = np.array([[error, 1.0, 0.5] for error in errors])
        one.take(Steps(name, 1, terms, 10, 0.1))
    return one


def test_who_is_ahead_is_said_with_what_the_next_has() -> None:
    racers = [racer("ρ 0.05", 4.0, 2.0), racer("ρ 0.2", 3.0, 1.0), racer("ρ 0.5", 5.0, 4.0)]
    assert leader(racers, "reconstruction", least_is_best=True) == 1
    assert verdict(racers, "autoencoder", "reconstruction", ended=False) == (
        "ρ 0.2 is ahead by reconstruction error 1; the next has 2 (+100%)"
    )
    assert verdict(racers, "autoencoder", "cost", ended=True) == (
        "ρ 0.2 won by cost J 2.5; the next has 3.5 (+40%)"
    )


def test_nobody_is_ahead_of_an_equal_nor_before_the_first_step() -> None:
    equal = [racer("a", 2.0), racer("b", 2.0)]
    assert verdict(equal, "autoencoder", "cost", ended=False) == ""
    assert verdict([racer("a"), racer("b")], "autoencoder", "cost", ended=False) == ""


def test_the_last_one_left_has_nobody_to_be_compared_with() -> None:
    racers = [racer("a", 2.0), racer("b", 3.0)]
    racers[1].take(Failed("b", 1, "diverged", "The cost left the numbers.", "", ""))
    assert verdict(racers, "autoencoder", "cost", ended=True) == "a won by cost J 3.5"
    assert line(racers) == (1 / 3, "epoch 1 / 3   ·   2 racers, 1 out")


@pytest.mark.parametrize(
    ("value", "best", "judge", "said"),
    [
        (1.1, 1.0, "cost", "+10%"),
        (1.01, 1.0, "cost", "+1.0%"),
        (1.0, 1.0, "cost", ""),
        (None, 1.0, "cost", ""),
        (1.0, None, "cost", ""),
        (0.5, 0.0, "cost", ""),
        (0.62, 0.65, "accuracy", "−3.0 points"),
    ],
)
def test_how_far_one_is_behind(value, best, judge, said) -> None:
    assert behind(value, best, judge) == said


def test_figures_are_of_what_it_is_judged_by() -> None:
    one = racer("a", 0.25)
    assert figures(one, "reconstruction", "reconstruction error") == (
        "J 1.75  ·  reconstruction error 0.25"
    )
    assert figures(one, "reconstruction", "") == "J 1.75  ·  error 0.25"
    assert figures(one, "cost", "cost J") == "J 1.75"
    assert figures(racer("b"), "cost", "cost J") == ""


def test_before_the_first_look_at_validation_images_the_cost_is_drawn() -> None:
    one = racer("a", 1.0)
    assert judged_curves([one], "accuracy") == "cost"
    one.take(Evaluated("a", 1, 1.0, 0.5, 0.4, 2.0, False))
    assert judged_curves([one], "accuracy") == "validation"
    assert judged_curves([one], "reconstruction") == "term reconstruction"


def test_a_moved_value_is_part_of_the_name() -> None:
    one = racer("a", 1.0)
    one.take(ParamsChanged("a", 1, (Moved("rho", 0.05, 0.3),)))
    assert one.called == "a  (ρ → 0.3)"


def test_the_table_of_a_race_names_the_runs(tmp_path) -> None:
    raced, events = run_race(tmp_path, patches(tmp_path), specs_of(rho=(0.1, 0.5)))
    racers = []
    for one in raced:
        seen = Contestant(one.name, "#000000", one.spec, Feed("x"), History(NAMES), racer=one)
        for event in events:
            if event.run_id == one.run.info.run_id:
                seen.take(event)
        racers.append(seen)
    rows = list(csv.DictReader(io.StringIO(standing_csv(racers, "autoencoder", "cost").decode())))
    assert [row["racer"] for row in rows] == ["ρ 0.1", "ρ 0.5"]
    assert [row["run"] for row in rows] == [one.run.path.name for one in raced]
    assert sorted(row["place"] for row in rows) == ["1", "2"]
    for row, one in zip(rows, racers, strict=True):
        assert float(row["J"]) == float(row["cost_J"]) == one.value("cost")
        assert row["epochs"] == "3"
