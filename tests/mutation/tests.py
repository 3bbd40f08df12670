"""What a mutant is, and how a program is run against one."""
import os
import resource
import signal
import subprocess
from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    file: str       # from the root of the repository
    line: int       # from 1
    start: int      # the character of the file at which the change begins
    before: str
    after: str
    code: str       # the line as it is, without what is around it

    @property
    def change(self):
        return f"{self.before} → {self.after}"

    @property
    def name(self):
        return f"{self.file}:{self.line}:{self.start} {self.change}"

    def apply(self, text):
        return text[: self.start] + self.after + text[self.start + len(self.before) :]


class Verdict:
    KILLED, SURVIVED, NOT_COMPILED = "killed", "survived", "not compiled"


MOST_SECONDS = 900      # of processor time, for what has no mutant in it
MOST_WAITING = 300      # for a program that does nothing, as in a deadlock


def limit_of(seconds):
    """The processor time that a program gets with a mutant in it, by what it takes without."""
    return 5 + 3 * seconds


def run(command, **options):
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL, **options)


def run_for(seconds, command, environment):
    """The exit code, what was printed, and the seconds of processor time, of which there are no more than the first argument."""
    def limit():
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 1))

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [str(part) for part in command]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, start_new_session=True, preexec_fn=limit)
    try:
        output, _ = process.communicate(timeout=MOST_WAITING)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return process.returncode, output.decode(errors="replace"), after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def reason(code, output):
    """One line that says why a program failed."""
    if -code in (signal.SIGXCPU, signal.SIGKILL):
        return "runs on and on"
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    if code < 0:
        return signal.Signals(-code).name
    told = next((line for line in lines if "ERROR: AddressSanitizer" in line or "runtime error" in line), lines[-1] if lines else "")
    return told[:240]
