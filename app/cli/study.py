"""``filterscope study``: settings over lists and ranges, trained side by side."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.cli.options import command, json_flag, read_assignments
from app.cli.progress import Interruptible
from app.cli.study_progress import StudyProgress
from app.core.errors import AlreadyExistsError, UsageError
from app.core.params import describe
from app.core.specs.kinds import SPECS

__all__ = ["add_study", "run_study"]

WORDS = ("list", "show", "resume", "page")
EPILOG = """what to study:
  report                both studies of the exercise's report, as one page
  report-rho            ρ 0.2, 0.5 and 0.8
  report-hidden         25, 64 and 100 hidden units
  FILE.toml, FILE.json  a study that was written down
  (left out)            what --vary says

or, of a study that is there, with its name or folder after it:
  list                  all studies, the newest first
  show STUDY            its runs and what they gave
  resume STUDY          train what is missing
  page STUDY...         write --page again

values to vary (--vary, may be given often):
  --vary rho=0.2,0.5,0.8            a list
  --vary beta=0.001..10:log:5       a range: five values, equal factors apart
  --vary hidden_units=25..100:4     four values, equal steps apart
  --vary "layers=conv 8 3x3, relu | conv 16 3x3, relu"   a list of texts

A cluster: every member of a Dask cluster, and whoever can reach its scheduler, can run code on
this computer. One that is not on this computer is reached with TLS files, or, where everybody on
that network is trusted, with --trust-network."""


def add_study(commands: Any) -> None:
    """Add ``study``."""
    parser = command(
        commands,
        "study",
        "Train a network over lists of settings and several seeds",
        run_study,
        epilog=EPILOG,
    )
    parser.add_argument("what", nargs="?", metavar="WHAT", help="see below")
    parser.add_argument(
        "data",
        nargs="*",
        metavar="DATA",
        help="as for train; what comes with the program by default",
    )
    parser.add_argument(
        "--vary", action="append", default=[], metavar="NAME=VALUES", help="a setting to vary"
    )
    parser.add_argument(
        "--network", choices=["autoencoder", "cnn"], default=None, help="which kind (autoencoder)"
    )
    parser.add_argument("--preset", metavar="NAME", help="settings to start from")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", dest="assignments",
        help="a setting that all runs have",
    )  # fmt: skip
    parser.add_argument("--epochs", metavar="N", help="the same as --set epochs=N")
    parser.add_argument("--seeds", metavar="N", help="how many seeds, or a list such as 0,3,7")
    parser.add_argument("--search", choices=["grid", "random", "optuna"], help="which combinations")
    parser.add_argument("--trials", type=int, metavar="N", help="how many a search tries (20)")
    parser.add_argument("--objective", choices=["cost", "reconstruction", "accuracy"],
                        help="what runs are judged by")  # fmt: skip
    parser.add_argument("--title", help="what the study is called")
    parser.add_argument("--layout", help="what the axes of a file of patches mean")
    parser.add_argument("--value-range", choices=["0..1", "0..255"])
    parser.add_argument("--workers", type=int, metavar="N", help="runs at once (all cores)")
    parser.add_argument("--threads", type=int, metavar="N", help="threads of each (cores shared)")
    parser.add_argument(
        "--dask", action="store_true", help="workers of a Dask cluster on this computer alone"
    )
    parser.add_argument("--scheduler", metavar="ADDRESS", help="a Dask cluster that is there")
    for name, what in (("ca", "whom to believe"), ("cert", "who we are"), ("key", "our key")):
        parser.add_argument(f"--tls-{name}", type=Path, metavar="PEM", help=what)
    parser.add_argument(
        "--trust-network", action="store_true",
        help="everybody who can reach that scheduler may run code here",
    )  # fmt: skip
    parser.add_argument("--page", type=Path, metavar="PATH", help="write one HTML page at the end")
    parser.add_argument("--force", action="store_true", help="replace a page that exists")
    parser.add_argument("--dry-run", action="store_true", help="only say which runs there would be")
    json_flag(parser)


def run_study(options: argparse.Namespace) -> int:
    """``filterscope study``."""
    if options.what in WORDS:
        return _of_a_study(options)
    from app.core.studies.folder import StudyFolder

    specs = read_specs(options)
    if options.dry_run:
        return _dry_run(specs, options.json)
    _check_page(options)
    _check_data(specs, options)
    pool = _pool(options)
    with pool:
        return _conduct(StudyFolder.create_all(specs), pool, options)


def read_specs(options: argparse.Namespace) -> list[Any]:
    """Return the studies that the command line asks for."""
    from app.core.studies.presets import REPORT, STUDY_PRESETS, preset_study
    from app.core.studies.spec import StudySpec, read_study_spec

    what, data = options.what, list(options.data)
    presets = list(STUDY_PRESETS) if what == REPORT else [what] if what in STUDY_PRESETS else []
    from_file = what is not None and Path(what).suffix.lower() in (".toml", ".json")
    if what is not None and not presets and not from_file:
        # Without a study by name, the first word is the data.
        data.insert(0, what)
        if not options.vary and options.seeds is None:
            known = ", ".join((REPORT, *STUDY_PRESETS, *WORDS))
            raise UsageError(
                f"“{what}” is no study; there are {known}.",
                "Or say what to vary: --vary rho=0.2,0.5,0.8.",
            )
    if what is None and not options.vary and options.seeds is None:
        raise UsageError(
            "There is nothing to study.", "Name a study, or say --vary rho=0.2,0.5,0.8."
        )
    if len(data) > 1:
        raise UsageError(f"“{data[1]}” is one word too many.", "There is one DATA.")
    data = [_whole(word) for word in data]
    if from_file:
        more = _changes(options, None)
        more.pop("kind")
        spec = read_study_spec(Path(what))
        more["data"] = data[0] if data else spec.data
        return [_changed(spec, more)]
    if presets:
        if options.network == "cnn" or options.preset or options.vary:
            raise UsageError("A study of the report has its own network, and values of its own.")
        more = _changes(options, "autoencoder")
        return [preset_study(name, data=data[0] if data else "", **more) for name in presets]
    more = _changes(options, options.network or "autoencoder")
    return [StudySpec.build({**more, "data": data[0] if data else ""})]


def _whole(data: str) -> str:
    """Return DATA by its whole path, so that the study goes on from any folder."""
    from app.core.data.image_reader import CIFAR10_NAME
    from app.core.data.synthetic import SYNTHETIC_NAME

    path, mark, dataset = data.partition("::")
    if path in (CIFAR10_NAME, SYNTHETIC_NAME):
        return data
    return f"{Path(path).resolve()}{mark}{dataset}" if Path(path).exists() else data


def _check_data(specs: Sequence[Any], options: argparse.Namespace) -> None:
    """Raise `UsageError` where patches are not there; of another computer nobody knows."""
    for spec in specs:
        path = spec.data.partition("::")[0]
        here = spec.kind == "autoencoder" and options.scheduler is None
        if here and path and not Path(path).exists():
            raise UsageError(f"There is no file {path}.")


def _changes(options: argparse.Namespace, kind: str | None) -> dict[str, Any]:
    """Return the fields of a study that options set; `kind` None leaves values as text."""
    from app.core.studies.typed import parse_seeds, parse_varied

    kind = kind or options.network or "autoencoder"
    assignments = list(options.assignments)
    if options.epochs is not None:
        assignments.append(f"epochs={options.epochs}")
    values = read_assignments(assignments, SPECS[kind])
    found: dict[str, Any] = {"kind": kind}
    wanted = {name: value for one in values.values() for name, value in one.items()}
    if wanted:
        found["set"] = wanted
    if options.preset is not None:
        found["preset"] = options.preset
    if options.seeds is not None:
        found["seeds"] = parse_seeds(options.seeds)
    if options.vary:
        known = {p.name: p for cls in SPECS[kind] for p in describe(cls)}
        found["vary"] = [parse_varied(text, known) for text in options.vary]
    for name in ("search", "trials", "objective", "title", "layout", "value_range"):
        if getattr(options, name) is not None:
            found[name] = getattr(options, name)
    return found


def _changed(spec: Any, more: dict[str, Any]) -> Any:
    """Return a study from a file with what options say instead."""
    from app.core.studies.spec import StudySpec

    values = spec.model_dump()
    for name, value in more.pop("set", {}).items():
        for part in ("spec", "preprocess"):
            if name in values[part]:
                values[part][name] = value
    if more.pop("preset", None) is not None:
        raise UsageError("The file says which settings to start from; leave --preset out.")
    return StudySpec.build({**values, **more})


def _dry_run(specs: Sequence[Any], as_json: bool) -> int:
    from app.core.studies.results import words_of

    runs = [
        {"study": spec.title, **values, "seed": seed}
        for spec in specs
        if spec.search != "optuna"
        for values in spec.combinations()
        for seed in spec.seeds
    ]
    if as_json:
        print(json.dumps({"runs": runs, "count": sum(spec.run_count for spec in specs)}))
        return 0
    for spec in specs:
        print(f"{spec.title}: {spec.run_count} runs of {spec.spec.epochs} epochs")
        if spec.search == "optuna":
            print("  values are chosen one after the other")
            continue
        for values in spec.combinations():
            for seed in spec.seeds:
                print(f"  {words_of(spec, values)}, seed {seed}")
    return 0


def _check_page(options: argparse.Namespace) -> None:
    if options.page is None:
        return
    if os.path.lexists(options.page) and not options.force:
        raise AlreadyExistsError(
            f"{options.page} exists already.", "Choose another --page, or add --force."
        )
    if not options.page.parent.is_dir():
        raise UsageError(f"There is no folder {options.page.parent}.")


def _pool(options: argparse.Namespace) -> Any:
    from app.core.studies.cluster import ClusterAddress
    from app.core.studies.pools import open_pool

    cluster = None
    files = (options.tls_ca, options.tls_cert, options.tls_key)
    if options.scheduler is not None:
        cluster = ClusterAddress(options.scheduler, *files, trusted=options.trust_network)
    elif any(files) or options.trust_network:
        raise UsageError("TLS files and --trust-network belong to --scheduler ADDRESS.")
    return open_pool(options.workers, dask=options.dask, cluster=cluster, threads=options.threads)


def _conduct(studies: Sequence[Any], pool: Any, options: argparse.Namespace) -> int:
    from app.core.studies.conduct import StudyControl, StudyEnded, conduct

    control = StudyControl()
    screen = StudyProgress(studies)
    ended = []
    with Interruptible(control.stop):
        for event in conduct(studies, pool, control):
            screen.take(event)
            if isinstance(event, StudyEnded):
                ended.append(event)
    screen.end()
    code = _tell(studies, options)
    if any(event.reason == "stopped" for event in ended):
        names = " ".join(study.info.study_id for study in studies)
        print(f"filterscope: Go on with: filterscope study resume {names}", file=sys.stderr)
        return 130
    return 1 if any(event.failed for event in ended) else code


def _tell(studies: Sequence[Any], options: argparse.Namespace) -> int:
    """Print what studies gave, and write their page."""
    from app.core.studies.results import read_results

    found = [read_results(study) for study in studies]
    page = None if options.page is None else _write_page(found, options)
    if options.json:
        print(json.dumps({"studies": [_facts(one) for one in found], "page": page}))
        return 0
    for results in found:
        _print(results)
    if page is not None:
        print(page)
    return 0


def _write_page(found: Sequence[Any], options: argparse.Namespace) -> str:
    from app.core.storage import save_bytes
    from app.core.studies.page import study_page
    from app.core.takeaway.page import page_html

    page, notes = study_page(found)
    for note in notes:
        print(f"filterscope: {note}", file=sys.stderr)
    save_bytes(options.page, page_html(page), overwrite=options.force)
    return str(options.page)


def _facts(results: Any) -> dict[str, Any]:
    trials = [
        {
            "values": dict(trial.values),
            "mean": trial.mean,
            "runs": [
                {
                    "path": str(results.study.run_path(member)),
                    "seed": member.seed,
                    "state": state,
                    results.spec.objective: judged,
                    "failures": list(member.failures),
                }
                for member, state, judged in zip(
                    trial.members, trial.states, trial.judged, strict=True
                )
            ],
        }
        for trial in results.trials
    ]
    best = None if results.best is None else dict(results.best.values)
    return {"study": str(results.study.path), "trials": trials, "best": best}


def _print(results: Any) -> None:
    from app.core.studies.results import words_of

    spec = results.spec
    counts = ", ".join(f"{count} {state}" for state, count in results.states.items())
    print(f"{results.study.info.study_id}   {spec.title}: {counts or 'no run yet'}")
    names = [words_of(spec, trial.values) for trial in results.trials]
    wide = max([len(name) for name in names], default=0)
    if any(trial.mean is not None for trial in results.trials):
        print(f"  {'':{wide}}   {results.objective}")
    for name, trial in zip(names, results.trials, strict=True):
        known = trial.known
        value = "" if trial.mean is None else f"{trial.mean:.5g}"
        if len(known) > 1:
            value += f"  ({min(known):.5g} … {max(known):.5g}, {len(known)} seeds)"
        others = sorted({state for state in trial.states if state != "done"})
        mark = "  best" if results.best is trial and len(results.trials) > 1 else ""
        print(
            f"  {name:{wide}}   {value}{mark}{'  ' + ', '.join(others) if others else ''}".rstrip()
        )
        for member in trial.members:
            for failure in member.failures:
                print(f"  {'':{wide}}   seed {member.seed}: {failure}")


def _of_a_study(options: argparse.Namespace) -> int:
    """``list``, ``show``, ``resume`` and ``page``."""
    from app.core.studies.folder import find_study, list_studies
    from app.core.studies.results import read_results

    if options.what == "list":
        found = [read_results(study) for study in list_studies()]
        if options.json:
            print(json.dumps({"studies": [_facts(one) for one in found]}))
            return 0
        for results in found:
            counts = ", ".join(f"{count} {state}" for state, count in results.states.items())
            print(f"{results.study.info.study_id}   {results.spec.title}: {counts}")
        if not found:
            print("There are no studies yet.", file=sys.stderr)
        return 0
    if not options.data:
        raise UsageError(f"Which study? Say: filterscope study {options.what} STUDY.")
    studies = [find_study(name) for name in options.data]
    if options.what == "page" and options.page is None:
        raise UsageError("Where to? Say: --page PATH.")
    _check_page(options)
    if options.what == "resume":
        with _pool(options) as pool:
            return _conduct(studies, pool, options)
    return _tell(studies, options)
