"""What is drawn of several runs: each quantity against its own record, bands against their seeds."""

from __future__ import annotations

import csv
import io
import os
from xml.etree import ElementTree

import numpy as np
import psutil
import pytest
from PIL import Image

from app.core.compare.curves import (
    RunCurve,
    curve_of,
    draw,
    overlay_chart,
    overlay_csv,
    quantities,
    together,
    unit_of,
    value_at,
)
from app.core.data.patches import Source
from app.core.events import Change, Evaluated
from app.core.history import History
from app.core.runs import RunInfo, SourceInfo
from app.core.solvers.schedules import rate
from app.core.specs import AutoencoderSpec, ConvNetSpec, ImageSpec, PreprocessSpec

PER_EPOCH = 4
SOURCE = SourceInfo.build(
    Source("x.h5", "data", "NHW", "0..1", 9, (1, 8, 8), "float32", "0" * 64).as_dict()
)


def info(spec=None, **more) -> RunInfo:
    spec = spec or AutoencoderSpec()
    kind = "cnn" if isinstance(spec, ConvNetSpec) else "autoencoder"
    values = {
        "run_id": "one",
        "kind": kind,
        "spec": spec,
        "preprocess": ImageSpec() if kind == "cnn" else PreprocessSpec(),
        "source": SOURCE,
        "started": "2026-01-01T00:00:00+00:00",
        "steps_per_epoch": PER_EPOCH,
        **more,
    }
    return RunInfo.build(values)


def history(steps=12, terms=("reconstruction", "decay", "sparsity"), seed=0) -> History:
    made = History(terms)
    rng = np.random.default_rng(seed)
    made.append(1, rng.uniform(1, 2, (steps, len(terms))), seconds=0.5 * steps)
    return made


def test_the_cost_and_each_of_its_terms():
    kept = history()
    cost = curve_of(info(), kept, "cost", "step", name="a", colour="#000000")
    np.testing.assert_array_equal(cost.x, np.arange(1, 13))
    np.testing.assert_array_equal(cost.y[:, 0], kept.terms.sum(axis=1))
    assert (cost.name, cost.colour) == ("a", "#000000")
    for column, name in enumerate(kept.term_names):
        drawn = curve_of(info(), kept, f"term {name}", "epoch")
        np.testing.assert_array_equal(drawn.y[:, 0], kept.terms[:, column])
        np.testing.assert_array_equal(drawn.x, np.arange(1, 13) / PER_EPOCH)
    # A term of another network is not there; nothing is drawn of it.
    assert len(curve_of(info(), kept, "term l2", "step").x) == 0


def test_time_is_what_the_steps_took_and_nothing_where_nobody_took_it():
    drawn = curve_of(info(), history(), "cost", "seconds")
    np.testing.assert_allclose(drawn.x, 0.5 * np.arange(1, 13))
    old = History(("reconstruction", "decay", "sparsity"))
    old.append(1, np.ones((5, 3)))
    assert len(curve_of(info(), old, "cost", "seconds").x) == 0
    assert len(curve_of(info(), old, "cost", "epoch").x) == 5


def test_accuracies_in_per_cent_at_their_steps():
    kept = History(("data", "l2"))
    kept.append(1, np.ones((8, 2)), np.linspace(0, 1, 8), seconds=4.0)
    for step, value in ((4, 0.25), (8, 0.5)):
        kept.take(Evaluated("", step, step / PER_EPOCH, value + 0.1, value, 1 - value, False))
    kept.take(Evaluated("", 8, 2.0, 0.9, None, None, False))
    of = info(ConvNetSpec())
    validation = curve_of(of, kept, "validation", "epoch")
    np.testing.assert_array_equal(validation.x, [1, 2])
    np.testing.assert_array_equal(validation.y[:, 0], [25, 50])
    train = curve_of(of, kept, "train", "step")
    np.testing.assert_allclose(train.y[:, 0], [35, 60, 90])
    loss = curve_of(of, kept, "validation loss", "seconds")
    np.testing.assert_allclose(loss.x, [2, 4])
    np.testing.assert_array_equal(loss.y[:, 0], [0.75, 0.5])
    batch = curve_of(of, kept, "batch", "step")
    np.testing.assert_allclose(batch.y[:, 0], 100 * np.linspace(0, 1, 8))
    assert unit_of("batch") == unit_of("train") == "per cent right"


