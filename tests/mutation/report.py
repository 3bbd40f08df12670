#!/usr/bin/env python3
"""Writes results.md: what mutate.py found, with what is known of each survivor from survivors.json."""
import argparse
import json
from collections import Counter
from pathlib import Path

from mutate import HERE, JUDGED, ROOT, Results
from tests import Verdict

LANGUAGES = {"c": "C: kernels and what plans for them", "csharp": "C#: planning passes"}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scratch", type=Path, default=ROOT / "build/mutation", metavar="FOLDER", help="where mutate.py worked (build/mutation)")
    args = parser.parse_args()
    groups = json.loads(JUDGED.read_text())
    reasons = {(file, code, change): group for group in groups for file, code, change in group["mutants"]}
    parts = [Part(title, Results(args.scratch / f"{name}.jsonl").rows.values(), reasons) for name, title in LANGUAGES.items()]
    head = ["# What the mutation run found", "", "Written by report.py. A survivor is judged in survivors.json.", ""]
    text = "\n".join([*head, *table(parts), "", *(line for part in parts for line in part.survivors())])
    (HERE / "results.md").write_text(text + "\n")
    print(*table(parts), sep="\n")


class Part:
    """The results of one language."""

    def __init__(self, title, rows, reasons):
        self.title, self.rows, self.reasons = title, list(rows), reasons
        self.count = Counter(row["verdict"] for row in self.rows)
        left = [row for row in self.rows if row["verdict"] == Verdict.SURVIVED]
        self.equivalent = [row for row in left if self.group(row).get("equivalent")]
        self.alive = [row for row in left if row not in self.equivalent]
        self.killed = self.count[Verdict.KILLED]

    def group(self, row):
        return self.reasons.get((row["file"], row["code"], row["change"]), {})

    def survivors(self):
        yield f"## {self.title}"
        for name, rows in (("Survivors that the tests ought to kill", self.alive), ("Survivors that compute the same", self.equivalent)):
            yield from ["", f"### {name}", ""]
            by_reason = {}
            for row in rows:
                by_reason.setdefault(self.group(row).get("reason", "not explained yet"), []).append(row)
            for reason, members in by_reason.items():
                yield f"- {reason}"
                yield from (f"  - {row['file']}:{row['line']} `{row['change']}` in `{row['code']}`" for row in members)
        yield ""


def table(parts):
    yield "| | tried | did not compile | killed | survived | of them equivalent | killed of those that are not | seconds each |"
    yield "|---|---|---|---|---|---|---|---|"
    for part in parts:
        survived, tried = part.count[Verdict.SURVIVED], len(part.rows)
        share = 100 * part.killed / max(1, part.killed + len(part.alive))
        seconds = sum(row["seconds"] for row in part.rows) / max(1, tried)
        yield (f"| {part.title} | {tried} | {part.count[Verdict.NOT_COMPILED]} | {part.killed} | {survived} | {len(part.equivalent)} "
               f"| {share:.1f}% | {seconds:.1f} |")


if __name__ == "__main__":
    main()
