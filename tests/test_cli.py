"""The command line as a person and a script meet it: what it prints, writes and returns."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from app.cli import main
from app.cli.options import parse_setting
from app.cli.progress import Progress
from app.core.control import Control
from app.core.data.batches import EpochOrder
from app.core.data.preprocess import preprocess
from app.core.data.reader import open_patches
from app.core.errors import UsageError
from app.core.events import Paused, Snapshot, Steps
from app.core.history import History
from app.core.learners import AutoencoderLearner
from app.core.params import describe
from app.core.presets import PRESETS
from app.core.runs import RunFolder
from app.core.specs import AutoencoderSpec, PreprocessSpec
from app.core.training import train
from tests.core.trained import images, write

ROOT = Path(__file__).resolve().parents[1]
TRAIN_KEYS = {"run", "epochs", "cost", "reconstruction", "decay", "sparsity", "seconds", "seed"}
SMALL = ["--set", "hidden_units=8", "--set", "batch_size=32", "--epochs", "3"]


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
def data(tmp_path):
    return write(tmp_path / "p.h5", images())


@pytest.fixture
def trained(said, data, tmp_path):
    """Train a little; returns the run's folder and what was printed as JSON."""
    out = tmp_path / "run"
    code, text, _ = said("train", "autoencoder", data, "--out", out, *SMALL, "--json")
    assert code == 0
    return out, json.loads(text)


# --- train


def test_training_prints_one_json_object_and_nothing_else(trained, data):
    out, result = trained
    assert set(result) == TRAIN_KEYS
    assert result["run"] == str(out)
    assert result["epochs"] == 3
    assert result["seed"] == 0
    total = result["reconstruction"] + result["decay"] + result["sparsity"]
    assert result["cost"] == pytest.approx(total, rel=1e-12)
    assert RunFolder.open(out).info.source.path == str(data)
    assert {path.name for path in out.iterdir()} == {
        "run.json", "history.jsonl", "units.jsonl", "keyframes", "checkpoints",
    }  # fmt: skip


def test_training_prints_for_people_too(said, data, tmp_path):
    code, out, err = said("train", "autoencoder", data, "--out", tmp_path / "run", *SMALL)
    assert code == 0
    lines = dict(line.split(maxsplit=1) for line in out.strip().splitlines())
    assert list(lines) == ["run", "cost", "reconstruction", "decay", "sparsity", "epochs"]
    assert lines["epochs"].startswith("3 in ")
    assert "120 patches, 12 steps" in err


def test_without_data_the_sample_is_trained_and_kept_where_runs_are_kept(
    said, tmp_path, monkeypatch
):
    monkeypatch.setenv("FILTERSCOPE_RUNS", str(tmp_path / "kept"))
    code, out, _ = said("train", "autoencoder", "--epochs", "1", "--seed", "7", "--json")
    assert code == 0
    result = json.loads(out)
    assert result["seed"] == 7
    assert Path(result["run"]).parent == tmp_path / "kept"
    assert RunFolder.open(Path(result["run"])).info.source.count == 10_240


def test_the_cost_can_be_computed_again_from_the_exported_weights(said, data, tmp_path):
    """Plain NumPy, the exercise's formula, nothing of this program."""
    out = tmp_path / "run"
    code, text, _ = said(
        "train", "autoencoder", data, "--out", out, *SMALL, "--json",
        "--set", "rho=0.1", "--set", "beta=0.7", "--set", "lam=0.002",
    )  # fmt: skip
    assert code == 0
    result = json.loads(text)
    assert said("export", out, "--what", "weights", "--out", tmp_path / "weights.npz")[0] == 0
    with np.load(tmp_path / "weights.npz", allow_pickle=False) as file:
        W1, b1, W2, b2 = (file[name].astype(np.float64) for name in ("W1", "b1", "W2", "b2"))
    assert (W1.shape, b1.shape, W2.shape, b2.shape) == ((36, 8), (8,), (8, 36), (36,))
    grey = np.tensordot(images() / 255, [0.2126, 0.7152, 0.0722], axes=([1], [0])).reshape(120, -1)
    grey -= grey.mean(axis=1, keepdims=True)
    d = np.clip(grey / (3 * grey.std()), -1, 1) * 0.4 + 0.5
    h = 1 / (1 + np.exp(-(d @ W1 + b1)))
    o = 1 / (1 + np.exp(-(h @ W2 + b2)))
    mean = h.mean(axis=0)
    kl = 0.1 * np.log(0.1 / mean) + 0.9 * np.log(0.9 / (1 - mean))
    parts = {
        "reconstruction": ((d - o) ** 2).sum() / (2 * len(d)),
        "decay": 0.002 / 2 * ((W1**2).sum() + (W2**2).sum()),
        "sparsity": 0.7 * kl.sum(),
    }
    for name, value in parts.items():
        assert result[name] == pytest.approx(value, rel=2e-5)
    assert result["cost"] == pytest.approx(sum(parts.values()), rel=2e-5)