def test_a_smooth_line_follows_its_curve_around_a_bend_and_to_its_end():
    x = np.arange(1.0, 20_001) / 80
    true = 0.8 + 1.5 / (1 + (x / 60) ** 2)
    noise = np.random.default_rng(0).normal(size=len(x))
    curve = RunCurve("", "", x, (true * (1 + 0.05 * noise))[:, None])
    drawn = draw(curve, 900, log_x=True, smooth=True)
    late = drawn.x > 1
    expected = np.interp(drawn.x, x, true)
    assert np.abs(drawn.line - expected)[late].max() < 0.05
    # The raw curve is rougher by far.
    assert np.abs(np.diff(drawn.line)).max() < np.abs(np.diff(drawn.raw)).max() / 4


def test_the_learning_rate_follows_the_hand_and_the_schedule():
    kept = history(6)
    kept.changes += [
        (2, Change("learning_rate", 0.1, 0.02)),
        (2, Change("rho", 0.05, 0.2)),
        (5, Change("learning_rate", 0.02, 0.5)),
    ]
    drawn = curve_of(info(AutoencoderSpec(learning_rate=0.1)), kept, "rate", "step")
    np.testing.assert_array_equal(drawn.y[:, 0], [0.1, 0.1, 0.02, 0.02, 0.02, 0.5])
    assert drawn.marks == ((3.0, "η 0.1 → 0.02"), (3.0, "ρ 0.05 → 0.2"), (6.0, "η 0.02 → 0.5"))
    spec = ConvNetSpec(schedule="one_cycle", epochs=3, learning_rate=0.1)
    drawn = curve_of(info(spec), history(12, ("data", "l2")), "rate", "step")
    expected = [rate(spec, step, PER_EPOCH) for step in range(12)]
    np.testing.assert_allclose(drawn.y[:, 0], expected)


def test_what_can_be_drawn_is_what_some_run_has():
    assert list(quantities([info()])) == [
        "cost", "term reconstruction", "term decay", "term sparsity", "rate",
    ]  # fmt: skip
    both = quantities([info(), info(ConvNetSpec())])
    assert {"validation", "train", "batch", "term l2", "term decay"} <= set(both)


def seeds(places, columns):
    return [
        RunCurve(f"seed {number}", "#123456", np.asarray(x, float), np.asarray(y, float)[:, None])
        for number, (x, y) in enumerate(zip(places, columns, strict=True))
    ]


def test_seeds_that_step_alike_are_put_together_exactly():
    rng = np.random.default_rng(0)
    x = np.arange(1.0, 300)
    columns = rng.uniform(1, 2, (3, len(x)))
    whole = together(seeds([x] * 3, columns), "ρ 0.2", "#654321")
    assert (whole.name, whole.colour) == ("ρ 0.2", "#654321")
    np.testing.assert_array_equal(whole.y, columns.T)
    drawn = draw(whole, 1000)
    np.testing.assert_array_equal(drawn.x, x)
    np.testing.assert_allclose(drawn.line, columns.mean(axis=0))
    np.testing.assert_array_equal(drawn.low, columns.min(axis=0))
    np.testing.assert_array_equal(drawn.high, columns.max(axis=0))
    assert drawn.raw is None
    smooth = draw(whole, 1000, smooth=True)
    np.testing.assert_allclose(smooth.raw, columns.mean(axis=0))
    assert (smooth.low <= smooth.line).all()
    assert (smooth.line <= smooth.high).all()
    assert np.ptp(smooth.line[50:]) < np.ptp(drawn.line[50:]) / 2
    alone = draw(whole, 1000, band=False)
    assert alone.low is None
    assert alone.high is None


def test_of_seeds_that_step_otherwise_only_what_all_have_reached_counts():
    whole = together(seeds([[1, 2, 3, 4], [0.5, 2.5]], [[1, 2, 3, 4], [10, 20]]))
    np.testing.assert_array_equal(whole.x, [1, 2])
    np.testing.assert_allclose(whole.y, [[1, 12.5], [2, 17.5]])
    assert len(together(seeds([[]], [[]])).x) == 0
    assert together(seeds([[], [1, 2]], [[], [3, 4]])).y.shape == (2, 1)


def test_few_points_are_drawn_of_many_and_none_before_zero_on_a_logarithmic_axis():
    x = np.arange(0.0, 10_000)
    curve = RunCurve("a", "#000000", x, np.stack([x, x + 2], axis=1))
    drawn = draw(curve, 100, log_x=True)
    assert len(drawn.x) <= 101
    assert drawn.x[0] > 0
    np.testing.assert_allclose(drawn.high - drawn.low, 2)


