"""``filterscope train cnn``, and what the other commands make of its runs."""

from __future__ import annotations

import csv
import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

from app.cli import main
from app.core.data.image_preprocess import fit_images
from app.core.data.image_reader import open_images
from app.core.nn.network import Network
from app.core.presets import CNN_PRESETS
from app.core.runs import RunFolder
from app.core.specs import ConvNetSpec, ImageSpec
from tests.core.learners_of_images import images

LAYERS = "conv 6 5x5, batchnorm, relu, pool 2, affine 8, relu"
SMALL = [
    *("--set", f"layers={LAYERS}"),
    *("--set", "batch_size=16"),
    *("--set", "train_count=80"),
    *("--set", "validation_count=20"),
    *("--set", "normalisation=per_channel"),
    *("--set", "initialisation=he"),
    *("--set", "evaluate_every=3"),
    *("--epochs", "2"),
]
KEYS = {
    "run",
    "seed",
    "epochs",
    "seconds",
    "loss",
    "data",
    "l2",
    "train_accuracy",
    "val_accuracy",
    "best_val_accuracy",
}


@pytest.fixture
def said(capsys):
    """Run a command; returns its exit code, standard output and standard error."""

    def run(*arguments):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as ended:  # argparse ends by itself
            code = ended.code
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return run


@pytest.fixture
def file(tmp_path):
    drawn = images()
    path = tmp_path / "set.npz"
    np.savez(path, images=drawn.x, labels=drawn.y)
    return path


@pytest.fixture
def trained(said, file, tmp_path):
    code, out, _ = said("train", "cnn", file, "--out", tmp_path / "run", *SMALL, "--json")
    assert code == 0
    return tmp_path / "run", json.loads(out)


def test_what_a_script_is_told(trained):
    folder, result = trained
    assert result.keys() == KEYS
    assert result["run"] == str(folder)
    assert result["epochs"] == 2
    assert result["loss"] == pytest.approx(result["data"] + result["l2"])
    assert 0 <= result["val_accuracy"] <= result["best_val_accuracy"] <= 1
    run = RunFolder.open(folder)
    history, note = run.read_history()
    assert note == ""
    assert history.term_names == ("data", "l2")
    assert len(history) == 10
    assert np.isfinite(history.accuracies).all()
    assert [event.step for event in history.evaluations] == [3, 5, 6, 9, 10]
    last = history.evaluations[-1]
    assert (last.train_accuracy, last.validation_accuracy) == (
        result["train_accuracy"],
        result["val_accuracy"],
    )
    best = max(history.evaluations, key=lambda event: event.validation_accuracy)
    assert (run.info.best.step, run.info.best.accuracy) == (best.step, best.validation_accuracy)
    assert result["best_val_accuracy"] == best.validation_accuracy
    assert run.info.spec == ConvNetSpec(
        layers=LAYERS, batch_size=16, epochs=2, initialisation="he", evaluate_every=3
    )
    assert run.info.preprocess == ImageSpec(
        train_count=80, validation_count=20, normalisation="per_channel"
    )


def test_the_same_seed_gives_the_same_run(trained, said, file, tmp_path):
    _, first = trained
    _, out, _ = said("train", "cnn", file, "--out", tmp_path / "again", *SMALL, "--json")
    second = json.loads(out)
    for name in KEYS - {"run", "seconds"}:
        assert first[name] == second[name]


def test_the_best_weights_can_be_used_by_themselves(trained, file):
    """Its file holds the normalisation too: nothing else is needed to name images."""
    folder, result = trained
    arrays = safetensors.numpy.load_file(folder / "best.safetensors")
    drawn = open_images(file)
    data = fit_images(
        drawn, ImageSpec(train_count=80, validation_count=20, normalisation="per_channel")
    )
    rows = data.split.validation
    x = (drawn.x[rows] - arrays["shift"]) * arrays["factor"]
    network = Network(ConvNetSpec(layers=LAYERS).rows, drawn.shape, len(drawn.classes))
    network.load(arrays)
    right = network.scores(x).argmax(axis=1) == drawn.y[rows]
    assert right.mean() == result["best_val_accuracy"]
    # Exported, they are the same arrays.
    step, weights, note = RunFolder.open(folder).read_weights(best=True)
    assert (step, note) == (RunFolder.open(folder).info.best.step, "")
    for name, array in weights.items():
        np.testing.assert_array_equal(array, arrays[name])


