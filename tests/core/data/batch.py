"""Runs the child's own code over very many files: a process for some dozens of them instead of for each.

    python -m tests.core.data.batch FILE...
    python -m tests.core.data.batch --mutants 20000 --kind hdf5 --seed 0

Each file meets the same guard, the same walk and the same reading as in the program; a process that
dies or hangs is seen, and laid to the file it was at. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import select
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from app.core.data.untrusted.frames import Broken, read_frame, write_json
from app.core.data.untrusted.process import serve

PATIENCE = 30.0
BATCH = 100


def ask(request: dict[str, Any]) -> list[Any]:
    """Return all that the child answers; raises what it does not answer."""
    # The door was closed for the file before; in the program a new process follows.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    requests, out = io.BytesIO(), io.BytesIO()
    write_json(requests, request)
    requests.seek(0)
    serve(requests, out)
    out.seek(0)
    answers = []
    while out.tell() < out.getbuffer().nbytes:
        answers.append(read_frame(out))
    return answers


def judge(path: str, size: int) -> dict[str, Any]:
    """Inspect a file, then read each data set that may be read."""
    said = ask({"do": "inspect", "path": path, "size": size})[0]
    verdict: dict[str, Any] = {"refused": said.get("refused"), "read": 0, "stopped": 0}
    lines = [said.get("refused")]
    for row in said.get("datasets", []):
        lines += [row["refused"], row["path"]]
        if row["refused"] is None:
            request = {"do": "read", "path": path, "size": size, "dataset": row["path"], "axis": 0}
            end = ask(request)[-1]
            lines.append(end.get("refused"))
            verdict["read" if end.get("end") else "stopped"] += 1
    wrong = [line for line in lines if line is not None and not (line and line.isprintable())]
    if wrong:
        verdict["fault"] = f"not one line: {wrong[0]!r}"
    return verdict


def _work(files: list[tuple[str, Path, int]], out: int) -> None:
    """Judge files (name, path, size), and tell of each when it begins and when it is done."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    for name, path, size in files:
        os.write(out, (json.dumps({"at": name}) + "\n").encode())
        try:
            verdict = judge(str(path), size)
        except (Exception, Broken) as error:
            # In the program this ends the child without an answer.
            verdict = {"fault": f"{type(error).__name__}: {error}"[:300]}
        os.write(out, (json.dumps({"name": name, **verdict}) + "\n").encode())


def run(names: list[str], content: Callable[[str], bytes]) -> Iterator[dict[str, Any]]:
    """Yield a verdict for each file: what came of it, ``fault`` or ``died``."""
    with tempfile.TemporaryDirectory() as folder:
        yield from _run(Path(folder), names, content)


def _run(
    folder: Path, names: list[str], content: Callable[[str], bytes]
) -> Iterator[dict[str, Any]]:
    while names:
        batch = []
        # Written now: the limits of the sandbox forbid it later.
        for number, name in enumerate(names[:BATCH]):
            data, path = content(name), folder / str(number)
            path.write_bytes(data)
            batch.append((name, path, len(data)))
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            _work(batch, writer)
            os._exit(0)
        os.close(writer)
        done, at, buffer, hung = 0, "", b"", False
        while True:
            ready, _, _ = select.select([reader], [], [], PATIENCE)
            part = os.read(reader, 1 << 16) if ready else b""
            if not ready:
                hung = True
                os.kill(child, signal.SIGKILL)
            if not part:
                break
            *lines, buffer = (buffer + part).split(b"\n")
            for line in lines:
                message = json.loads(line)
                if "at" in message:
                    at = message["at"]
                else:
                    done += 1
                    yield message
        os.close(reader)
        _, status = os.waitpid(child, 0)
        if done < len(batch):
            died = "hung" if hung else f"died of {os.waitstatus_to_exitcode(status)}"
            yield {"name": at, "died": died}
            done += 1
        names = names[done:]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="*")
    parser.add_argument("--mutants", type=int, default=0)
    parser.add_argument("--kind", default="hdf5")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if not options.mutants:
        found = run(options.files, lambda name: Path(name).read_bytes())
        print(json.dumps({verdict["name"]: verdict for verdict in found}))
        return 0
    from tests.core.data.mutants import Mutants

    mutants = Mutants(options.kind, options.seed)
    counts = {"refused": 0, "read": 0, "stopped": 0, "nothing": 0}
    faults, died, total = {}, {}, 0
    for verdict in run(list(map(str, range(options.mutants))), lambda n: mutants.make(int(n))):
        total += 1
        if "fault" in verdict:
            faults[verdict["name"]] = verdict["fault"]
        elif "died" in verdict:
            died[verdict["name"]] = verdict["died"]
        else:
            kind = "refused" if verdict["refused"] else "read" if verdict["read"] else ""
            counts[kind or ("stopped" if verdict["stopped"] else "nothing")] += 1
    print(json.dumps({"total": total, **counts, "faults": faults, "died": died}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
