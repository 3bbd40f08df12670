"""A copy of the sources with faults behind a switch: CONVNET_MUTANT selects one, and 0 none. CONVNET_MUTANT_MET names a file that is
written if the code with the chosen fault has run."""
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

VARIABLE, MET = "CONVNET_MUTANT", "CONVNET_MUTANT_MET"

# What the command needs to be built, besides the packages.
SOURCES = ["src", "native", "eng", "CMakeLists.txt", "Directory.Build.props", "Directory.Build.targets", "Directory.Packages.props",
           "global.json", ".editorconfig"]
COPIED_IF_THERE = ["build/torch-provider.props"]

# The switch is read once, so that a fault in an inner loop costs one comparison. At the end of a process that has come to the
# chosen fault, a file says so.
C_HEADER = """\
#ifndef CN_FAULTS_H
#define CN_FAULTS_H
extern int convnet_fault, convnet_fault_met;
static inline int fault_is(int number) {
  if (convnet_fault != number) return 0;
  convnet_fault_met = 1;
  return 1;
}
#endif
"""
C_SOURCE = """
#include <stdio.h>
#include <stdlib.h>
int convnet_fault, convnet_fault_met;
__attribute__((constructor)) static void choose_fault(void) {
  const char *chosen = getenv("%s");
  convnet_fault = chosen == NULL ? 0 : atoi(chosen);
}
__attribute__((destructor)) static void tell_of_fault(void) {
  const char *path = getenv("%s");
  FILE *file = path != NULL && convnet_fault_met ? fopen(path, "w") : NULL;
  if (file != NULL) fclose(file);
}
""" % (VARIABLE, MET)
CMAKE = "\ntarget_compile_options(convnet_options INTERFACE -include ${PROJECT_SOURCE_DIR}/native/src/faults.h)\n"
CSHARP = """\
namespace ConvNet;

internal static class Faults
{
    private static readonly int s_chosen = int.Parse(System.Environment.GetEnvironmentVariable("%s") ?? "0");
    private static int s_met;

    public static bool Is(int number)
    {
        if (number != s_chosen)
            return false;
        if (System.Threading.Interlocked.Exchange(ref s_met, 1) == 0
            && System.Environment.GetEnvironmentVariable("%s") is { } path)
            System.IO.File.WriteAllText(path, "");
        return true;
    }
}
""" % (VARIABLE, MET)
FAULTY_PROJECTS = ["ConvNet.Managed", "ConvNet.Native", "ConvNet.TorchSharp"]


@dataclass(frozen=True)
class Edit:
    """A text of a file, which occurs once, and what a fault makes of it."""

    file: str
    before: str
    after: str
    always: bool = False

    def switched(self, number, before):
        """The text of both: `before` unless the fault of this number is chosen. FAULT in `after` stands for that choice; without it,
        both texts are expressions, unless `after` always applies, as a declaration that the fault needs."""
        chosen = f"fault_is({number})" if self.file.startswith("native/") else f"Faults.Is({number})"
        if self.always or re.search(r"\bFAULT\b", self.after):
            if before != self.before:
                raise ValueError(f"{self.file}: two faults change {self.before!r}, and one of them is not an expression.")
            return re.sub(r"\bFAULT\b", chosen, self.after)
        return f"({chosen} ? ({self.after}) : ({before}))"


def place_of(text, edit):
    """The position of the text that an edit replaces."""
    if text.count(edit.before) != 1:
        raise ValueError(f"{edit.file} has {edit.before!r} {text.count(edit.before)} times instead of once. The source has changed: "
                         "write the fault anew.")
    return text.index(edit.before)


def apply(text, edits):
    """Text with numbered edits, each behind its switch."""
    places = sorted(((place_of(text, edit), number, edit) for number, edit in edits), key=lambda each: each[:2])
    parts, end = [], 0
    while places:
        start, _, first = places[0]
        if start < end:
            raise ValueError(f"{first.file}: {first.before!r} overlaps with the text of another fault.")
        result = first.before
        while places and places[0][0] == start:
            _, number, edit = places.pop(0)
            if edit.before != first.before:
                raise ValueError(f"{edit.file}: {edit.before!r} overlaps with the text of another fault.")
            result = edit.switched(number, result)
        parts += [text[end:start], result]
        end = start + len(first.before)
    return "".join([*parts, text[end:]])


def make_tree(root, tree, edits):
    """Writes the copy. Unchanged files keep their time stamps, so that a second build is short."""
    listed = subprocess.run(["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", *SOURCES], check=True,
                            capture_output=True).stdout.decode().split("\0")
    paths = {path for path in listed if path and (root / path).is_file()}
    contents = {path: (root / path).read_bytes() for path in paths}
    for path in COPIED_IF_THERE:
        if (root / path).exists():
            contents[path] = (root / path).read_bytes()
    by_file = {}
    for number, edit in edits:
        by_file.setdefault(edit.file, []).append((number, edit))
    for file, those in by_file.items():
        contents[file] = apply(contents[file].decode(), those).encode()
    contents["native/src/faults.h"] = C_HEADER.encode()
    contents["native/src/api.c"] += C_SOURCE.encode()
    contents["CMakeLists.txt"] += CMAKE.encode()
    for project in FAULTY_PROJECTS:
        contents[f"src/{project}/Faults.cs"] = CSHARP.encode()
    for path in stale_files(tree, contents):
        path.unlink()
    for path, content in contents.items():
        target = tree / path
        if not target.exists() or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    return contents


def stale_files(tree, contents):
    """Files of an earlier copy that have gone, but not what the build has made."""
    for folder in ("src", "native", "eng"):
        for path in (tree / folder).rglob("*") if (tree / folder).exists() else []:
            parts = path.relative_to(tree).parts
            if path.is_file() and "bin" not in parts and "obj" not in parts and str(path.relative_to(tree)) not in contents:
                yield path


def build(tree):
    """Builds the command. Returns the path of its program."""
    environment = os.environ | {"DOTNET_NOLOGO": "1", "DOTNET_CLI_TELEMETRY_OPTOUT": "1", "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"}
    # The code behind the switches is not in style.
    options = ["-p:RunAnalyzers=false", "-p:EnforceCodeStyleInBuild=false", "-p:TreatWarningsAsErrors=false", "-p:GenerateDocumentationFile=false"]
    command = ["dotnet", "build", "src/ConvNet.Cli", "-c", "Release", "-v", "quiet", *options]
    result = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    if result.returncode != 0:
        errors = [line for line in result.stdout.splitlines() if "error" in line]
        raise SystemExit("The sources with the faults do not build:\n" + "\n".join(dict.fromkeys(errors[:40])))
    return tree / "src/ConvNet.Cli/bin/Release/net10.0/convnet.dll"
