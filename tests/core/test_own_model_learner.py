"""A person's network in its process: the trainer's own, exactly continued, and whatever befalls it."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from app.core.control import END, Control
from app.core.data.batches import EpochOrder
from app.core.errors import Cancelled, FilterscopeError, UsageError
from app.core.events import Evaluated, Failed, Finished, Steps
from app.core.learners.own_model import OwnModelLearner, learner_of_run, let_go
from app.core.own_model import hosted
from app.core.own_model.file import read_model_file
from app.core.own_model.remote import OwnModelError
from app.core.training import train
from tests.core.learners_of_images import data, spec
from tests.core.own_model.models import GOOD, trouble

pytest.importorskip("torch")

ROOT = Path(__file__).resolve().parents[2]
NEVER = np.zeros(1, np.int32)


@pytest.fixture
def make(tmp_path):
    made = []

    def build(source=GOOD, **values):
        path = tmp_path / "net.py"
        path.write_text(source)
        interrupt = values.pop("interrupt", None)
        settings = spec(**{"learning_rate": 0.01, **values})
        learner = OwnModelLearner(
            data(), settings, read_model_file(str(path)), threads=1, interrupt=interrupt
        )
        made.append(learner)
        return learner

    yield build
    for learner in made:
        let_go(learner)


def trained(learner, control=None, **values):
    """Train to the end, and return all events."""
    return list(
        train(
            learner, learner.spec.changed(**values), control or Control(), examples=80,
            order=EpochOrder(80, 0), run_id="r",
        )
    )  # fmt: skip


def test_it_learns_and_what_it_learned_is_kept(make):
    learner = make(epochs=6)
    events = trained(learner)
    assert isinstance(events[-1], Finished)
    assert events[-1].terms is not None
    steps = [event for event in events if isinstance(event, Steps)]
    assert sum(len(event.terms) for event in steps) == 30
    evaluated = [event for event in events if isinstance(event, Evaluated)]
    assert len(evaluated) == 6
    assert evaluated[-1].validation_accuracy > 0.8
    assert learner.best is not None
    assert learner.answers is not None
    assert learner.answers.accuracy == evaluated[-1].validation_accuracy
    assert learner.engine.startswith("Net of net.py, PyTorch")
    info = learner.info
    assert [name for name, _ in info.parameters][:2] == ["conv.weight", "conv.bias"]
    weights, _ = learner.snapshot()
    np.testing.assert_array_equal(weights["W1"], weights["conv.weight"])
    assert weights["norm.running_var"].shape == (5,)
    # Its process is ended, asked again, and knows what it knew.
    before, state = learner.score("test").accuracy, learner.state()
    learner.host.close()
    assert learner.evaluate(learner.spec) is None
    assert learner.score("test").accuracy == before
    for name, array in learner.state().items():
        np.testing.assert_array_equal(array, state[name])
    with pytest.raises(Cancelled):
        learner.score("test", cancel=lambda: True)


def test_its_answers_are_means_of_both_looks_where_that_is_asked_for(make):
    plain, both = make(), make(mirror_looks=True)
    mirrored = make()
    pixels = np.ascontiguousarray(mirrored.data.images.x[..., ::-1])
    # The same normalisation, of images that lie the other way round.
    mirrored.data = replace(mirrored.data, images=replace(mirrored.data.images, x=pixels))
    logs = [np.log(one.score("test").probabilities) for one in (plain, mirrored)]
    shares = np.exp(np.mean(logs, axis=0))
    shares /= shares.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(both.score("test").probabilities, shares, rtol=1e-4)
    assert np.abs(logs[0] - logs[1]).max() > 1e-4
    np.testing.assert_allclose(both.evaluate(both.spec), plain.evaluate(plain.spec), rtol=1e-6)


LINEAR = """
from torch import nn


