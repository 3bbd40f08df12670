"""Mutants, and running a program with limits."""
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
    file: str       # relative to the root of the repository
    line: int       # from 1
    start: int      # character offset of the change in the file
    before: str
    after: str
    code: str       # the unmodified line, without surrounding white space

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


MOST_SECONDS = 900      # processor time without a mutant
MOST_WAITING = 1800     # elapsed time, for programs that hang


def limit_of(seconds):
    """The limit of the processor time with a mutant, from the time without one."""
    return 5 + 3 * seconds


class Machine:
    """Runs programs, and pauses them while another process holds the lock file exclusively."""

    def __init__(self, lock):
        self.lock = lock

    def run(self, command, **options):
        """Runs a program that must succeed."""
        code, output, _ = self.run_for(None, command, **options)
        if code != 0:
            raise RuntimeError(f"{command[0]} failed: {output[-2000:]}")
        return output

    def run_for(self, seconds, command, **options):
        """Runs a program with a limit of its processor time. Returns the exit code, the output and the processor time."""
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
    """The reason of a failure, in one line."""
    if -code in (signal.SIGXCPU, signal.SIGKILL):
        return "time limit exceeded"
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    if code < 0:
        return signal.Signals(-code).name
    told = next((line for line in lines if "ERROR: AddressSanitizer" in line or "runtime error" in line), lines[-1] if lines else "")
    return told[:240]
