"""What a run folder gives as files agrees with the run, and needs its data only where it must."""

from __future__ import annotations

import csv
import io
import json
import shutil
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

from app.core.data.cutting import cut_patches
from app.core.data.preprocess import preprocess
from app.core.data.reader import open_patches
from app.core.errors import UsageError
from app.core.history import History
from app.core.models.autoencoder import pca_bound, reconstruct
from app.core.mosaic import mosaic
from app.core.params import describe
from app.core.probe import spread_rows
from app.core.run_exports import export_run
from app.core.runs import RunFolder
from app.core.specs import AutoencoderSpec, PreprocessSpec
from app.core.takeaway.contents import COLOURS, SHOWN, cost_chart, reopen
from app.core.takeaway.moments import telling_moments
from tests.core.trained import images, record, write

KINDS = {
    "filters": ("png", "svg"),
    "reconstructions": ("png", "svg"),
    "curves": ("csv", "svg", "png", "tfevents"),
    "weights": ("npz", "safetensors"),
    "report": ("html",),
    "script": ("py",),
}
SPEC = AutoencoderSpec(hidden_units=9, batch_size=32, epochs=5, solver="sgd", held_out=10)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("exports")


@pytest.fixture(scope="module")
def run(place):
    return record(place, write(place / "p.h5", images()), SPEC, live=[SPEC.changed(rho=0.1)])


@pytest.fixture(scope="module")
def colour(place):
    file = write(place / "colour.h5", images(seed=1))
    spec = SPEC.changed(decoder="linear", hidden_units=10)
    return record(
        place, file, spec,
        PreprocessSpec(grayscale=False, whiten="computed", clip=False, rescale=False),
    )  # fmt: skip


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize(("what", "kind"), [(w, k) for w, kinds in KINDS.items() for k in kinds])
def test_every_export_can_be_made_twice_with_the_same_bytes(run, what, kind):
    data, notes = export_run(run, what, kind)
    assert notes == []
    assert data
    # A zip archive notes the time, and the order of safetensors' metadata is by chance.
    if kind not in ("npz", "safetensors"):
        assert export_run(RunFolder.open(run.path), what, kind)[0] == data


@pytest.mark.parametrize(
    ("what", "kind"), [("pictures", "png"), ("filters", "gif"), ("weights", ""), ("script", "png")]
)
def test_what_cannot_be_made_is_one_sentence(run, what, kind):
    with pytest.raises(UsageError, match=r"There is no|cannot be"):
        export_run(run, what, kind)


@pytest.mark.parametrize("zoom", [1, 3])
@pytest.mark.parametrize("scale", ["own", "common", "diverging"])
def test_the_filter_sheet_is_w1_pixel_by_pixel(run, zoom, scale):
    data, _ = export_run(run, "filters", "png", zoom=zoom, scale=scale)
    w1 = run.read_weights()[1]["W1"]
    expected = mosaic(w1.T.reshape(9, 6, 6), scale=scale)
    np.testing.assert_array_equal(pixels(data), expected.zoomed(zoom))
    text = Image.open(io.BytesIO(data)).text
    assert text["rho"] == "0.05"
    assert text["hidden_units"] == "9"
    assert text["data_sha256"] == run.info.source.sha256
    assert json.loads(text["filterscope"])["run_id"] == run.info.run_id


def test_whitened_filters_are_shown_as_they_act_on_pixels(colour, place):
    data, _ = export_run(colour, "filters", "png", zoom=1)
    fitted = preprocess(open_patches(place / "colour.h5"), colour.info.preprocess).fitted
    w1 = colour.read_weights()[1]["W1"]
    tiles = (fitted.whitening @ w1).astype(np.float32).T.reshape(10, 3, 6, 6)
    np.testing.assert_array_equal(pixels(data), mosaic(tiles).pixels)
    # The whitening is symmetric: what W1 says of whitened rows, ZCA·W1 says of pixels.
    x = np.random.default_rng(0).standard_normal((5, 108))
    np.testing.assert_allclose((x @ fitted.whitening) @ w1, x @ (fitted.whitening @ w1), rtol=1e-9)


