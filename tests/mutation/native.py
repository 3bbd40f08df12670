"""Builds the C library with one file changed, and runs the C tests against it."""
import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import csource
from tests import MOST_SECONDS, Verdict, limit_of, reason

# In order of increasing cost. A test named after the changed file runs first.
TESTS = ["arguments", "machine", "pool2d", "batch_norm", "linear", "losses", "training", "conv2d", "elementwise"]
FIRST = {"optimizer": "training", "update": "training", "loss": "losses", "reorder": "elementwise"}


class NativeMutants:
    """
    The mutants of native/src. The kernels have one source for all instruction sets, so they are mutated and tested for
    one of them only. The headers of the others are not mutated.
    """

    def __init__(self, machine, root, scratch, isa, quick, sanitize):
        self.machine = machine
        self.root, self.isa, self.quick, self.sanitize = root, isa, quick, sanitize
        self.folder = scratch / ("sanitized" if sanitize else "native")
        self.build = self.folder / "build"
        paths = sorted(p for p in (root / "native/src").rglob("*.[ch]") if p.parent.name != "simd" or p.stem == isa.lower())
        self.texts = {str(p.relative_to(root)): p.read_text() for p in paths}
        self.types = csource.type_names([*self.texts.values(), *(p.read_text() for p in (root / "native/include").glob("*.h"))])

    def mutants(self):
        return [m for file, text in self.texts.items() for m in csource.mutants_of(file, text, self.types)]

    def prepare(self, mutants):
        """Copies the sources and builds them with little optimisation."""
        tree = self.folder / "tree"
        shutil.rmtree(tree, ignore_errors=True)
        shutil.copytree(self.root / "native", tree / "native")
        shutil.copy(self.root / "CMakeLists.txt", tree)
        options = ["-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", f"-DCONVNET_SANITIZE={'ON' if self.sanitize else 'OFF'}", "-DCMAKE_BUILD_TYPE=Release"]
        self.machine.run(["cmake", "-S", tree, "-B", self.build, *options])
        entries = json.loads((self.build / "compile_commands.json").read_text())
        self.commands = [command_of(entry) for entry in entries if is_used(entry["command"])]
        self.reads = {output: files_of(command, tree) for command, _, output in self.commands}
        for command, _, output in self.commands:
            output.parent.mkdir(parents=True, exist_ok=True)
            if not output.exists() or output.stat().st_mtime < max(path.stat().st_mtime for path in self.reads[output]):
                self.machine.run(command)
        tests = {output: source for _, source, output in self.commands if source.parent.name == "test"}
        self.library = [(command, output) for command, _, output in self.commands if output not in tests]
        self.link(self.build, "libconvnet.so", [output for _, output in self.library], "-shared")
        shared = [output for output, source in tests.items() if not source.stem.startswith("test_")]
        for output, source in tests.items():
            if output not in shared:
                self.link(self.build, source.stem, [output, *shared], f"-L{self.build}", "-lconvnet")

    def test(self):
        """The verdict of the C tests on the unmodified sources. Also records how long each test takes."""
        self.limits = {}
        for name in TESTS:
            verdict, why, seconds = self.run_test(name, self.build, MOST_SECONDS)
            self.limits[name] = limit_of(seconds)
            if verdict != Verdict.SURVIVED:
                return verdict, why
        return Verdict.SURVIVED, ""

    def try_mutant(self, mutant):
        library = self.build_mutant(mutant)
        if library is None:
            return Verdict.NOT_COMPILED, ""
        for name in order_of(Path(mutant.file).stem):
            verdict, why, _ = self.run_test(name, library.parent, self.limits[name])
            if verdict != Verdict.SURVIVED:
                return verdict, why
        return Verdict.SURVIVED, ""

    def run_test(self, name, folder, limit):
        """Runs a C test with the library in a folder. Returns the verdict, what failed, and the time."""
        environment = os.environ | {
            "LD_LIBRARY_PATH": str(folder), "CN_TEST_STOP": "1", "CN_TEST_FEATURES": self.isa.lower(),
        }
        if self.quick:
            environment["CN_TEST_PRODUCTS"] = "3e6"
        code, output, seconds = self.machine.run_for(limit, [self.build / f"test_{name}"], env=environment)
        if code == 0:
            return Verdict.SURVIVED, "", seconds
        return Verdict.KILLED, f"test_{name}: {reason(code, output)}".replace(f"{self.folder / 'tree'}/", ""), seconds

    def build_mutant(self, mutant):
        """The library with a mutant; None if it does not compile."""
        target = self.folder / "mutant"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        path = self.folder / "tree" / mutant.file
        path.write_text(mutant.apply(self.texts[mutant.file]))
        try:
            objects = [self.compile(command, output, path, target) for command, output in self.library]
        finally:
            path.write_text(self.texts[mutant.file])
        if None in objects:
            return None
        self.link(target, "libconvnet.so", objects, "-shared")
        return target / "libconvnet.so"

    def compile(self, command, output, changed, target):
        """The existing object, or a new one if it depends on the changed file. None if that does not compile."""
        isa = re.search(r"kernels_(\w+)\.dir", str(output))
        if changed not in self.reads[output] or isa is not None and isa.group(1) != self.isa.lower():
            return output
        new = target / f"{output.parent.name}_{output.name}"
        code, _, _ = self.machine.run_for(None, [new if part == output else part for part in command])
        return new if code == 0 else None

    def link(self, folder, name, objects, *flags):
        sanitizers = ["-fsanitize=address,undefined"] if self.sanitize else []
        self.machine.run(["gcc", *sanitizers, "-pthread", "-o", folder / name, *objects, *flags, "-lm"])


def order_of(stem):
    first = [test for test in TESTS if stem.startswith(test) or FIRST.get(stem) == test]
    return first + [test for test in TESTS if test not in first]


def is_used(command):
    """Whether a command compiles the library or a test of TESTS. Others compile copies of the code under test."""
    target = re.search(r"(\w+)\.dir/", command).group(1)
    return not target.startswith(("test_", "lenet5")) or target in [f"test_{name}" for name in [*TESTS, "harness"]]


def command_of(entry):
    """CMake's command with -O1, or -O0 for gemm.c, whose many tiles would take 13 s; its source and its output."""
    source, command = Path(entry["file"]), shlex.split(entry["command"])
    level = "-O0" if source.name == "gemm.c" else "-O2" if source.parent.name == "test" else "-O1"
    command = [part for part in command if part not in ("-Werror", "-O1", "-O3")] + [level, "-w"]
    output = Path(entry["directory"]) / command[command.index("-o") + 1]
    command[command.index("-o") + 1] = output
    return command, source, output


def files_of(command, tree):
    """The files of the tree that an object depends on."""
    at = command.index("-o")
    command = [part for part in command[:at] + command[at + 2 :] if part != "-c"]
    rule = subprocess.run([*command, "-MM", "-MT", "object"], check=True, capture_output=True, text=True).stdout
    return {Path(os.path.normpath(tree / path)) for path in rule.replace("\\\n", " ").split()[1:]}
