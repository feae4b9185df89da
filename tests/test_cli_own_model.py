"""``--model``: a person's own network from the command line, with consent and never without."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from app.core.runs import RunFolder
from app.core.runs.checkpoint import checkpoint_files, read_checkpoint
from tests.core.own_model.models import GOOD
from tests.test_cli_cnn import SMALL, file, said

pytest.importorskip("torch")

__all__ = ["file", "said"]

EXAMPLE = Path(__file__).parents[1] / "docs" / "own_model.py"


@pytest.fixture
def net(tmp_path):
    path = tmp_path / "net.py"
    path.write_text(GOOD)
    return path


def test_without_consent_nothing_of_it_runs(said, file, tmp_path):
    canary, path = tmp_path / "canary", tmp_path / "harm.py"
    path.write_text(f"open({str(canary)!r}, 'w')\n")
    code, _, err = said("train", "cnn", file, "--out", tmp_path / "run", "--model", path)
    assert code == 2
    assert "harm.py is a program: it would run with your rights on this computer." in err
    assert "--trust-code" in err
    assert not canary.exists()
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_it_is_a_run_like_any_other(said, file, net, tmp_path):
    own = ("train", "cnn", file, "--model", net, "--trust-code", *SMALL)
    code, out, _ = said(*own, "--out", tmp_path / "whole", "--test", "--json")
    assert code == 0
    result = json.loads(out)
    assert {"loss", "val_accuracy", "test_accuracy"} <= set(result)
    run = RunFolder.open(tmp_path / "whole")
    model = run.info.model
    assert (model.path, model.name, model.filters) == (str(net), "Net", "conv.weight")
    assert model.sha256 == hashlib.sha256(net.read_bytes()).hexdigest()
    assert run.info.tested
    # Its weights and filters are files, in its own names.
    weights = tmp_path / "w.safetensors"
    assert said("export", tmp_path / "whole", "--what", "weights", "--out", weights)[0] == 0
    assert set(safetensors.numpy.load_file(weights)) >= {"conv.weight", "norm.running_mean"}
    picture = tmp_path / "filters.png"
    assert said("export", tmp_path / "whole", "--what", "filters", "--out", picture)[0] == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    for what, path in (("script", "s.py"), ("weights", "w.onnx")):
        code, _, err = said("export", tmp_path / "whole", "--what", what, "--out", tmp_path / path)
        assert code == 2
        assert "own model" in err
    # They come back as first weights.
    again = (*own, "--weights", weights, "--out", tmp_path / "again", "--epochs", "1")
    assert said(*again)[0] == 0
    first = RunFolder.open(tmp_path / "again")
    assert first.info.weights is not None
    _, best, _ = run.read_weights(best=True)
    begun = first.read_keyframe(first.keyframes()[0][1])
    np.testing.assert_array_equal(begun["conv.weight"], best["conv.weight"])


@pytest.mark.slow
def test_it_goes_on_to_the_same_bits_with_consent(said, file, net, tmp_path):
    own = ("train", "cnn", file, "--model", net, "--trust-code", *SMALL)
    for name, epochs in (("whole", 2), ("half", 1)):
        assert said(*own, "--out", tmp_path / name, "--epochs", epochs)[0] == 0
    resume = ("runs", "resume", tmp_path / "half", "--epochs", "2")
    code, _, err = said(*resume)
    assert code == 2
    assert "net.py is a program" in err
    assert said(*resume, "--trust-code")[0] == 0
    states = [
        read_checkpoint(checkpoint_files(tmp_path / name)[0]).state for name in ("whole", "half")
    ]
    for name, array in states[0].items():
        np.testing.assert_array_equal(array, states[1][name], err_msg=name)
    net.write_text(GOOD + "# other\n")
    code, _, err = said("runs", "resume", tmp_path / "half", "--epochs", "3", "--trust-code")
    assert code == 2
    assert "net.py is not what it was when the run was made." in err


@pytest.mark.slow
def test_the_example_of_the_documentation_trains(said, file, tmp_path):
    small = [*SMALL, "--epochs", "1", "--json"]
    code, out, _ = said(
        "train", "cnn", file, "--model", f"{EXAMPLE}:TwoBranches", "--trust-code",
        "--out", tmp_path / "run", *small,
    )  # fmt: skip
    assert code == 0
    assert json.loads(out)["epochs"] == 1


@pytest.mark.slow
def test_a_fault_in_it_is_one_sentence_with_its_line(said, file, tmp_path):
    path = tmp_path / "net.py"
    path.write_text(GOOD.replace("return self.head", "return self.tail"))
    code, _, err = said(
        "train", "cnn", file, "--model", path, "--trust-code", "--out", tmp_path / "r"
    )
    assert code == 1
    assert "net.py, line 17: AttributeError: 'Net' object has no attribute 'tail'." in err
    assert not (tmp_path / "r").exists()
