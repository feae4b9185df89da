"""The page of a run says what the run's files say, for both kinds of network."""

from __future__ import annotations

import numpy as np
import pytest

from app.core.control import Control
from app.core.data.batches import EpochOrder
from app.core.data.preprocess import preprocess
from app.core.data.reader import open_patches
from app.core.errors import UsageError
from app.core.events import Steps
from app.core.learners import AutoencoderLearner
from app.core.models.autoencoder import hidden
from app.core.run_exports import export_run
from app.core.runs import Recorder, RunFolder
from app.core.runs.labels import RunLabels, write_labels
from app.core.specs import AutoencoderSpec, PreprocessSpec
from app.core.takeaway.contents import contents_of
from app.core.takeaway.page import Grid
from app.core.takeaway.report import report_page
from app.core.training import train
from tests.core.takeaway.cnn_runs import record_convnet
from tests.core.trained import images, record, write

SPEC = AutoencoderSpec(hidden_units=9, batch_size=32, epochs=5, solver="sgd", held_out=10)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def run(place):
    return record(place, write(place / "p.h5", images()), SPEC, live=[SPEC.changed(rho=0.1)])


@pytest.fixture(scope="module")
def convnet(place):
    return record_convnet(place)


def sections(run):
    return {section.title: section for section in report_page(contents_of(run)).sections}


def test_an_autoencoders_page(run):
    found = sections(run)
    assert list(found) == [
        "Filters", "How they formed", "Reconstructions", "Cost", "Mean activation against ρ",
        "Moved while it trained", "Settings", "Data",
    ]  # fmt: skip
    moved = found["Moved while it trained"].tables[0].rows
    step = run.read_history()[0].changes[0][0]
    assert moved == [(str(step), f"{step / 4:.3g}", "ρ (Target activation)", "0.05", "0.1")]
    # The caption says of what was moved where it was first and last.
    assert "9 units, ρ 0.05 → 0.1, β" in found["Filters"].figures[0].caption
    # The stair is the mean activations in order, and the line is where ρ was in the end.
    chart = found["Mean activation against ρ"].figures[0].content
    assert chart.level == (0.1, "ρ 0.1")
    contents = contents_of(run)
    expected = np.sort(hidden(contents.weights, contents.patches.x[:110]).mean(axis=0))[::-1]
    np.testing.assert_allclose(chart.curves[0].y[::2], expected, rtol=1e-5)
    np.testing.assert_allclose(chart.curves[0].y[1::2], expected, rtol=1e-5)


def test_a_convolutional_networks_page(convnet):
    page = report_page(contents_of(convnet))
    found = {section.title: section for section in page.sections}
    grid = found["What is taken for what"].figures[0].content
    assert isinstance(grid, Grid)
    assert tuple(grid.rows) == convnet.info.classes
    total, right = grid.values.sum(), np.trace(grid.values)
    assert total == len(contents_of(convnet).images.split.validation)
    # The weights are those of the best evaluation, whose accuracy run.json keeps.
    assert right / total == pytest.approx(convnet.info.best.accuracy)
    facts = dict(page.facts)
    assert facts["Best on validation"] == f"{convnet.info.best.accuracy:.1%}"
    assert facts["On test images"] == "43.2%"
    titles = [figure.content.title for figure in found["Loss and accuracy"].figures]
    assert titles == ["Loss", "Accuracy"]
    # In per cent, and no taller than the values and guessing are.
    chart = found["Loss and accuracy"].figures[1].content
    told = [100 * e.validation_accuracy for e in convnet.read_history()[0].evaluations]
    (curve,) = (one for one in chart.curves if one.name == "validation accuracy")
    np.testing.assert_allclose(curve.y, told)
    count = len(convnet.info.classes)
    assert chart.level == (100 / count, f"chance, {100 / count:.3g} %")
    assert (chart.y_label, chart.fitted) == ("per cent right", True)


@pytest.mark.parametrize("kind", ["html", "pdf"])
def test_both_kinds_can_be_written(run, convnet, kind):
    for each in (run, convnet):
        data, _ = export_run(each, "report", kind)
        assert data.startswith(b"<!doctype html>" if kind == "html" else b"%PDF")


def test_a_runs_name_note_and_tags_are_only_words(run, tmp_path):
    nasty = "<script>alert(1)</script>"
    folder = run.path.rename(run.path.with_name("<script>x<_script>"))
    try:
        write_labels(folder, RunLabels(tags=(nasty[:40],), note=nasty))
        text = export_run(RunFolder.open(folder), "report", "html")[0].decode()
    finally:
        (folder / "labels.json").unlink()
        folder.rename(run.path)
    assert "<script" not in text
    assert text.count("&lt;script&gt;") >= 3


def test_one_keyframe_and_no_step_are_enough(run, place, tmp_path):
    once = record(tmp_path, place / "p.h5", SPEC.changed(epochs=1), stop_after=1)
    for path in [path for _, path in once.keyframes()][1:]:
        path.unlink()
    assert "How they formed" not in sections(once)
    (once.path / "history.jsonl").write_bytes(b"")
    assert sections(RunFolder.open(once.path))["Curves"].text == ["No step was recorded."]
    for path in [path for _, path in once.keyframes()]:
        path.unlink()
    assert "No filters are shown" in sections(once)["Filters"].text[0]


def test_a_run_can_be_reported_and_filmed_while_it_trains(run, place, tmp_path):
    """At each batch what is there is told, and the training goes on to the same bits."""
    patches = preprocess(open_patches(place / "p.h5"), PreprocessSpec())
    spec = SPEC.changed(epochs=2)
    part, _ = patches.split(spec.held_out)
    folder = RunFolder.create(
        tmp_path / "live",
        kind="autoencoder",
        run_id="1" * 32,
        spec=spec,
        preprocess=patches.fitted.spec,
        source=patches.source,
        threads=1,
    )
    recorder, told = Recorder(folder), []
    for event in train(
        AutoencoderLearner(part.x, spec, threads=1),
        spec,
        Control(),
        examples=len(part.x),
        order=EpochOrder(len(part.x), spec.seed),
        run_id="1" * 32,
    ):
        recorder.take(event)
        now = RunFolder.open(folder.path)
        if now.info.state != "running" or not isinstance(event, Steps):
            continue
        page = report_page(contents_of(now))
        assert page.lead.startswith("Sparse autoencoder, still training")
        told.append(dict(page.facts).get("Steps"))
        for kind in ("html", "pdf"):
            assert export_run(now, "report", kind)[0]
        if len(now.keyframes()) > 1:
            assert export_run(now, "film", "gif")[0].startswith(b"GIF89a")
        with pytest.raises(UsageError, match="is being trained right now"):
            export_run(now, "archive", "filterscope")
    recorder.close()
    assert len(told) >= 4
    again = record(tmp_path / "quiet", place / "p.h5", spec)
    for name, array in again.read_weights()[1].items():
        np.testing.assert_array_equal(RunFolder.open(folder.path).read_weights()[1][name], array)