def curve(path):
    return RunFolder.open(path).read_history()[0].terms


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_the_same_seed_gives_the_same_curve_however_it_is_trained(said, data, tmp_path, solver):
    """Twice from the command line, on other threads, and by hand: paused and in single steps."""
    settings = [*SMALL, "--set", f"solver={solver}", "--seed", "3"]
    for name, threads in (("a", 1), ("b", 1), ("c", 2)):
        code, _, _ = said(
            "train", "autoencoder", data, "--out", tmp_path / name, "--threads", threads, *settings
        )
        assert code == 0
    expected = curve(tmp_path / "a")
    np.testing.assert_array_equal(curve(tmp_path / "b"), expected)
    np.testing.assert_array_equal(curve(tmp_path / "c"), expected)

    spec = AutoencoderSpec(hidden_units=8, batch_size=32, epochs=3, solver=solver, seed=3)
    x = preprocess(open_patches(data), PreprocessSpec()).x
    control, history, steps = Control(), History(AutoencoderLearner.term_names), 0
    control.pause()
    for event in train(
        AutoencoderLearner(x, spec), spec, control,
        examples=len(x), order=EpochOrder(len(x), 3), run_id="r",
    ):  # fmt: skip
        history.take(event)
        if isinstance(event, Steps):
            steps += len(event.terms)
        if isinstance(event, Paused):
            # Two single steps, then on; and a pause again later.
            control.single_step() if steps < 2 else control.resume()
        elif isinstance(event, Snapshot) and steps == 2:
            control.pause()
    np.testing.assert_array_equal(history.terms, expected)
    said("train", "autoencoder", data, "--out", tmp_path / "d", *settings, "--seed", "4")
    assert not np.array_equal(curve(tmp_path / "d"), expected)


def test_an_existing_folder_is_not_written_into_without_force(said, trained, data):
    out, _ = trained
    before = curve(out)
    code, text, err = said("train", "autoencoder", data, "--out", out, *SMALL, "--json")
    assert (code, text) == (2, "")
    assert "exists already" in err
    assert "--force" in err
    np.testing.assert_array_equal(curve(out), before)
    code, text, _ = said(
        "train", "autoencoder", data, "--out", out, *SMALL, "--json", "--force", "--epochs", "1"
    )
    assert code == 0
    assert len(curve(out)) == 4
    assert RunFolder.open(out).read_weights()[0] == 4


def test_divergence_is_an_error_with_advice_and_keeps_the_run(said, data, tmp_path):
    code, out, err = said(
        "train", "autoencoder", data, "--out", tmp_path / "run", *SMALL, "--json",
        "--set", "solver=sgd", "--set", "learning_rate=1e6", "--set", "decoder=linear",
    )  # fmt: skip
    assert (code, out) == (1, "")
    assert "stopped being a finite number at step" in err
    assert "Try a learning rate of 1e+05" in err
    run = RunFolder.open(tmp_path / "run")
    assert run.info.state == "diverged"
    assert all(np.isfinite(array).all() for array in run.read_weights()[1].values())


