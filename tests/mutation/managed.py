"""The mutants of the C# planning passes: one build contains them all, and an environment variable selects one."""
import json
import os
import shutil

from tests import MOST_SECONDS, Mutant, Verdict, limit_of, reason

PROJECT = "tests/mutation/ConvNet.Mutation"
PROGRAM = "ConvNet.Mutation.dll"


class ManagedMutants:
    """Runs tests/mutation/ConvNet.Mutation."""

    def __init__(self, machine, root, scratch, isa, quick):
        self.machine = machine
        self.root, self.isa, self.quick = root, isa, quick
        self.built = root / PROJECT / "bin/Release/net10.0"
        self.folder = scratch / "managed"
        self.machine.run(["dotnet", "build", root / PROJECT, "-c", "Release", "-v", "quiet"])
        rows = self.ask("list", root)
        self.numbers = {}
        for row in rows:
            mutant = Mutant(row["file"], row["line"], row["start"], row["before"], row["after"], row["code"])
            self.numbers[mutant] = row["number"]

    def mutants(self):
        return list(self.numbers)

    def prepare(self, mutants):
        """Compiles the mutants, except those that do not compile, into one copy of the program."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.built, self.folder)
        wanted = sorted(self.numbers[m] for m in mutants)
        self.compiled = set(self.ask("compile", self.root, self.folder, *wanted)) if wanted else set()

    def ask(self, *question):
        return json.loads(self.machine.run(["dotnet", self.built / PROGRAM, *question]))

    def test(self):
        """The verdict of the NUnit tests on the unmodified product. Also records how long they take."""
        verdict, why, seconds = self.run_tests(MOST_SECONDS)
        self.limit = limit_of(seconds)
        return verdict, why

    def try_mutant(self, mutant):
        number = self.numbers[mutant]
        return self.run_tests(self.limit, number)[:2] if number in self.compiled else (Verdict.NOT_COMPILED, "")

    def try_library(self, library):
        """The verdict of the NUnit tests on another kernel library."""
        return self.run_tests(self.limit, library=library)[:2]

    def run_tests(self, limit, number=0, library=None):
        environment = os.environ | {"CONVNET_MUTANT": str(number), "OMP_WAIT_POLICY": "passive", "DOTNET_TieredPGO": "0"}
        if library is not None:
            environment["CONVNET_NATIVE_LIBRARY"] = str(library)
        command = ["dotnet", self.folder / PROGRAM, "test", "--isa", self.isa, *([] if self.quick else ["--all"])]
        code, output, seconds = self.machine.run_for(limit, command, env=environment)
        return (Verdict.SURVIVED, "", seconds) if code == 0 else (Verdict.KILLED, reason(code, output), seconds)