def test_a_place_is_read_off_at_the_nearest_step():
    curve = RunCurve("a", "#000000", np.array([1.0, 2, 4]), np.array([[1.0, 3], [5, 5], [7, 9]]))
    assert value_at(curve, 2.9) == {"x": 2, "mean": 5, "low": 5, "high": 5}
    assert value_at(curve, 3.1) == {"x": 4, "mean": 8, "low": 7, "high": 9}
    assert value_at(curve, 0.9) is None
    assert value_at(curve, 4.1) is None
    assert value_at(seeds([[]], [[]])[0], 1) is None


def overlay():
    x = np.arange(1.0, 50)
    noise = np.random.default_rng(0).uniform(0.5, 1, (len(x), 3))
    return [
        RunCurve("ρ 0.2", "#0072b2", x, noise, ((7.0, "ρ 0.2 → 0.3"),)),
        RunCurve("ρ <&> 0.5", "#e69f00", x[:9], noise[:9, :1]),
    ]


def test_the_table_has_every_point():
    rows = list(csv.DictReader(io.StringIO(overlay_csv(overlay(), "cost", "epoch").decode())))
    assert len(rows) == 49 + 9
    curve = overlay()[0]
    assert float(rows[5]["cost"]) == curve.y[5].mean()
    assert float(rows[5]["least"]) == curve.y[5].min()
    assert (rows[5]["run"], rows[5]["epoch"], rows[5]["runs"]) == ("ρ 0.2", "6.0", "3")
    plain = overlay_csv(overlay()[1:], "term decay", "step").decode().splitlines()
    assert plain[0] == "run,step,decay"


@pytest.mark.parametrize("log", [False, True])
def test_the_chart_has_bands_faint_raw_curves_and_marks(log):
    chart = overlay_chart(overlay(), "cost", "epoch", log_x=log, log_y=log, smooth=True)
    tree = ElementTree.fromstring(chart.svg().decode())
    space = "{http://www.w3.org/2000/svg}"
    (band,) = tree.findall(f"{space}polygon")
    # 18 % of the colour on white.
    assert band.get("fill") == "#d1e6f1"
    places = [tuple(map(float, pair.split(","))) for pair in band.get("points").split()]
    assert len(places) == 2 * 49
    words = [text.text for text in tree.findall(f"{space}text")]
    assert {"ρ 0.2", "ρ <&> 0.5", "ρ 0.2 → 0.3", "epoch", "cost"} <= set(words)
    # Each line lies within its band.
    (line,) = [
        one for one in tree.findall(f"{space}polyline")
        if one.get("stroke") == "#0072b2" and one.get("stroke-width") == "1.6"
    ]  # fmt: skip
    heights = [float(pair.split(",")[1]) for pair in line.get("points").split()]
    for (_, least), height, (_, greatest) in zip(
        places[:49], heights, reversed(places[49:]), strict=True
    ):
        assert greatest - 0.02 <= height <= least + 0.02
    picture = Image.open(io.BytesIO(chart.png()))
    colours = {colour for _, colour in picture.getcolors(1 << 20)}
    assert (0xD1, 0xE6, 0xF1) in colours


def test_a_long_legend_goes_on_in_another_line():
    x = np.arange(1.0, 5)
    many = [RunCurve(f"a setting with a value {n}", "#0072b2", x, x[:, None]) for n in range(8)]
    tree = ElementTree.fromstring(overlay_chart(many, "cost", "epoch").svg().decode())
    texts = [t for t in tree.iter() if t.text is not None and t.text.startswith("a setting")]
    assert len(texts) == 8
    assert len({text.get("y") for text in texts}) == 3
    assert all(float(text.get("x")) + 6.6 * len(text.text) < 720 for text in texts)


def test_a_smooth_line_turns_where_its_curve_turns():
    x = np.arange(1.0, 402)
    dip = np.abs(x - 201)
    drawn = draw(RunCurve("a", "#000000", x, dip[:, None]), 1000, smooth=True)
    assert drawn.x[np.argmin(drawn.line)] == 201
    np.testing.assert_allclose(drawn.line, drawn.line[::-1])


def test_a_curve_knows_whether_its_run_is_trained_now():

    mine = {"pid": os.getpid(), "pid_started": psutil.Process().create_time()}
    growing = curve_of(info(**mine), history(), "cost", "step")
    over = curve_of(info(), history(), "cost", "step")
    assert growing.growing
    assert not over.growing
    assert together([over, growing]).growing
    assert not together([over, over]).growing