def test_a_preset_is_a_start_that_settings_change(said, data, tmp_path):
    code, _, _ = said(
        "train", "autoencoder", data, "--out", tmp_path / "run", "--preset", "report",
        "--epochs", "2", "--set", "rho=0,5",
    )  # fmt: skip
    assert code == 0
    info = RunFolder.open(tmp_path / "run").info
    assert info.spec == PRESETS["report"].spec.changed(epochs=2, rho=0.5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "rho"], "is not NAME=VALUE"),
        (["--set", "rhoo=1"], "There is no setting “rhoo”"),
        (["--set", "=1"], "There is no setting"),
        (["--set", "rho=1.5"], "0 < rho < 1"),
        (["--set", "rho=-0.1"], "0 < rho < 1"),
        (["--set", "rho=nan"], "finite number"),
        (["--set", "rho=0.05.1"], "could mean two numbers"),
        (["--set", "batch_size=1.000"], "could mean"),
        (["--set", "batch_size=12.5"], "not a whole number"),
        (["--set", "batch_size=0"], "1 ≤ batch_size"),
        (["--set", "hidden_units=99999999999999999999"], "hidden_units"),
        (["--set", "solver=newton"], "one of sgd"),
        (["--set", "grayscale=maybe"], "neither yes nor no"),
        (["--epochs", "many"], "not a number"),
        (["--seed", "-1"], "seed"),
        (["--threads", "0"], "--threads"),
        (["--threads", "x"], "--threads"),
        (["--preset", "nobody"], "--preset"),
        (["--set", "rescale=no"], "sigmoid decoder"),
        (["--set", "held_out=120"], "held out"),
        (["--layout", "NCHWD"], "cannot be read as NCHWD"),
        (["--value-range", "0..2"], "0..255"),
        (["--nonsense"], "nonsense"),
    ],
)
def test_a_wrong_setting_is_one_sentence_and_makes_no_run(said, data, tmp_path, arguments, words):
    out = tmp_path / "run"
    code, text, err = said("train", "autoencoder", data, "--out", out, *arguments)
    assert (code, text) == (2, "")
    assert words in err
    assert not out.exists()


@pytest.mark.parametrize(
    "name", ["nowhere.h5", "x" * 300, "a\0b", "nowhere/deep/p.npy", "p.h5::/nothing"]
)
@pytest.mark.parametrize("command", [["train", "autoencoder"], ["info"]])
def test_data_that_is_not_there_is_one_sentence(said, data, monkeypatch, command, name):
    monkeypatch.chdir(data.parent)
    code, out, err = said(*command, name)
    assert code in (1, 2)
    assert out == ""
    assert err.startswith("filterscope: ")
    assert len(err.strip().splitlines()) <= 2


# --- settings


EXAMPLES = {
    "learning_rate": ("0,02", 0.02), "momentum": ("0.5", 0.5), "solver": ("nesterov", "nesterov"),
    "batch_size": ("64", 64), "epochs": ("2", 2), "held_out": ("10", 10),
    "precision": ("float64", "float64"), "seed": ("9007199254740993", 9007199254740993),
    "keyframe_budget": ("20", 20), "rho": ("2.5e-1", 0.25), "beta": ("0", 0.0), "lam": ("1e-3", 1e-3),
    "hidden_units": ("16", 16), "decoder": ("linear", "linear"), "grayscale": ("no", False),
    "remove_mean": ("false", False), "whiten": ("computed", "computed"), "epsilon": ("0,5", 0.5),
    "clip": ("No", False), "engine": ("reference", "reference"), "device": ("cpu", "cpu"), "deviations": ("2", 2.0), "rescale": ("0", False),
}  # fmt: skip


def test_there_is_an_example_of_every_setting():
    named = {p.name for cls in (AutoencoderSpec, PreprocessSpec) for p in describe(cls)}
    assert named == set(EXAMPLES)


def test_every_setting_reaches_the_run(said, data, tmp_path):
    assignments = [
        part for name, (text, _) in EXAMPLES.items() for part in ("--set", f"{name} = {text}")
    ]
    code, _, err = said("train", "autoencoder", data, "--out", tmp_path / "run", *assignments)
    assert code == 0, err
    info = RunFolder.open(tmp_path / "run").info
    found = {**info.spec.model_dump(), **info.preprocess.model_dump()}
    assert found == {name: value for name, (_, value) in EXAMPLES.items()}


