"""Which values a study tries next, when that depends on what the runs before gave."""

from __future__ import annotations

import itertools
import math
import statistics
import warnings
from collections.abc import Mapping
from typing import Any

from app.core.errors import FilterscopeError
from app.core.studies.folder import FINISHED, Member, StudyFolder, value_of
from app.core.studies.spec import Scalar, StudySpec, Varied

__all__ = ["Adviser"]


class Adviser:
    """Adds runs to a study whose trials are chosen one after the other.

    A grid and a random search are planned whole; for them there is nothing to advise. For
    Optuna's tree-structured Parzen estimator, each trial is a combination of values, judged by
    the mean of the objective over its seeds; one that diverged or failed counts as such.

    Parameters
    ----------
    study : StudyFolder
        Trials that have ended already are told to the estimator, so that a study goes on knowing
        what it knew.

    Raises
    ------
    FilterscopeError
        Optuna is not installed.
    """

    def __init__(self, study: StudyFolder) -> None:
        self._study = study
        self._spec = study.spec
        self._found: dict[int, dict[int, float | None]] = {}
        self._optuna: _Estimator | None = None
        if self._spec.search == "optuna":
            self._optuna = _Estimator(self._spec)
            self._look_back()

    @property
    def finished(self) -> bool:
        """Whether no further trial will be asked for."""
        if self._optuna is None:
            return True
        members = self._study.info.members
        return bool(members) and members[-1].trial + 1 >= self._spec.trials

    def more(self) -> list[Member]:
        """Return the runs of the next trial, or nothing while none is wanted."""
        if self._optuna is None or self.finished:
            return []
        members = self._study.info.members
        trial = members[-1].trial + 1 if members else 0
        values = self._optuna.ask(trial)
        added = self._study.plan([values])
        # Written before it begins: whatever happens, the run has a place in the study.
        self._study.write(self._study.info)
        return added

    def learn(self, member: Member, value: float | None) -> None:
        """Hear what a run gave; None for one that gave nothing."""
        if self._optuna is None:
            return
        found = self._found.setdefault(member.trial, {})
        found[member.seed] = value
        if len(found) == len(self._spec.seeds):
            self._optuna.tell(member.trial, member.values, _mean(found.values()))

    def _look_back(self) -> None:
        assert self._optuna is not None
        trials = itertools.groupby(self._study.info.members, lambda member: member.trial)
        for trial, members in trials:
            ended = []
            for member in members:
                run = self._study.run_of(member)
                if run is not None and run.info.state in FINISHED:
                    ended.append((member, value_of(run.info, self._spec.objective)))
            if len(ended) < len(self._spec.seeds):
                # Its missing seeds are trained now, and then it is learned from.
                self._found[trial] = {member.seed: value for member, value in ended}
                continue
            self._optuna.tell(trial, ended[0][0].values, _mean(value for _, value in ended))


def _mean(values: Any) -> float | None:
    known = list(values)
    if any(value is None or not math.isfinite(value) for value in known):
        return None
    return statistics.fmean(known)


class _Estimator:
    """Optuna's estimator, in memory: all it has to remember stands in the runs."""

    def __init__(self, spec: StudySpec) -> None:
        try:
            import optuna
        except ImportError:
            raise FilterscopeError(
                "A search of this kind needs Optuna, which is not installed.",
                'Install it with: python -m pip install "filterscope[studies]"',
            ) from None
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._optuna = optuna
        with warnings.catch_warnings():
            # Runs side by side: what is still being tried counts as bad, so that the next
            # choice lies elsewhere. Optuna calls this experimental.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(seed=spec.search_seed, constant_liar=True)
        self._study = optuna.create_study(
            direction="minimize" if spec.least_is_best else "maximize", sampler=sampler
        )
        kinds = {name: parameter.kind for name, parameter in spec.parameters.items()}
        self._space = {one.name: self._range(one, kinds[one.name]) for one in spec.vary}
        self._varied = {one.name: one for one in spec.vary if not one.values}
        self._whole = {name for name, kind in kinds.items() if kind == "int"}
        self._open: dict[int, Any] = {}

    def _range(self, varied: Varied, kind: str) -> Any:
        distributions = self._optuna.distributions
        if varied.values:
            return distributions.CategoricalDistribution(varied.values)
        log = varied.scale == "log"
        if kind == "int":
            return distributions.IntDistribution(round(varied.low), round(varied.high), log=log)  # type: ignore[arg-type]
        return distributions.FloatDistribution(varied.low, varied.high, log=log)

    def ask(self, number: int) -> dict[str, Scalar]:
        trial = self._open[number] = self._study.ask(self._space)
        return {
            name: self._varied[name].short(value, integer=name in self._whole)
            if name in self._varied
            else value
            for name, value in trial.params.items()
        }

    def tell(self, number: int, values: Mapping[str, Scalar], result: float | None) -> None:
        states = self._optuna.trial.TrialState
        trial = self._open.pop(number, None)
        if trial is None:
            # Of an earlier start of the study.
            state = states.FAIL if result is None else states.COMPLETE
            self._study.add_trial(
                self._optuna.trial.create_trial(
                    state=state,
                    value=result,
                    params=dict(values),
                    distributions=self._space,
                )
            )
        elif result is None:
            self._study.tell(trial, state=states.FAIL)
        else:
            self._study.tell(trial, result)
