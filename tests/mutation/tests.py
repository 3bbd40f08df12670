"""What a mutant is, and how a program is run against one."""
import fcntl
import os
import resource
import signal
import subprocess
import tempfile
import time
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
MOST_WAITING = 1800     # for a program that does nothing, as in a deadlock


def limit_of(seconds):
    """The processor time that a program gets with a mutant in it, by what it takes without."""
    return 5 + 3 * seconds


class Machine:
    """Runs programs, and stops them while someone holds the lock file for himself alone, to measure something."""

    def __init__(self, lock):
        self.lock = lock

    def run(self, command, **options):
        """Runs a program that must succeed."""
        code, output, _ = self.run_for(None, command, **options)
        if code != 0:
            raise RuntimeError(f"{command[0]} failed: {output[-2000:]}")
        return output

    def run_for(self, seconds, command, **options):
        """The exit code, what was printed, and the seconds of processor time, of which there are no more than the first argument."""
        def limit():
            if seconds is not None:
                resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 1))

        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with tempfile.TemporaryFile() as printed:
            process = subprocess.Popen(
                [str(part) for part in command], stdout=printed, stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=limit, **options)
            self.wait(process)
            printed.seek(0)
            output = printed.read().decode(errors="replace")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return process.returncode, output, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def wait(self, process):
        patience = MOST_WAITING
        while patience > 0:
            try:
                process.wait(timeout=0.2)
                return
            except subprocess.TimeoutExpired:
                patience -= 0.2
            if self.is_taken():
                os.killpg(process.pid, signal.SIGSTOP)
                while self.is_taken():
                    time.sleep(0.2)
                os.killpg(process.pid, signal.SIGCONT)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def is_taken(self):
        if self.lock is None:
            return False
        with open(self.lock, "a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return False
            except BlockingIOError:
                return True


def reason(code, output):
    """One line that says why a program failed."""
    if -code in (signal.SIGXCPU, signal.SIGKILL):
        return "runs on and on"
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    if code < 0:
        return signal.Signals(-code).name
    told = next((line for line in lines if "ERROR: AddressSanitizer" in line or "runtime error" in line), lines[-1] if lines else "")
    return told[:240]