@pytest.mark.parametrize("cls", [AutoencoderSpec, PreprocessSpec])
def test_what_is_shown_as_a_default_is_read_as_that(cls):
    from app.cli.options import shown

    for parameter in describe(cls):
        assert parse_setting(parameter, shown(parameter.default)) == parameter.default


def test_large_whole_numbers_are_not_rounded():
    seed = next(p for p in describe(AutoencoderSpec) if p.name == "seed")
    assert parse_setting(seed, str(2**63 - 1)) == 2**63 - 1
    assert parse_setting(seed, "1e3") == 1000
    for text in ("1" * 5000, "-1", "1.5"):
        with pytest.raises(UsageError):
            AutoencoderSpec().changed(seed=parse_setting(seed, text))


def test_help_names_every_setting_and_preset(said):
    code, out, _ = said("train", "autoencoder", "--help")
    assert code == 0
    for name in (*EXAMPLES, *PRESETS):
        assert name in out
    code, out, _ = said("--help")
    assert code == 0
    for command in ("info", "train", "range", "bench", "export", "runs", "check"):
        assert command in out
    assert said("--version")[1].startswith("filterscope ")
    assert said()[0] == 2
    assert said("paint")[0] == 2
    assert said("train", "something")[0] == 2


# --- info


def test_info_says_what_is_in_a_file(said, data):
    code, out, _ = said("info", data, "--json")
    assert code == 0
    (found,) = json.loads(out)["datasets"]
    assert found["path"].strip("/") == "data"
    assert found["shape"] == [120, 3, 6, 6]
    assert (found["dtype"], found["layout"], found["refused"]) == ("uint8", "NCHW", None)
    code, out, _ = said("info", data)
    assert code == 0
    assert "120 × 3 × 6 × 6" in out
    assert "NCHW" in out


def test_info_says_what_is_refused_and_why(said, tmp_path):
    file = write(tmp_path / "p.h5", images(), other=np.zeros(7), names=np.array([b"a", b"b"]))
    code, out, _ = said("info", file, "--json")
    assert code == 0
    found = {row["path"].strip("/"): row["refused"] for row in json.loads(out)["datasets"]}
    assert found["data"] is None
    assert found["other"]
    assert found["names"]
    assert "refused: " in said("info", file)[1]
    code, out, _ = said("info", f"{file}::data", "--json")
    assert [row["path"].strip("/") for row in json.loads(out)["datasets"]] == ["data"]


def test_info_of_what_is_no_such_file_is_refused(said, tmp_path):
    (tmp_path / "junk.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + b"junk" * 100)
    code, out, err = said("info", tmp_path / "junk.h5")
    assert (code, out) == (2, "")
    assert "junk.h5" in err


# --- export


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("filters", "f.png"), ("filters", "f.svg"), ("reconstructions", "r.PNG"),
        ("reconstructions", "r.svg"), ("curves", "c.csv"), ("curves", "c.svg"), ("curves", "c.png"),
        ("weights", "w.npz"), ("weights", "w.safetensors"), ("report", "r.html"), ("script", "s.py"),
    ],
)  # fmt: skip
def test_everything_can_be_exported(said, trained, tmp_path, what, name):
    target = tmp_path / name
    code, out, err = said("export", trained[0], "--what", what, "--out", target, "--json")
    assert code == 0, err
    assert json.loads(out) == {"path": str(target), "bytes": target.stat().st_size}
    assert out.count("\n") == 1
    before = target.read_bytes()
    code, out, err = said("export", trained[0], "--what", what, "--out", target)
    assert (code, out) == (2, "")
    assert "exists already" in err
    assert target.read_bytes() == before
    target.write_bytes(b"other")
    code, out, _ = said("export", trained[0], "--what", what, "--out", target, "--force")
    assert (code, out) == (0, f"{target}\n")
    assert len(target.read_bytes()) == len(before)


