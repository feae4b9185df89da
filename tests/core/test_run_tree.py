"""Runs that went on from others stand below them."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.core.errors import UsageError
from app.core.run_table import read_row
from app.core.run_tree import lineage, tree_of
from app.core.runs import ParentInfo, RunFolder
from app.core.specs import AutoencoderSpec
from app.core.timeline import Timeline, parts_of, read_history

from .trained import images, record, write


def row(run_id: str, parent: str = "", epoch: float = 0.0):
    found = None
    if parent:
        found = ParentInfo(run_id=parent, name=parent, step=int(10 * epoch), epoch=epoch)
    info = SimpleNamespace(run_id=run_id, parent=found, started=run_id)
    return SimpleNamespace(run=SimpleNamespace(info=info))


def drawn(rows) -> list[str]:
    return [branch.prefix + branch.row.run.info.run_id for branch in tree_of(rows)]


def test_children_stand_below_their_parent_in_the_order_they_left_it() -> None:
    rows = [
        row("late", "root", 9.0),
        row("grandchild", "early", 4.0),
        row("other"),
        row("early", "root", 3.0),
        row("root"),
    ]
    assert drawn(rows) == [
        "other",
        "root",
        "├─ early",
        "│  └─ grandchild",
        "└─ late",
    ]


def test_without_its_parent_a_run_is_a_root() -> None:
    assert drawn([row("child", "gone", 1.0), row("grandchild", "child", 2.0)]) == [
        "child",
        "└─ grandchild",
    ]


def test_what_descends_from_itself_is_listed_once() -> None:
    rows = [row("a", "b", 1.0), row("b", "a", 1.0), row("c", "c", 1.0), row("d", "a", 2.0)]
    found = [branch.row.run.info.run_id for branch in tree_of(rows)]
    assert sorted(found) == ["a", "b", "c", "d"]


def test_a_long_chain_is_no_deep_call() -> None:
    rows = [row("0"), *(row(str(n), str(n - 1), float(n)) for n in range(1, 2000))]
    assert [branch.depth for branch in tree_of(rows)] == list(range(2000))


@pytest.fixture
def chain(tmp_path: Path) -> list[RunFolder]:
    """Return a run, its child and its grandchild."""
    file = write(tmp_path / "patches.npy", images())
    spec = AutoencoderSpec(hidden_units=4, batch_size=60, epochs=2)
    runs = [record(tmp_path / "runs" / name, file, spec) for name in "abc"]
    made: list[RunFolder] = []
    for run in runs:
        # Beside each other, as the window puts them.
        path = run.path.rename(tmp_path / "runs" / f"run-{len(made)}")
        run = RunFolder.open(path)
        if made:
            older = made[-1]
            parent = ParentInfo(
                run_id=older.info.run_id, name=older.path.name, step=2, epoch=1.0,
                changes=(("rho", 0.05, 0.1),),
            )  # fmt: skip
            run.write_info(run.info.changed(parent=parent.model_dump()))
        made.append(RunFolder.open(path))
    return made


def test_a_run_file_says_where_it_came_from(chain: list[RunFolder]) -> None:
    parent = chain[1].info.parent
    assert parent is not None
    assert parent.changes == (("rho", 0.05, 0.1),)
    assert [run.path.name for run, _ in lineage(chain[2])] == ["run-0", "run-1"]
    assert lineage(chain[0]) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
PARENTS = st.fixed_dictionaries(
    {},
    optional={
        "run_id": JSON | st.just("RUN"),
        "name": JSON | st.sampled_from(["run-0", "run-1", "run-2", "..", "/etc", "a\0b"]),
        "step": JSON | st.integers(0, 20),
        "epoch": JSON | st.floats(0, 5),
        "changes": JSON | st.lists(st.tuples(st.text(max_size=8), JSON, JSON), max_size=2),
    },
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parent=PARENTS | JSON)
def test_whatever_a_file_says_of_its_parent_is_refused_or_seen(
    chain: list[RunFolder], parent: object
) -> None:
    values = json.loads(chain[2].info.to_json())
    if isinstance(parent, dict) and parent.get("run_id") == "RUN":
        parent = {**parent, "run_id": chain[0].info.run_id}
    path = chain[2].path / "run.json"
    before = path.read_bytes()
    try:
        path.write_text(json.dumps({**values, "parent": parent}))
        try:
            run = RunFolder.open(chain[2].path)
        except UsageError:
            return
        parts = parts_of(run)
        assert parts[-1].run is run
        assert {part.run.path.parent for part in parts} == {run.path.parent}
        assert tree_of([read_row(run)])[0].depth == 0
        read_history(parts)
        line = Timeline(parts)
        line.look()
        assert line.steps
    finally:
        path.write_bytes(before)


@pytest.mark.parametrize("name", ["", ".", "..", "../run-0", "/etc", "no such run", "x\0y"])
def test_a_parent_elsewhere_is_not_looked_for(chain: list[RunFolder], name: str) -> None:
    info = chain[1].info
    assert info.parent is not None
    other = info.parent.model_copy(update={"name": name})
    chain[1].write_info(info.changed(parent=other.model_dump()))
    assert lineage(RunFolder.open(chain[1].path)) == []


def test_another_run_in_the_parents_place_is_not_taken_for_it(chain: list[RunFolder]) -> None:
    chain[0].write_info(chain[0].info.changed(run_id="f" * 32))
    assert [run.path.name for run, _ in lineage(chain[2])] == ["run-1"]
