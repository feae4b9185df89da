"""A study on the disk: ``studies/<id>/study.json`` beside the runs, which are ordinary runs.

What became of a run stands in its own folder; the study only says which runs belong to it. So
whatever moment a study is killed at, it goes on with what is missing.
"""

from __future__ import annotations

import datetime
import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import psutil
from pydantic import Field

from app.core.errors import AlreadyExistsError, FilterscopeError, UsageError
from app.core.file_names import safe_name
from app.core.params import Spec
from app.core.runs import RunFolder, RunInfo
from app.core.runs.files import folders_of, read
from app.core.runs.info import git_state, now, versions
from app.core.settings import data_folder, read_json
from app.core.storage import make_folder, save_bytes
from app.core.studies.spec import MOST_RUNS, Scalar, StudySpec

__all__ = [
    "STUDIES",
    "Member",
    "StudyFolder",
    "StudyInfo",
    "find_study",
    "list_studies",
    "value_of",
]

STUDIES = "studies"
MOST_STUDY_BYTES = 16 << 20
# Member runs that need not be trained again.
FINISHED = ("done", "converged", "diverged")


class Member(Spec):
    """One run of a study: what it has of its own.

    `trial` counts combinations of values, of which each seed makes a run. `failures` are
    sentences, one for each time that it was begun and came to nothing.
    """

    number: Annotated[int, Field(ge=0, lt=MOST_RUNS)]
    trial: Annotated[int, Field(ge=0, lt=MOST_RUNS)]
    values: dict[str, Annotated[Scalar, Field(union_mode="left_to_right")]]
    seed: Annotated[int, Field(ge=0, lt=1 << 63)]
    failures: tuple[str, ...] = ()


class StudyInfo(Spec):
    """What ``study.json`` holds."""

    version: Literal[1] = 1
    study_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    spec: StudySpec
    members: Annotated[tuple[Member, ...], Field(max_length=MOST_RUNS)] = ()
    created: str
    # The same for studies that were begun as one: they go on together and have one page.
    group: Annotated[str, Field(max_length=64)] = ""
    versions: dict[str, str] = Field(default_factory=dict)
    git: str = ""
    # Of the data that the first run found; the others must find the same.
    data_sha256: str = ""
    # Who conducts it now, if anybody.
    pid: Annotated[int, Field(ge=0, lt=1 << 31)] = 0
    pid_started: float = 0.0