def test_exported_pictures_are_exact_and_carry_their_settings(said, trained, tmp_path):
    out, _ = trained
    for zoom in (1, 5):
        code, _, _ = said(
            "export", out, "--what", "filters", "--out", tmp_path / f"{zoom}.png", "--zoom", zoom
        )
        assert code == 0
    one = np.asarray(Image.open(tmp_path / "1.png"))
    five = Image.open(tmp_path / "5.png")
    np.testing.assert_array_equal(np.asarray(five), one.repeat(5, 0).repeat(5, 1))
    assert one.shape == (3 * 7 + 1, 3 * 7 + 1)
    w1 = RunFolder.open(out).read_weights()[1]["W1"]
    tile = w1[:, 4].reshape(6, 6)
    expected = (tile - tile.min()) / (tile.max() - tile.min()) * 255
    assert np.abs(one[8:14, 8:14] - expected).max() <= 0.51
    assert five.text["hidden_units"] == "8"
    assert json.loads(five.text["filterscope"])["epochs"] == "3"


def test_exported_tables_and_drawings_are_well_formed(said, trained, tmp_path):
    out, result = trained
    for what, name in (("curves", "c.csv"), ("curves", "c.svg"), ("filters", "f.svg")):
        assert said("export", out, "--what", what, "--out", tmp_path / name)[0] == 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "c.csv").read_text())))
    assert list(rows[0])[:6] == ["step", "epoch", "J", "reconstruction", "decay", "sparsity"]
    assert len(rows) == 12
    assert float(rows[-1]["epoch"]) == result["epochs"]
    for name in ("c.svg", "f.svg"):
        assert ElementTree.parse(tmp_path / name).getroot().tag.endswith("svg")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--what", "filters", "--out", "f.gif"], 2, ".png, .svg"),
        (["--what", "filters", "--out", "f"], 2, "(none)"),
        (["--what", "nothing", "--out", "f.png"], 2, "nothing"),
        (["--what", "filters", "--out", "f.png", "--zoom", "0"], 2, "--zoom"),
        (["--what", "filters", "--out", "f.png", "--zoom", "65"], 2, "--zoom"),
        (["--what", "filters", "--out", "f.png", "--scale", "loud"], 2, "loud"),
        (["--what", "filters", "--out", "nowhere/f.png"], 1, "no folder"),
        (["--what", "filters", "--out", "x" * 300 + ".png"], 1, "too long"),
        (["--what", "filters"], 2, "--out"),
    ],
)
def test_an_export_that_cannot_be_is_one_sentence(
    said, trained, tmp_path, monkeypatch, arguments, code, words
):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    found, out, err = said("export", trained[0], *arguments)
    assert (found, out) == (code, "")
    assert words in err
    assert sorted(tmp_path.iterdir()) == before
    assert said("export", tmp_path, "--what", "filters", "--out", "f.png")[0] == 2


# --- runs


def test_runs_are_listed_and_shown(said, data, tmp_path):
    root = tmp_path / "runs"
    for name in ("a", "b"):
        assert said("train", "autoencoder", data, "--out", root / name, *SMALL)[0] == 0
    code, out, _ = said("runs", "list", "--root", root, "--json")
    assert code == 0
    rows = json.loads(out)["runs"]
    assert {Path(row["path"]).name for row in rows} == {"a", "b"}
    assert {row["state"] for row in rows} == {"done"}
    assert rows[0]["spec"]["hidden_units"] == 8
    code, out, _ = said("runs", "list", "--root", root)
    assert len(out.splitlines()) == 2
    assert "8 units, ρ 0.05" in out
    code, out, _ = said("runs", "show", root / "a", "--json")
    shown = json.loads(out)
    assert (code, shown["steps"], shown["state"]) == (0, 12, "done")
    assert shown["source"]["count"] == 120
    code, out, _ = said("runs", "show", root / "a")
    assert code == 0
    for words in ("done, 12 steps", "hidden_units    8", "grayscale       yes", "reconstruction"):
        assert words in out


def test_no_runs_are_no_error(said, tmp_path):
    code, out, err = said("runs", "list", "--root", tmp_path / "nowhere")
    assert (code, out) == (0, "")
    assert "no runs yet" in err
    assert json.loads(said("runs", "list", "--root", tmp_path, "--json")[1]) == {"runs": []}
    code, out, err = said("runs", "show", tmp_path)
    assert (code, out) == (2, "")
    assert "is not a run" in err


# --- as a process