def test_reconstructions_are_rows_of_input_output_and_residual(run, place):
    shown = pixels(export_run(run, "reconstructions", "png", zoom=1)[0]).astype(float)
    x = preprocess(open_patches(place / "p.h5"), run.info.preprocess).x[:110]
    rows = x[spread_rows(110, SHOWN)]
    output = reconstruct(run.read_weights()[1], rows, "sigmoid")
    assert shown.shape == (6 * 7 + 1, 16 * 7 + 1)
    reach = np.abs(rows - output).max()
    for band in range(2):
        for column in range(16):
            index = band * 16 + column
            for line, values in enumerate(
                ((rows - 0.1) / 0.8, (output - 0.1) / 0.8, 0.5 + (rows - output) / reach / 2)
            ):
                top, left = (band * 3 + line) * 7 + 1, column * 7 + 1
                tile = shown[top : top + 6, left : left + 6]
                expected = np.clip(values[index].reshape(6, 6), 0, 1) * 255
                assert np.abs(tile - expected).max() <= 0.52


def test_weights_and_curves_are_those_of_the_run(run):
    weights = run.read_weights()[1]
    with np.load(io.BytesIO(export_run(run, "weights", "npz")[0]), allow_pickle=False) as file:
        for name, array in weights.items():
            np.testing.assert_array_equal(file[name], array)
    for name, array in safetensors.numpy.load(export_run(run, "weights", "safetensors")[0]).items():
        np.testing.assert_array_equal(array, weights[name])
    rows = list(csv.DictReader(io.StringIO(export_run(run, "curves", "csv")[0].decode())))
    history, _ = run.read_history()
    assert [float(row["sparsity"]) for row in rows] == history.terms[:, 2].tolist()
    assert float(rows[-1]["epoch"]) == 5
    assert [row["changed"] for row in rows if row["changed"]] == ["rho 0.05 -> 0.1"]


def test_the_chart_has_a_line_a_term_the_bound_and_the_marks(run, place):
    history, _ = run.read_history()
    x = preprocess(open_patches(place / "p.h5"), run.info.preprocess).x
    drawn = cost_chart(history, SPEC, 4, pca_bound(x, 9))
    assert [curve.name for curve in drawn.curves] == ["J", "reconstruction", "decay", "sparsity"]
    np.testing.assert_allclose(drawn.curves[0].y, history.terms.sum(axis=1))
    np.testing.assert_allclose(drawn.curves[0].x, np.arange(1, 21) / 4)
    ((at, words),) = drawn.marks
    step, change = history.changes[0]
    assert (at, words) == ((step + 1) / 4, "ρ 0.05 → 0.1")
    assert (change.old, change.new) == (0.05, 0.1)
    svg = export_run(run, "curves", "svg")[0].decode()
    root = ElementTree.fromstring(svg)
    said = [element.text for element in root.iter() if element.text]
    assert "PCA, 9 components" in said
    assert "ρ 0.05 → 0.1" in said
    assert all(colour in svg for colour in COLOURS.values())
    # A term that is nothing has no line: a logarithm could not show it.
    assert "decay" not in {
        c.name for c in cost_chart(_without_decay(history), SPEC, 4, None).curves
    }


def _without_decay(history):
    plain = History(history.term_names)
    plain.append(1, history.terms * [1, 0, 1])
    return plain


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text, self.outside = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.outside += [v for k, v in attrs if k in ("src", "href") and not v.startswith("data:")]

    def handle_data(self, data):
        self.text.append(data)