class StudyFolder:
    """A study and where its runs are."""

    def __init__(self, path: Path, info: StudyInfo) -> None:
        self.path, self.info = path, info

    @property
    def runs(self) -> Path:
        """The folder in which its runs are."""
        return self.path.parent.parent

    @property
    def spec(self) -> StudySpec:
        """What it tries."""
        return self.info.spec

    @classmethod
    def create_all(cls, specs: Sequence[StudySpec], root: Path | None = None) -> list[StudyFolder]:
        """Make the folders of new studies that are begun as one, see `create`."""
        group = uuid.uuid4().hex if len(specs) > 1 else ""
        return [cls.create(spec, root, group=group) for spec in specs]

    @classmethod
    def create(cls, spec: StudySpec, root: Path | None = None, *, group: str = "") -> StudyFolder:
        """Make the folder of a new study below ``root/studies``; no run is begun.

        Raises
        ------
        StorageError
            It cannot be written there.
        """
        root = root or data_folder()
        stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
        name = f"{stamp}-{safe_name(spec.title.replace('ρ', 'rho'), 'study')[:40]}"
        for number in range(1, 1000):
            path = root / STUDIES / (name if number == 1 else f"{name}-{number}")
            try:
                make_folder(path)
            except AlreadyExistsError:
                continue
            break
        info = StudyInfo(
            study_id=path.name,
            spec=spec,
            created=now(),
            group=group,
            versions=versions(),
            git=git_state(),
        )
        study = cls(path, info)
        if spec.search != "optuna":
            study.plan(list(spec.combinations()))
        study.write(study.info)
        return study

    @classmethod
    def open(cls, path: Path) -> StudyFolder:
        """Open a study; everything in it is checked as a stranger's.

        Raises
        ------
        UsageError
            It is none, or damaged, or of a newer version.
        """
        path = Path(path)
        data = read(path / "study.json", MOST_STUDY_BYTES, f"{path.name} is not a study")
        try:
            values = read_json(data, MOST_STUDY_BYTES)
            values = values if isinstance(values, dict) else {}
            version = values.get("version")
            if isinstance(version, int) and version > 1:
                raise UsageError("It was written by a newer version of the program.")
            info = StudyInfo.build(values)
            _check_members(info)
        except FilterscopeError as error:
            raise UsageError(
                f"{path.name} is not a study that can be read: {error.message}"
            ) from None
        if info.study_id != path.name:
            raise UsageError(f"{path.name} is the study {info.study_id} under another name.")
        return cls(path, info)

    def write(self, info: StudyInfo) -> None:
        """Write ``study.json``."""
        self.info = info
        save_bytes(self.path / "study.json", info.to_json(), overwrite=True)

    # --- members

    def plan(self, trials: Sequence[Mapping[str, Any]]) -> list[Member]:
        """Add the runs of more trials, one for each seed; they are kept by the next `write`."""
        members = list(self.info.members)
        trial = members[-1].trial + 1 if members else 0
        added: list[Member] = []
        for values in trials:
            for seed in self.spec.seeds:
                # As the setting holds it: 64, where a list may have said 64.0.
                specs = self.spec.member_specs(values, seed)
                own = {name: _held(specs, name) for name in values}
                number = len(members) + len(added)
                added.append(Member(number=number, trial=trial, values=own, seed=seed))
            trial += 1
        self.info = self.info.model_copy(update={"members": (*members, *added)})
        return added

    def note_failure(self, number: int, sentence: str) -> None:
        """Note that a run came to nothing, and write it down."""
        members = list(self.info.members)
        old = members[number]
        members[number] = old.model_copy(update={"failures": (*old.failures, sentence[:500])})
        self.write(self.info.model_copy(update={"members": tuple(members)}))

    def run_path(self, member: Member) -> Path:
        """Return the folder of a member's run."""
        return self.runs / f"{self.info.study_id}-{member.number:03d}"

    def run_id(self, member: Member) -> str:
        """Return the identity of a member's run, the same whenever it is begun."""
        return uuid.uuid5(uuid.NAMESPACE_OID, f"{self.info.study_id} {member.number}").hex

    def run_of(self, member: Member) -> RunFolder | None:
        """Return a member's run, or None when there is none that can be read."""
        try:
            run = RunFolder.open(self.run_path(member))
        except UsageError:
            return None
        return run if run.info.study == self.info.study_id else None

    def state_of(self, member: Member, run: RunFolder | None) -> str:
        """Return ``waiting``, ``failed``, or the state of its run."""
        if run is not None and (run.info.state not in ("crashed", "bug", "expected")):
            return run.info.state
        if member.failures:
            return "failed"
        return "waiting" if run is None else run.info.state

    def unfinished(self) -> list[Member]:
        """Return the members that have to be trained, or trained on."""
        found = []
        for member in self.info.members:
            run = self.run_of(member)
            if run is None or run.info.state not in FINISHED:
                found.append(member)
        return found

    # --- who conducts it

    @property
    def conducted(self) -> bool:
        """Whether a process is at it right now."""
        if not self.info.pid:
            return False
        try:
            began: float = psutil.Process(self.info.pid).create_time()
        except psutil.Error:
            return False
        return abs(began - self.info.pid_started) < 1

    def take(self) -> None:
        """Note that this process conducts it.

        Raises
        ------
        UsageError
            Another one does.
        """
        newest = StudyFolder.open(self.path)
        if newest.conducted:
            raise UsageError(
                f"{self.path.name} is being conducted right now, by process {newest.info.pid}.",
                "Stop it there first.",
            )
        me = os.getpid()
        self.write(
            newest.info.model_copy(
                update={"pid": me, "pid_started": psutil.Process(me).create_time()}
            )
        )

    def leave(self) -> None:
        """Note that nobody conducts it any more."""
        self.write(self.info.model_copy(update={"pid": 0, "pid_started": 0.0}))


def _held(specs: Sequence[Spec], name: str) -> Any:
    return next(getattr(spec, name) for spec in specs if name in type(spec).model_fields)


def _check_members(info: StudyInfo) -> None:
    """Raise `UsageError` when members are not what the study can have."""
    names = {varied.name for varied in info.spec.vary}
    for number, member in enumerate(info.members):
        if member.number != number or set(member.values) != names:
            raise UsageError(f"Run {number} is not of this study.")
        info.spec.member_specs(member.values, member.seed)


def value_of(info: RunInfo, objective: str) -> float | None:
    """Return what a run is judged by, see `OBJECTIVES`; None before it is known."""
    if objective == "accuracy":
        return None if info.best is None else info.best.accuracy
    outcome = info.outcome
    if outcome is None or not outcome.terms or outcome.reason == "diverged":
        return None
    return float(outcome.terms[0] if objective == "reconstruction" else sum(outcome.terms))


def list_studies(root: Path | None = None) -> list[StudyFolder]:
    """Return all studies, the newest first; folders that are none are left out."""
    found = []
    for folder in folders_of((root or data_folder()) / STUDIES):
        try:
            found.append(StudyFolder.open(folder))
        except UsageError:
            continue
    return sorted(found, key=lambda study: (study.info.created, study.path.name), reverse=True)


def find_study(text: str) -> StudyFolder:
    """Open the study that a person names: a path, or the name of one that is kept."""
    named = data_folder() / STUDIES / text
    path = named if Path(text).name == text and named.is_dir() else Path(text)
    return StudyFolder.open(path)