def test_the_test_images_are_looked_at_only_when_asked(trained, said, file, tmp_path):
    assert RunFolder.open(trained[0]).info.tested == ()
    folder = tmp_path / "tested"
    code, out, _ = said("train", "cnn", file, "--out", folder, *SMALL, "--test", "--json")
    assert code == 0
    result = json.loads(out)
    assert result.keys() == KEYS | {"test_accuracy"}
    (score,) = RunFolder.open(folder).info.tested
    assert score.accuracy == result["test_accuracy"]
    assert score.step == RunFolder.open(folder).info.best.step
    _, out, _ = said("runs", "show", folder)
    assert "test_accuracy" in out
    assert "looked again" not in out
    first = RunFolder.open(folder).mark_tested(3, 0.9, 0.1)
    assert first == score
    _, out, _ = said("runs", "show", folder)
    assert out.count("looked again") == 1


def test_people_are_told_in_lines(said, file, tmp_path):
    code, out, err = said("train", "cnn", file, "--out", tmp_path / "run", *SMALL)
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == [
        "run",
        "loss",
        "data",
        "l2",
        "train_accuracy",
        "val_accuracy",
        "best_val_accuracy",
        "epochs",
    ]
    assert "80 images, 10 steps" in err


def test_runs_of_both_kinds_are_listed(trained, said):
    folder, _ = trained
    code, out, _ = said("runs", "list", "--root", folder.parent)
    assert code == 0
    assert "conv 6 5x5" in out
    assert "% validation" in out
    _, out, _ = said("runs", "show", folder)
    assert "120 images" in out
    assert f"layers          {LAYERS}" in out


# --- exports


def test_filters_are_a_picture_in_colour(trained, said, tmp_path):
    code, _, err = said(
        "export", trained[0], "--what", "filters", "--out", tmp_path / "f.png", "--zoom", "2"
    )
    assert code == 0
    assert "right on validation images" in err
    with Image.open(tmp_path / "f.png") as picture:
        # Six tiles of 5×5 in three columns and two rows, a pixel of gap around each.
        assert picture.size == (2 * (3 * 6 + 1), 2 * (2 * 6 + 1))
        assert picture.mode == "RGB"
        assert picture.text["layers"] == LAYERS
        pixels = np.asarray(picture)[::2, ::2]
    weights = RunFolder.open(trained[0]).read_weights(best=True)[1]["W1"][0].transpose(1, 2, 0)
    share = (weights - weights.min()) / np.ptp(weights)
    np.testing.assert_allclose(pixels[1:6, 1:6], 255 * share, atol=0.51)


def test_curves_as_a_table_and_a_drawing(trained, said, tmp_path):
    folder, _ = trained
    for kind in ("csv", "svg", "png"):
        code, _, _ = said("export", folder, "--what", "curves", "--out", tmp_path / f"c.{kind}")
        assert code == 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "c.csv").read_text())))
    history, _ = RunFolder.open(folder).read_history()
    assert [float(row["batch_accuracy"]) for row in rows] == history.accuracies.tolist()
    found = {
        int(r["step"]): float(r["validation_accuracy"]) for r in rows if r["validation_accuracy"]
    }
    assert found == {event.step: event.validation_accuracy for event in history.evaluations}
    np.testing.assert_array_equal(
        [[float(row["data"]), float(row["l2"])] for row in rows], history.terms
    )
    assert "validation accuracy" in (tmp_path / "c.svg").read_text()


def test_weights_as_files(trained, said, tmp_path):
    for kind in ("npz", "safetensors"):
        code, _, _ = said(
            "export", trained[0], "--what", "weights", "--out", tmp_path / f"w.{kind}"
        )
        assert code == 0
    loaded = np.load(tmp_path / "w.npz")
    assert set(loaded) == {
        *("W1", "b1", "gamma1", "beta1", "W2", "b2", "W3", "b3"),
        *("running_mean1", "running_var1"),
    }


@pytest.mark.parametrize(
    ("what", "kind", "message"),
    [
        ("reconstructions", "png", "There is no “reconstructions”"),
        ("filters", "csv", "filters cannot be a .csv file"),
    ],
)
def test_what_a_network_does_not_have_is_said(trained, said, tmp_path, what, kind, message):
    code, _, err = said("export", trained[0], "--what", what, "--out", tmp_path / f"x.{kind}")
    assert code == 2
    assert message in err


