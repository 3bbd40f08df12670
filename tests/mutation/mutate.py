#!/usr/bin/env python3
"""Changes one operator of the product at a time and checks that the tests fail. See README.md in this folder."""
import argparse
import json
import random
import sys
import time
from collections import defaultdict
from pathlib import Path

from managed import ManagedMutants
from native import NativeMutants
from tests import Machine, Verdict

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
JUDGED = HERE / "survivors.json"


def main():
    args = arguments()
    args.scratch.mkdir(parents=True, exist_ok=True)
    machine, quick = Machine(args.lock), not args.survivors
    if args.language == "c":
        source = NativeMutants(machine, ROOT, args.scratch, args.isa, quick, args.sanitize)
    else:
        source = ManagedMutants(machine, ROOT, args.scratch, args.isa, quick)
    chosen = [m for m in sample(source.mutants(), args.sample, args.seed) if args.only is None or args.only in m.name]
    if args.list:
        for mutant in chosen:
            print(f"{mutant.name}\n    {mutant.code}")
        return
    results = Results(args.scratch / f"{args.language}.jsonl")
    if args.survivors:
        known = {tuple(mutant) for group in json.loads(JUDGED.read_text()) if group.get("equivalent") for mutant in group["mutants"]}
        todo = [m for m in chosen if results.verdict(m) == Verdict.SURVIVED and (m.file, m.code, m.change) not in known]
    else:
        todo = [m for m in chosen if results.verdict(m) is None]
    trial = prepare(source, todo, args, machine)
    for number, mutant in enumerate(todo, 1):
        started = time.monotonic()
        verdict, why = trial(mutant)
        results.add(mutant, verdict, why, time.monotonic() - started)
        print(f"{number}/{len(todo)} {verdict:12} {mutant.name}  {why}", flush=True)


def prepare(source, mutants, args, machine):
    """Builds what the mutants need, checks that the tests pass without one, and returns a function that tries one."""
    source.prepare(mutants)
    nunit = None
    if args.nunit and args.language == "c":
        nunit = ManagedMutants(machine, ROOT, args.scratch, args.isa, quick=False)
        nunit.prepare([])
    verdict, why = (nunit or source).test()
    if verdict != Verdict.SURVIVED:
        sys.exit(f"The tests fail on the unmodified sources, so mutants cannot be tried: {why}")
    if nunit is None:
        return source.try_mutant

    def in_csharp(mutant):
        library = source.build_mutant(mutant)
        return nunit.try_library(library) if library else (Verdict.NOT_COMPILED, "")

    return in_csharp


def sample(mutants, count, seed):
    """
    A sample of `count` mutants, or all if 0, determined by the seed. Each file is represented in proportion to its number
    of mutants, by at least one. The order is random, so that every prefix is a sample too.
    """
    by_file = defaultdict(list)
    for mutant in mutants:
        by_file[mutant.file].append(mutant)
    generator, chosen, rest = random.Random(seed), [], []
    for file in sorted(by_file):
        members = generator.sample(by_file[file], len(by_file[file]))
        share = max(1, count * len(members) // len(mutants))
        chosen += members[:share]
        rest += members[share:]
    generator.shuffle(rest)
    chosen += rest[: max(0, (count or len(mutants)) - len(chosen))]
    generator.shuffle(chosen)
    return chosen


class Results:
    """The results so far: one line of JSON for each trial of a mutant, of which the last counts."""

    def __init__(self, path):
        self.path = path
        rows = map(json.loads, path.read_text().splitlines()) if path.exists() else []
        self.rows = {row["name"]: row for row in rows}

    def verdict(self, mutant):
        return self.rows[mutant.name]["verdict"] if mutant.name in self.rows else None

    def add(self, mutant, verdict, why, seconds):
        row = {
            "name": mutant.name, "file": mutant.file, "line": mutant.line, "change": mutant.change, "code": mutant.code,
            "verdict": verdict, "by": why, "seconds": round(seconds, 1),
        }
        self.rows[mutant.name] = row
        with open(self.path, "a") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("language", choices=["c", "csharp"], help="the C sources, or the C# planning passes")
    parser.add_argument("--sample", type=int, default=300, metavar="N", help="number of mutants to try, 0 for all (300)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="seed of the sample (1)")
    parser.add_argument("--only", metavar="TEXT", help="only mutants whose file:line:column and change contain this text")
    parser.add_argument("--list", action="store_true", help="print the mutants without trying them")
    parser.add_argument("--survivors", action="store_true", 
                        help="retry survivors that are not known to be equivalent, with all tests instead of the quicker ones")
    parser.add_argument("--sanitize", action="store_true", 
                        help="C: run the C tests under the address and undefined-behaviour sanitizers")
    parser.add_argument("--nunit", action="store_true", 
                        help="C: run the NUnit tests of the native backend instead of the C tests")
    parser.add_argument("--isa", choices=["Scalar", "Avx2", "Avx512"], default="Avx2", 
                        help="instruction set of the kernels to mutate and test (Avx2)")
    parser.add_argument("--scratch", type=Path, default=ROOT / "build/mutation", metavar="FOLDER", 
                        help="working folder (build/mutation)")
    parser.add_argument("--lock", metavar="FILE", 
                        help="a lock file; pauses while another process holds it exclusively, for example to measure")
    return parser.parse_args()


if __name__ == "__main__":
    main()
