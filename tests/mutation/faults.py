#!/usr/bin/env python3
"""Does `convnet gradcheck` find the faults that convolution kernels, planning and lowering have had? See README.md in this folder."""
import argparse
import hashlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import switches

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FOLDER = HERE / "faults"
REPORT = HERE / "faults.md"
LONGEST = 600       # processor seconds of one check, with the search for a smaller case
FIRST = ["--mode", "plan", "steps"]
NOT_MET = "the faulty code did not run"


@dataclass(frozen=True)
class Fault:
    number: int
    id: str
    kind: str
    check: str          # a name of checks.json: the model that meets the fault, and the options
    why: str
    edits: tuple
    survives: str = ""  # why the check does not find it, as far as this is known
    drawn: bool | None = None   # whether the seed of the pool draws it; None for a fault of the list


def main():
    args = arguments()
    faults = read_faults()
    verify(faults)
    chosen = [f for f in faults if (f.drawn is not False or args.pool) and (not args.only or any(text in f.id for text in args.only))]
    if args.list:
        for fault in chosen:
            print(f"{fault.number:4} {fault.id:36} {fault.kind}\n     {fault.why}\n     gradcheck {' '.join(command_of(fault.check, args.strict))}")
        return
    if args.verify:
        print(f"{len(faults)} faults: every text that they replace occurs once.")
        return
    args.scratch.mkdir(parents=True, exist_ok=True)
    results = Results(args, faults)
    todo = [fault for fault in chosen if args.again or fault.id not in results.rows]
    if todo:
        with ThreadPoolExecutor(args.jobs) as pool:
            checks = sorted({fault.check for fault in todo})
            found = zip(checks, pool.map(lambda check: false_alarm(results, check, args), checks))
            alarms = {check: alarm for check, alarm in found if alarm}
            print(*alarms.values(), sep="\n", flush=True)
            if alarms and not args.go_on:
                sys.exit(1)
            todo = [fault for fault in todo if fault.check not in alarms]
            for number, row in enumerate(pool.map(lambda fault: results.add(fault, try_fault(results, fault, args)), todo), 1):
                print(f"{number}/{len(todo)} {row['verdict']:9} {row['id']:36} {row['seconds']:6.1f} s  {row['by']}", flush=True)
    report = Report([f for f in chosen if f.id in results.rows], results.rows, args)
    print(report.summary())
    if args.update:
        report.write()
    if report.unexplained:
        sys.exit(1)


def read_faults():
    """The faults of the list, then those of the pool, of which a seed draws some."""
    listed = json.loads((FOLDER / "listed.json").read_text())["faults"]
    pool = json.loads((FOLDER / "pool.json").read_text())
    drawn = set(random.Random(pool["seed"]).sample(range(len(pool["faults"])), pool["draw"]))
    every = [(fault, None) for fault in listed] + [(fault, i in drawn) for i, fault in enumerate(pool["faults"])]
    return [Fault(number, drawn=among, **fault | {"edits": tuple(switches.Edit(**edit) for edit in fault["edits"])})
            for number, (fault, among) in enumerate(every, 1)]


def verify(faults):
    """Fails if a text that a fault replaces does not occur exactly once, or if two faults replace overlapping texts."""
    by_file = {}
    for fault in faults:
        for edit in fault.edits:
            by_file.setdefault(edit.file, []).append((fault.number, edit))
    try:
        for file, edits in by_file.items():
            switches.apply((ROOT / file).read_text(), edits)
    except ValueError as error:
        sys.exit(str(error))


def command_of(check, strict):
    words = json.loads((FOLDER / "checks.json").read_text())[check]
    words = [str(FOLDER / "models" / word) if word.endswith((".json", ".safetensors")) else word for word in words]
    return [*words, *(["--strict"] if strict else [])]


def false_alarm(results, check, args):
    """Runs a check without a fault. Returns what fails, or nothing."""
    words = [*command_of(check, args.strict), *(FIRST if args.plan else [])]
    row = run_check(results.program, 0, words, args.scratch)
    return "" if row["verdict"] == "survived" else f"gradcheck {' '.join(words)} fails without a fault: {row['by']}"


def try_fault(results, fault, args):
    """The verdict of the check of a fault. The mode that finds most faults is tried first, alone."""
    words = command_of(fault.check, args.strict)
    row = run_check(results.program, fault.number, [*words, *FIRST], args.scratch)
    return row if args.plan or row["verdict"] != "survived" else run_check(results.program, fault.number, words, args.scratch)


def run_check(program, number, words, folder):
    """The verdict of a check with one fault: caught, survived, crashed or hangs."""
    with tempfile.TemporaryDirectory(dir=folder) as own:
        met, output, errors = (Path(own) / name for name in ("met", "output", "errors"))
        environment = os.environ | {switches.VARIABLE: str(number), switches.MET: str(met), "OMP_WAIT_POLICY": "passive",
                                    "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"}
        with open(output, "w") as to, open(errors, "w") as errors_to:
            process = subprocess.Popen(["dotnet", program, "gradcheck", *words, "--json"], cwd=own, env=environment, stdout=to,
                                       stderr=errors_to, preexec_fn=limit_processor_time)
            _, status, usage = os.wait4(process.pid, 0)
        code, seconds = os.waitstatus_to_exitcode(status), round(usage.ru_utime + usage.ru_stime, 1)
        printed, said, has_run = output.read_text(), errors.read_text(errors="replace"), met.exists()
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return {"verdict": "hangs", "by": f"not finished after {LONGEST} s", "seconds": seconds}
    try:
        document = json.loads(printed)
    except json.JSONDecodeError:
        lines = [line for line in said.splitlines() if line.strip()] or [f"exit code {code}"]
        return {"verdict": "crashed", "by": lines[-1][:160], "seconds": seconds}
    if code == 0:
        return {"verdict": "survived", "by": "" if has_run else NOT_MET, "seconds": seconds}
    return {"verdict": "caught", "by": found_by(document), "seconds": seconds}


