"""A person's module: how it is found and made, what is said when it is none, and its steps."""

from __future__ import annotations

import sys
import textwrap

import numpy as np
import pytest

from app.core.errors import UsageError
from app.core.own_model.process import describe_error
from app.core.solvers.first_order import MEMORY
from tests.core.own_model.models import GOOD

torch = pytest.importorskip("torch")

from app.core.torch_models.own_module import OwnModule  # noqa: E402

SHAPE, CLASSES = (3, 8, 8), 4


@pytest.fixture(autouse=True)
def as_it_was():
    """Forget the module, the folder on the path and the seeds of other generators."""
    path, state = list(sys.path), torch.random.get_rng_state()
    yield
    sys.path[:] = path
    sys.modules.pop("filterscope_own_model", None)
    torch.random.set_rng_state(state)


@pytest.fixture
def make(tmp_path):
    def build(source, wanted="", **values):
        path = tmp_path / "net.py"
        path.write_text("what the file says by now does not count")
        request = {
            "path": str(path), "source": textwrap.dedent(source), "wanted": wanted,
            "shape": list(SHAPE), "classes": CLASSES, "seed": 0, "precision": "float64",
            "solver": "sgd", "device": "cpu", "mixed": False, "channels_last": False,
        }  # fmt: skip
        return OwnModule({**request, **values})

    return build


HEAD = "import torch\nfrom torch import nn\n"
LINEAR = "nn.Sequential(nn.Flatten(), nn.Linear(192, 4))"


@pytest.mark.parametrize(
    ("source", "wanted", "name"),
    [
        (GOOD, "", "Net"),
        (GOOD + "class Other(Net):\n    pass\n", "Other", "Other"),
        (HEAD + f"def build(image_shape, classes):\n    return {LINEAR}\n", "", "build"),
        (HEAD + f"def model():\n    return {LINEAR}\n", "", "model"),
        (HEAD + f"model = {LINEAR}\n", "", "Sequential"),
        (HEAD + f"mine = {LINEAR}\n", "mine", "Sequential"),
        (HEAD + f"def build(in_channels, width=3, *rest, **more):\n    return {LINEAR}\n", "", "build"),
    ],
    ids=["class", "named", "build", "model", "ready", "ready by name", "defaults"],
)  # fmt: skip
def test_a_network_is_found_and_made(make, source, wanted, name):
    own = make(source, wanted)
    assert own.facts["name"] == name
    assert own.facts["torch"] == torch.__version__.partition("+")[0]


def said(error, path):
    return describe_error(error, path)["problem"]