def build(num_classes, image_shape):
    channels, height, width = image_shape
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, num_classes))
"""


@pytest.mark.parametrize("loss", ["softmax", "svm"])
def test_its_terms_over_the_sample_are_those_that_a_step_sees(make, loss):
    learner = make(LINEAR, loss=loss, reg=0.3, batch_size=80, precision="float64")
    there = learner.evaluate(learner.spec)
    # The sample are all images that train, as is the batch.
    seen = learner.steps(np.arange(80), learner.spec, NEVER, 1).terms[0]
    np.testing.assert_allclose(there, seen, rtol=1e-9)


def test_what_was_kept_goes_on_to_the_same_bits(make):
    whole = make(epochs=2)
    order = EpochOrder(80, 0)
    whole.steps(order.epoch(0), whole.spec, NEVER, 3)
    state = whole.state()
    for number in (1, 1):
        whole.steps(order.epoch(0)[48:], whole.spec, NEVER, number)
        whole.steps(order.epoch(0)[64:], whole.spec, NEVER, number)
    other = make(epochs=2)
    other.restore({name: array.copy() for name, array in state.items()})
    for number in (1, 1):
        other.steps(order.epoch(0)[48:], other.spec, NEVER, number)
        other.steps(order.epoch(0)[64:], other.spec, NEVER, number)
    for name, array in whole.state().items():
        np.testing.assert_array_equal(array, other.state()[name], err_msg=name)
    with pytest.raises(ValueError, match="theta is of another"):
        other.restore({**state, "theta": state["theta"][1:]})


def stopped_when(control, learner, step):
    """Ask for a stop once `step` steps are done and the next one is under way."""

    def watch():
        while learner.taken < step:
            if over.wait(0.01):
                return
        control.stop()

    over = threading.Event()
    thread = threading.Thread(target=watch)
    thread.start()
    return thread, over


def test_a_stop_ends_what_does_not_answer_and_keeps_what_it_learned(make):
    learner = make(trouble("while True: pass"), epochs=100)
    control = Control()
    thread, over = stopped_when(control, learner, 3)
    events = trained(learner, control)
    over.set()
    thread.join()
    assert isinstance(events[-1], Finished)
    assert (events[-1].reason, events[-1].step) == ("stopped", 3)
    assert events[-1].terms is None
    assert learner.host.gone
    twin = make(trouble("pass"), epochs=100)
    twin.steps(EpochOrder(80, 0).epoch(0), twin.spec, NEVER, 3)
    np.testing.assert_array_equal(learner.state()["theta"], twin.state()["theta"])
    # Whoever goes on starts it anew, from these weights.
    learner.steps(EpochOrder(80, 0).epoch(0)[48:], learner.spec, NEVER, 1)
    twin.steps(EpochOrder(80, 0).epoch(0)[48:], twin.spec, NEVER, 1)
    np.testing.assert_array_equal(learner.state()["theta"], twin.state()["theta"])


SAID = {
    "raises": ("raise ValueError('no more')", "net.py, line 17: ValueError: no more."),
    "exits": ("sys.exit(0)", "net.py, line 17: it ended its own process (sys.exit)."),
    "is gone": (
        "print('farewell'); sys.stdout.flush(); os._exit(3)",
        "The process of net.py ended by itself (with the status 3). It said last: farewell",
    ),
    "crashes": (
        "import ctypes; ctypes.string_at(0)",
        "The process of net.py ended by itself (by signal SIGSEGV: a crash).",
    ),
    "fills the memory": (
        "bytearray(1 << 50)",
        "There is too little memory for 16 images at once. net.py, line 17: there is not enough "
        "memory for it.",
    ),
    "other shape": ("return x", "Net in net.py gave scores of shape (16, 3, 8, 8)"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SAID)
def test_what_befalls_it_is_one_sentence(make, name):
    what, said = SAID[name]
    learner = make(trouble(what))
    failed = trained(learner)[-1]
    assert isinstance(failed, Failed)
    assert (failed.kind, failed.step) == ("expected", 3)
    assert failed.message.startswith(said)
    if name == "fills the memory":
        assert failed.hint == "Try a batch of 8."
    # The weights are those of the third step, whatever became of the process.
    assert np.isfinite(learner.state()["theta"]).all()


@pytest.mark.slow
def test_steps_before_a_fault_count_however_they_are_divided_into_calls(make):
    learner = make(trouble("raise ValueError('no more')"))
    order = EpochOrder(80, 0).epoch(0)
    assert len(learner.steps(order, learner.spec, NEVER, 5).terms) == 3
    assert learner.taken == 3
    with pytest.raises(OwnModelError, match="no more"):
        learner.steps(order[48:], learner.spec, NEVER, 5)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="a limit that only Linux has")
def test_its_memory_has_a_limit(make):
    """What is left of the machine's is the window's, whatever the code asks for."""
    asks = "import resource; raise ValueError(resource.getrlimit(resource.RLIMIT_DATA)[0])"
    failed = trained(make(trouble(asks)))[-1]
    assert isinstance(failed, Failed)
    limit = int(failed.message.rpartition(" ")[2].rstrip("."))
    assert 0 < limit < psutil.virtual_memory().total + (8 << 30)


@pytest.mark.slow
def test_a_flood_of_words_holds_nothing_up(make):
    learner = make(trouble("print('x' * 10_000_000)"), epochs=1)
    assert isinstance(trained(learner)[-1], Finished)


@pytest.mark.slow
def test_a_loss_that_is_no_number_is_divergence(make):
    learner = make(epochs=3, learning_rate=1e9, reg=1e3, solver="sgd")
    failed = trained(learner)[-1]
    assert isinstance(failed, Failed)
    assert failed.kind == "diverged"
    assert np.isfinite(learner.state()["theta"]).all()
    assert "1e+08" in failed.hint


@pytest.mark.slow
def test_a_file_that_never_comes_back_is_ended_by_a_stop_or_by_patience(make, monkeypatch):
    with pytest.raises(Cancelled, match=r"net\.py did not answer"):
        make("while True: pass", interrupt=np.array([END], np.int32))
    monkeypatch.setattr(hosted, "BUILD_SECONDS", 0.2)
    with pytest.raises(OwnModelError, match="did not come back for 0 seconds"):
        make("while True: pass")


def test_a_file_that_is_none_leaves_no_process(make):
    with pytest.raises(FilterscopeError, match=r"net\.py, line 1: NameError"):
        make("nothing")


@pytest.mark.slow
def test_a_batch_for_which_there_is_no_room_is_refused_before_it_is_begun(make, monkeypatch):
    """What it keeps of an image was counted when it was tried."""
    learner = make()
    each = learner.host.facts["each"]
    # The image, what the convolution, the norm, the ReLU and the pool keep: some planes of 8 x 8.
    assert 3 * 64 * 4 < each < 40 * 64 * 4
    from app.core import memory

    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: SimpleNamespace(available=60_000))
    with pytest.raises(
        FilterscopeError, match=r"net\.py and its batches need .* are free"
    ) as caught:
        make(batch_size=64)
    assert caught.value.hint.startswith(("A batch of", "Choose a smaller"))


def test_l_bfgs_is_refused_before_anything_runs(make):
    with pytest.raises(UsageError, match="L-BFGS is not there"):
        make("raise RuntimeError", solver="lbfgs")


@pytest.mark.slow
def test_a_run_has_its_network_again_only_with_consent_and_unchanged(make, tmp_path):
    learner = make()
    info = learner.info
    with pytest.raises(UsageError, match="add --trust-code"):
        learner_of_run(info, learner.data, learner.spec, 1, trust_code=False)
    again = learner_of_run(info, learner.data, learner.spec, 1, trust_code=True)
    let_go(again)
    assert again.shapes == learner.shapes
    (tmp_path / "net.py").write_text(GOOD + "\n")
    with pytest.raises(UsageError, match=r"net\.py is not what it was"):
        learner_of_run(info, learner.data, learner.spec, 1, trust_code=True)


def test_nothing_is_let_go_of_others():
    let_go(None)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="processes are ended in another way there")
def test_it_ends_with_whoever_asked_even_while_it_loops(tmp_path):
    """A program that is killed leaves nothing behind that computes."""
    (tmp_path / "net.py").write_text(trouble("while True: pass"))
    body = f"""
import sys
import numpy as np
from app.core.learners.own_model import OwnModelLearner
from app.core.own_model import hosted
from app.core.own_model.file import read_model_file
from tests.core.learners_of_images import data, spec

learner = OwnModelLearner(data(), spec(), read_model_file({str(tmp_path / "net.py")!r}), threads=1)
print(learner.host._process.process.pid, flush=True)
learner.steps(np.arange(80), spec(), np.zeros(1, np.int32), 5)
"""
    with subprocess.Popen(
        [sys.executable, "-c", body], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as asking:
        assert asking.stdout is not None
        child = psutil.Process(int(asking.stdout.readline()))
        # It is in its loop as soon as it has computed for longer than four steps take.
        before = sum(child.cpu_times()[:2])
        while sum(child.cpu_times()[:2]) < before + 0.3:
            assert asking.poll() is None
        asking.kill()
    _, alive = psutil.wait_procs([child], timeout=20)
    assert not alive