def test_the_report_stands_alone_and_says_everything(run):
    page = Page()
    page.feed(export_run(run, "report", "html")[0].decode())
    said = " ".join(page.text)
    assert page.outside == []
    # Filters and reconstructions, and filters on the way where there are keyframes of it.
    on_the_way = telling_moments(run, 4)
    assert (len(on_the_way) >= 3) == (len(run.keyframes()) > 2)
    assert page.tags.count("img") == 2 + len(on_the_way)
    assert "svg" in page.tags
    assert "script" not in page.tags
    for spec in (run.info.spec, run.info.preprocess):
        for parameter in describe(type(spec)):
            assert parameter.hyper.label in said
            assert parameter.hyper.symbol in said
    for word in ("ρ 0.05 → 0.1", "0.05", run.info.source.sha256, run.info.run_id, "p.h5"):
        assert word in said
    assert f"{sum(run.info.outcome.terms):.6g}" in said


def test_what_a_file_says_is_never_part_of_the_page(run, tmp_path):
    nasty = "<script>alert(1)</script>"
    values = run.info.model_dump()
    values["engine"] = values["run_id"] = values["versions"]["numpy"] = nasty
    values["source"]["path"] = f"/x/{nasty}.h5"
    hurt = RunFolder(run.path, type(run.info).build(values))
    page = Page()
    data, notes = export_run(hurt, "report", "html")
    page.feed(data.decode())
    assert "script" not in page.tags
    assert len(notes) == 2


def test_without_the_data_only_what_needs_it_is_missing(run, place):
    file = place / "p.h5"
    away = file.rename(place / "away.h5")
    try:
        for what, kind in (
            ("filters", "png"),
            ("weights", "npz"),
            ("curves", "csv"),
            ("script", "py"),
        ):
            assert export_run(run, what, kind)[1] == []
        data, notes = export_run(run, "curves", "svg")
        assert "No PCA bound is drawn" in notes[0]
        assert b"PCA" not in data
        _, notes = export_run(run, "report", "html")
        assert any("No reconstructions" in note for note in notes)
        with pytest.raises(Exception, match=r"p\.h5") as caught:
            export_run(run, "reconstructions", "png")
        assert "\n" not in str(caught.value)
        # Another file of the same name is not taken for it.
        write(file, images(seed=5))
        with pytest.raises(UsageError, match="not what it was"):
            export_run(run, "reconstructions", "png")
    finally:
        away.replace(file)


def test_a_damaged_record_is_exported_as_far_as_it_goes_and_said(run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(run.path, copy)
    log = copy / "history.jsonl"
    log.write_bytes(log.read_bytes()[:-100])
    data, notes = export_run(RunFolder.open(copy), "curves", "csv")
    assert "cut off" in notes[0]
    assert data.decode().count("\n") < 21
    newest = RunFolder.open(copy).keyframes()[-1][1]
    newest.write_bytes(b"junk")
    _, notes = export_run(RunFolder.open(copy), "weights", "npz")
    assert "an earlier one is" in notes[0]


@pytest.mark.parametrize("dataset", ["cut ", "cut x", "cut 6 -1", "cut " + "9" * 30])
def test_a_run_that_does_not_say_how_it_was_cut_is_refused(run, dataset):
    values = run.info.model_dump()
    values["source"]["dataset"] = dataset
    hurt = RunFolder(run.path, type(run.info).build(values))
    with pytest.raises(UsageError, match="how the patches were cut"):
        export_run(hurt, "reconstructions", "png")


def test_cut_photographs_are_cut_the_same_again(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for number in range(2):
        rng = np.random.default_rng(number)
        Image.fromarray(rng.integers(0, 255, (40, 50, 3), np.uint8)).save(folder / f"{number}.png")
    patches = preprocess(cut_patches(folder, size=6, count=50, seed=3), PreprocessSpec())
    run = RunFolder.create(
        tmp_path, kind="autoencoder", run_id="1", spec=SPEC, preprocess=patches.fitted.spec,
        source=patches.source, threads=1,
    )  # fmt: skip
    again = reopen(RunFolder.open(run.path))
    np.testing.assert_array_equal(again.x, patches.x)
    Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save(folder / "0.png")
    with pytest.raises(UsageError, match="not what it was"):
        reopen(run)