def test_a_network_without_filters_has_no_picture(said, file, tmp_path):
    more = ["--set", "layers=affine 5, relu"]
    said("train", "cnn", file, "--out", tmp_path / "run", *SMALL, *more)
    code, _, err = said(
        "export", tmp_path / "run", "--what", "filters", "--out", tmp_path / "f.png"
    )
    assert code == 2
    assert "does not begin with filters" in err


# --- what is refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "layers=conv 4, pool 99"], "size = 99 is out of range"),
        (["--set", "layers=conv 4, pool 9"], "Row 2, pool 9: A pool's window of 9×9"),
        (["--set", "layers=con 4"], "“con 4” is no layer"),
        (["--set", "reg=-1"], "reg = -1"),
        (["--set", "rho=0.1"], "There is no setting “rho”"),
        (["--set", "solver=adamw"], "solver = 'adamw' is out of range: one of sgd"),
        (["--set", "solver=lbfgs", "--set", "dropout=0.5"], "same loss each time"),
        (["--set", "train_count=0"], "train_count = 0"),
    ],
)
def test_bad_settings_are_said_and_nothing_is_written(said, file, tmp_path, arguments, message):
    code, out, err = said("train", "cnn", file, "--out", tmp_path / "run", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert not (tmp_path / "run").exists()


def test_a_test_without_test_images_is_refused_before_training(said, tmp_path):
    drawn = images(40)
    path = tmp_path / "few.npz"
    np.savez(path, images=drawn.x, labels=drawn.y)
    wanted = ["--set", "train_count=30", "--set", "validation_count=10"]
    code, _, err = said("train", "cnn", path, "--out", tmp_path / "run", *wanted, "--test")
    assert code == 2
    assert "There are no test images" in err
    assert not (tmp_path / "run").exists()


def test_divergence_ends_with_the_step_and_a_remedy(said, file, tmp_path):
    wild = ["--set", "solver=sgd", "--set", "learning_rate=1e9", "--set", "reg=10"]
    code, out, err = said("train", "cnn", file, "--out", tmp_path / "run", *SMALL, *wild, "--json")
    assert (code, out) == (1, "")
    assert "The cost stopped being a finite number at step" in err
    assert "Try a learning rate of 1e+08" in err
    run = RunFolder.open(tmp_path / "run")
    assert run.info.state == "diverged"
    assert all(np.isfinite(a).all() for a in run.read_weights()[1].values())


# --- presets


@pytest.mark.parametrize("name", CNN_PRESETS)
def test_every_preset_is_a_network_for_cifar(name):
    preset = CNN_PRESETS[name]
    network = Network(preset.spec.rows, (3, 32, 32), 10)
    assert network.theta.size > 1000
    assert preset.title
    assert preset.teaches.endswith(".")
    assert preset.images.build(preset.images.model_dump()) == preset.images


def test_the_report_preset_is_that_of_the_exercise():
    preset = CNN_PRESETS["report"]
    spec, images_spec = preset.spec, preset.images
    assert spec.layers == "conv 32 7x7, relu, pool 2, affine 500, relu"
    wanted = {
        "epochs": 1,
        "batch_size": 50,
        "solver": "adam",
        "learning_rate": 1e-3,
        "reg": 1e-3,
        "initialisation": "normal",
        "weight_scale": 1e-3,
        "schedule": "constant",
        "dropout": 0.0,
        "loss": "softmax",
    }
    assert {name: getattr(spec, name) for name in wanted} == wanted
    assert (images_spec.train_count, images_spec.validation_count) == (49_000, 1_000)
    assert images_spec.normalisation == "mean_image"
    assert not images_spec.flip
    assert images_spec.crop == 0


def test_a_batch_for_which_there_is_no_room_is_told_before_a_run_is_made(
    said, file, tmp_path, monkeypatch
):
    few = SimpleNamespace(available=1 << 20, total=1 << 40)
    monkeypatch.setattr("app.core.memory.psutil.virtual_memory", lambda: few)
    layers = ("--set", "layers=conv 64 3x3, relu", "--set", "batch_size=80")
    code, _, err = said("train", "cnn", file, "--out", tmp_path / "run", *SMALL, *layers)
    assert code == 1
    assert "for 80 images at once" in err
    assert "1 MiB are free." in err
    assert not (tmp_path / "run").exists()