def process(*arguments, **more):
    return subprocess.Popen(
        [sys.executable, str(ROOT / "main.py"), *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, **more,
    )  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is another thing there")
def test_ctrl_c_saves_and_ends_with_130(data, tmp_path):
    run = process(
        "train", "autoencoder", data, "--out", tmp_path / "run", "--json",
        "--set", "hidden_units=8", "--epochs", "1000000",
    )  # fmt: skip
    with run:
        # The first line of progress is printed when the training begins.
        first = run.stderr.readline()
        while b"120 patches" not in first and first:
            first = run.stderr.readline()
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=60)
    assert run.returncode == 130, err
    result = json.loads(out)
    assert set(result) == TRAIN_KEYS
    assert b"the run is kept" in err
    assert b"Traceback" not in err
    back = RunFolder.open(tmp_path / "run")
    assert back.info.state == "stopped"
    history, note = back.read_history()
    assert note == ""
    assert back.read_weights()[0] == len(history) == back.info.outcome.step
    assert 0 <= result["epochs"] < 1_000_000


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="names are text on other systems")
def test_names_that_are_no_text_go_through(tmp_path):
    file = write(tmp_path / "p.h5", images()).rename(tmp_path / os.fsdecode(b"caf\xe9.h5"))
    out = tmp_path / os.fsdecode(b"l\xe4uft")
    for arguments in (
        ["info", file],
        ["train", "autoencoder", file, "--out", out, *SMALL],
        ["runs", "list", "--root", tmp_path],
        ["runs", "show", out],
        ["export", out, "--what", "report", "--out", tmp_path / os.fsdecode(b"\xe9.html")],
    ):
        with process(*arguments) as run:
            printed, err = run.communicate(timeout=60)
        assert run.returncode == 0, err
        assert b"Traceback" not in err
        assert b"\xe9" in printed or b"\xe4" in printed


def test_an_encoding_without_greek_letters_is_no_error(tmp_path, trained):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    with process("runs", "list", "--root", tmp_path, env=environment) as run:
        out, err = run.communicate(timeout=60)
    assert run.returncode == 0, err
    assert b"8 units, \\u03c1 0.05" in out


@pytest.mark.skipif(sys.platform != "linux", reason="a limit that only Linux has")
def test_a_full_disk_is_one_sentence_and_no_crash(data, tmp_path):
    import resource

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (6_000, 6_000))

    arguments = ["train", "autoencoder", data, "--out", tmp_path / "run", "--json", *SMALL]
    with process(*arguments, "--set", "hidden_units=64", preexec_fn=limit) as run:
        out, err = run.communicate(timeout=60)
    assert (run.returncode, out) == (1, b"")
    assert b"larger than files may be here" in err
    assert b"Traceback" not in err
    assert RunFolder.open(tmp_path / "run").info.state == "crashed"


def test_whoever_reads_only_the_beginning_gets_no_traceback(data, tmp_path):
    with process("train", "autoencoder", "--help") as run:
        run.stdout.close()
        err = run.stderr.read()
        run.wait(60)
    assert b"Traceback" not in err


def test_info_says_what_was_sampled_and_guesses_only_where_it_can_be_pixels(said, tmp_path):
    values = np.tile(np.linspace(-1.2, 9.1, 3 * 36).reshape(3, 6, 6), (120, 1, 1, 1))
    file = write(tmp_path / "p.h5", values)
    code, out, _ = said("info", file)
    assert code == 0
    assert "sampled values -1.2 … 9.1: no pixels of 0 … 1 or 0 … 255" in out
    file = write(tmp_path / "q.h5", images())
    assert ", read as 0 … 255" in said("info", file)[1]
    (found,) = json.loads(said("info", file, "--json")[1])["datasets"]
    assert len(found["span"]) == 2


def test_in_a_file_the_last_word_of_each_stage_stands(capsys):
    shown = Progress()
    for text in ("Drawing", "Reading"):
        for share in (0.0, 0.5, 0.97):
            shown.share(share, text)
    shown.end()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Drawing   0%"
    assert lines[1:] == ["Drawing  97%", "Reading  97%"]


def test_help_names_presets_as_the_command_line_and_the_window_do(said):
    out = said("train", "autoencoder", "--help")[1]
    for name, preset in PRESETS.items():
        assert f"{name:14} “{preset.title}”: " in out