SAID = {
    "another shape": (
        HEAD + "model = nn.Sequential(nn.Flatten(), nn.Linear(192, 7))",
        "Sequential in net.py gave scores of shape (2, 7) and type float64 for 2 images.",
    ),
    "maps": (
        HEAD + "model = nn.Conv2d(3, 4, 3)",
        "Conv2d in net.py gave scores of shape (2, 4, 6, 6) and type float64 for 2 images.",
    ),
    "a tuple": (
        HEAD + "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.w = nn.Parameter(torch.ones(1))\n    def forward(self, x):\n        return x, x",
        "Net in net.py gave a tuple for a batch of images.",
    ),
    "nothing to learn": (HEAD + "model = nn.Flatten()", "Flatten in net.py has nothing to learn."),
    "no slope": (
        HEAD + "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.w = nn.Linear(192, 4)\n    def forward(self, x):\n"
        "        return self.w(x.flatten(1)).detach()",
        "The scores of Net in net.py do not depend on its weights.",
    ),
    "several": (
        GOOD + "class Other(Net):\n    pass\n", "net.py has several networks: Net, Other.",
    ),
    "none": ("x = 1", "net.py has no network: neither a class that derives from torch.nn.Module"),
    "an unknown wish": (
        HEAD + "def build(depth):\n    pass", "build in net.py asks for “depth”, which has no default.",
    ),
    "no module": (HEAD + "def build():\n    return 3", "build in net.py gave a int, and no torch"),
    "an error": (
        HEAD + "\ndef build():\n    raise KeyError('sea')\n", "net.py, line 5: KeyError: 'sea'.",
    ),
    "an error in forward": (
        GOOD.replace("self.drop(x.flatten(1))", "x"),
        "net.py, line 17: RuntimeError: mat1 and mat2 shapes cannot be multiplied",
    ),
    "an error while it is read": ("a = 1\nb = 2\na / 0", "net.py, line 3: ZeroDivisionError"),
    "no Python": ("a = 1\nb = = 2", "net.py, line 2: SyntaxError: invalid syntax"),
    "an end": ("import sys\nsys.exit(3)", "net.py, line 2: it ended its own process (sys.exit)."),
    "a module that is not there": ("import nowhere_to_be", "net.py, line 1: ModuleNotFoundError"),
    "no memory": ("raise MemoryError", "net.py, line 1: there is not enough memory for it."),
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
def test_what_is_wrong_is_one_sentence_with_its_line(make, tmp_path, name):
    source, expected = SAID[name]
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - also SystemExit
        make(source)
    problem = said(caught.value, str(tmp_path / "net.py"))
    assert problem.startswith(expected)
    assert problem.isprintable()


def test_a_name_that_is_not_there_is_said(make):
    with pytest.raises(UsageError, match=r"net\.py has nothing called Nat"):
        make(GOOD, "Nat")


def test_nothing_is_written_beside_the_file(make, tmp_path):
    make(GOOD)
    assert [path.name for path in tmp_path.iterdir()] == ["net.py"]


def test_the_same_seed_makes_the_same_weights(make):
    one, same, other = (make(GOOD, seed=seed) for seed in (1, 1, 2))
    for name, tensor in one.parameters.items():
        assert torch.equal(tensor, same.parameters[name])
    assert not torch.equal(one.parameters["conv.weight"], other.parameters["conv.weight"])


@pytest.mark.parametrize(
    ("source", "filters"),
    [
        (GOOD, "conv.weight"),
        (HEAD + f"model = {LINEAR}", "1.weight"),
        (HEAD + "model = nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(48, 4))", ""),
        (HEAD + "model = nn.Sequential(nn.Conv2d(3, 6, 3, groups=3), nn.Flatten(), nn.Linear(216, 4))", ""),
    ],
    ids=["conv", "linear", "not of the image", "groups"],
)  # fmt: skip
def test_the_first_layers_weights_are_known_where_they_are_pictures(make, source, filters):
    assert make(source).filters == filters


def test_trying_it_leaves_running_averages_as_they_were(make):
    norm = make(GOOD).module.norm
    assert float(norm.running_mean.abs().sum()) == 0
    assert int(norm.num_batches_tracked) == 0


# --- steps


def shared(own, images, solver):
    counts = {
        key: sum(one.numel() for one in part.values())
        for key, part in (
            ("theta", own.parameters), ("running", own.averages), ("counts", own.counts),
        )
    }  # fmt: skip
    arrays = {name: np.zeros(count) for name, count in counts.items()}
    arrays["counts"] = arrays["counts"].astype(np.int64)
    arrays["memory"] = np.zeros(MEMORY[solver] * counts["theta"])
    arrays["x"], arrays["y"] = np.zeros(images * 192), np.zeros(images, np.int64)
    arrays["results"], arrays["scores"] = np.zeros(4), np.zeros(images * CLASSES)
    own.share(arrays)
    return arrays


def request(step, images, **values):
    return {
        "count": images, "step": step, "seed": 3, "rate": 0.05, "momentum": 0.9, "reg": 0.01,
        "loss": "softmax", "smoothing": 0.0, "check": False, **values,
    }  # fmt: skip


def nothing(_on):
    pass


PLAIN = GOOD.replace("nn.Dropout(0.2)", "nn.Identity()")


@pytest.mark.parametrize("solver", ["sgd", "momentum", "adam"])
def test_a_step_is_torchs_own(make, solver):
    """Against `torch.optim`, whose weight decay is reg · W for all; so here it is switched off."""
    own = make(PLAIN, solver=solver)
    twin = make(PLAIN, solver=solver).module
    arrays = shared(own, 6, solver)
    optimizer = {
        "sgd": lambda p: torch.optim.SGD(p, lr=0.05),
        "momentum": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
        "adam": lambda p: torch.optim.Adam(p, lr=0.05),
    }[solver](twin.parameters())
    rng = np.random.default_rng(0)
    for step in range(4):
        x, y = rng.normal(size=(6, *SHAPE)), rng.integers(0, CLASSES, 6)
        arrays["x"][...], arrays["y"][...] = x.ravel(), y
        own.step(request(step, 6, reg=0.0), nothing)
        twin.train()
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(twin(torch.from_numpy(x)), torch.from_numpy(y))
        loss.backward()
        optimizer.step()
        assert arrays["results"][0] == pytest.approx(float(loss.detach()), rel=1e-6)
        assert arrays["results"][3] == 1
    expected = torch.cat([one.detach().reshape(-1) for one in twin.parameters()])
    np.testing.assert_allclose(arrays["theta"], expected.numpy(), rtol=1e-6, atol=1e-9)
    means = twin.norm.running_mean, twin.norm.running_var
    np.testing.assert_allclose(arrays["running"], torch.cat(means).numpy(), rtol=1e-6)
    assert arrays["counts"].tolist() == [4]
    own.scores(6)
    twin.eval()
    scores = twin(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(arrays["scores"].reshape(6, CLASSES), scores, rtol=1e-6)


def test_regularisation_is_of_weights_and_not_of_biases(make):
    own = make(PLAIN)
    arrays = shared(own, 2, "sgd")
    arrays["x"][...] = np.random.default_rng(0).normal(size=2 * 192)
    weights = [one.detach().clone() for one in own.parameters.values() if one.ndim > 1]
    own.step(request(0, 2, reg=0.5), nothing)
    squares = sum(float(one.square().sum()) for one in weights)
    assert arrays["results"][1] == pytest.approx(0.25 * squares, rel=1e-12)


def test_masks_of_dropout_are_a_function_of_the_step(make):
    losses = []
    for first in (0, 2):
        own = make(GOOD)
        arrays = shared(own, 6, "sgd")
        arrays["x"][...] = np.random.default_rng(0).normal(size=6 * 192)
        for step in (first, 2):
            own.step(request(step, 6, rate=1e-30), nothing)
        losses.append(arrays["results"][0])
    assert losses[0] == losses[1]


def test_a_step_too_far_is_taken_back(make):
    own = make(PLAIN)
    arrays = shared(own, 6, "sgd")
    arrays["x"][...] = np.random.default_rng(0).normal(size=6 * 192)
    own.step(request(0, 6), nothing)
    good = arrays["theta"].copy()
    own.step(request(1, 6, rate=1e308), nothing)
    own.step(request(2, 6), nothing)
    assert arrays["results"][3] == 0
    np.testing.assert_array_equal(arrays["theta"], good)


def test_weights_that_are_no_numbers_are_noticed_when_asked_for(make):
    own = make(PLAIN)
    arrays = shared(own, 6, "sgd")
    arrays["x"][...] = np.random.default_rng(0).normal(size=6 * 192)
    first = arrays["theta"].copy()
    own.step(request(0, 6, rate=np.inf, check=True), nothing)
    assert np.isfinite(arrays["results"][:3]).all()
    assert arrays["results"][3] == 0
    np.testing.assert_array_equal(arrays["theta"], first)


def test_where_it_computes_elsewhere_the_shared_numbers_are_a_copy(make, monkeypatch):
    """As on a GPU: they are renewed when somebody asks, and taken up when somebody says so."""
    monkeypatch.setattr(OwnModule, "on_host", property(lambda _self: False))
    own, twin = make(GOOD, solver="adam"), make(GOOD, solver="adam")
    arrays = shared(own, 6, "adam")
    x = np.random.default_rng(0).normal(size=6 * 192)
    arrays["x"][...] = x
    first = arrays["theta"].copy()
    assert np.abs(first).sum() > 0
    own.step(request(0, 6), nothing)
    np.testing.assert_array_equal(arrays["theta"], first)
    own.pull()
    monkeypatch.undo()
    on_host = shared(twin, 6, "adam")
    on_host["x"][...] = x
    twin.step(request(0, 6), nothing)
    for name in ("theta", "memory", "running", "counts"):
        np.testing.assert_array_equal(arrays[name], on_host[name], err_msg=name)
    monkeypatch.setattr(OwnModule, "on_host", property(lambda _self: False))
    arrays["theta"][...] = first
    arrays["running"][...] = 0.5
    own.push()
    now = torch.cat([one.detach().reshape(-1) for one in own.parameters.values()])
    np.testing.assert_array_equal(now.numpy(), first)
    assert float(own.module.norm.running_var.mean()) == 0.5