def limit_processor_time():
    resource.setrlimit(resource.RLIMIT_CPU, (LONGEST, LONGEST + 5))


def found_by(document):
    """The first comparison that failed, and how many did."""
    failed = [layer for layer in document["layers"] if layer["verdict"] == "fail"]
    if not failed:
        return document.get("worst") or "no comparison named"
    first = failed[0]
    tensors = [tensor["name"] for tensor in first["tensors"] if tensor["verdict"] == "fail"]
    more = f", {len(failed) - 1} more" if len(failed) > 1 else ""
    return f"{first['layer']}, {first['mode']}: {' '.join(tensors[:3])}{more}"


class Results:
    """The built program and the results so far. They hold for one state of the sources."""

    def __init__(self, args, faults):
        edits = [(fault.number, edit) for fault in faults for edit in fault.edits]
        contents = switches.make_tree(ROOT, args.scratch / "tree", edits)
        digest = hashlib.sha256(repr(sorted(contents.items())).encode()).hexdigest()[:16]
        self.program = switches.build(args.scratch / "tree")
        self.path = args.scratch / f"results-{digest}{'-strict' if args.strict else ''}.jsonl"
        rows = map(json.loads, self.path.read_text().splitlines()) if self.path.exists() else []
        self.rows = {row["id"]: row for row in rows}

    def add(self, fault, row):
        self.rows[fault.id] = row = {"id": fault.id} | row
        with open(self.path, "a") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
        return row


class Report:
    """The tables of faults.md."""

    def __init__(self, faults, rows, args):
        self.faults, self.rows, self.args = faults, rows, args
        self.survivors = [fault for fault in faults if rows[fault.id]["verdict"] == "survived"]
        self.unexplained = [fault for fault in self.survivors if not fault.survives]

    def summary(self):
        lines = []
        for name, part in (("of the list", [f for f in self.faults if f.drawn is None]), ("of the pool", [f for f in self.faults if f.drawn is not None])):
            if part:
                found = len(part) - sum(fault in self.survivors for fault in part)
                lines.append(f"{found} of {len(part)} faults {name} are found ({100 * found / len(part):.1f}%).")
        return " ".join(lines)

    def text(self):
        by_kind = Counter(fault.kind for fault in self.faults)
        alive = Counter(fault.kind for fault in self.survivors)
        yield self.summary()
        yield ""
        yield f"{machine()}; commit {commit()}."
        yield f"`python3 tests/mutation/faults.py{' --strict' if self.args.strict else ''} --update`"
        yield ""
        yield "| kind | faults | found |"
        yield "| --- | ---: | ---: |"
        yield from (f"| {kind} | {count} | {count - alive[kind]} |" for kind, count in by_kind.items())
        yield ""
        yield "| fault | what is wrong | check | verdict | first comparison that failed | seconds |"
        yield "| --- | --- | --- | --- | --- | ---: |"
        for fault in self.faults:
            row = self.rows[fault.id]
            yield (f"| {fault.id} | {fault.why} | {fault.check} | {row['verdict']} | {row['by'].replace('|', '/')} "
                   f"| {row['seconds']:.0f} |")
        yield ""
        yield "Survivors:" if self.survivors else "There are no survivors."
        yield from (f"- **{fault.id}**: {fault.survives or 'not explained yet'}" for fault in self.survivors)

    def write(self):
        name = "strict" if self.args.strict else "default"
        text, start, end = REPORT.read_text(), f"<!-- bench faults-{name} -->\n", "<!-- end -->"
        before, rest = text.split(start)
        REPORT.write_text(before + start + "\n".join(self.text()) + "\n" + end + rest.split(end, 1)[1])


def machine():
    names = [line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return f"{names[0]}, {len(names)} processors"


def commit():
    git = ["git", "-C", ROOT]
    changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", "src", "native"]).returncode != 0
    name = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    return name + (" with changes" if changed else "")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, epilog="Example: python3 tests/mutation/faults.py --only bn- --again")
    parser.add_argument("--list", action="store_true", help="print the faults and their checks")
    parser.add_argument("--verify", action="store_true", help="only check that every text that a fault replaces occurs once")
    parser.add_argument("--only", nargs="+", metavar="TEXT", help="only faults whose name contains one of these texts")
    parser.add_argument("--pool", action="store_true", help="the whole pool instead of those that its seed draws")
    parser.add_argument("--strict", action="store_true", help="run the checks with --strict")
    parser.add_argument("--plan", action="store_true", help="only with --mode plan steps, which is quicker and finds nearly all")
    parser.add_argument("--go-on", action="store_true", help="if a check fails without a fault, leave out its faults and go on")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="checks to run at the same time (1)")
    parser.add_argument("--again", action="store_true", help="run faults again whose result for these sources is known")
    parser.add_argument("--update", action="store_true", help="write the tables to faults.md")
    parser.add_argument("--scratch", type=Path, default=ROOT / "build/faults", metavar="FOLDER", help="working folder (build/faults)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
