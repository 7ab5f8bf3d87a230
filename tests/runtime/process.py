"""Programs as children of a test: their output, freezing, thawing and killing, by process group and session."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path


class Log:
    """What one or more programs print, readable while they run and after they have ended."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()
        self._last = ""

    def fileno(self) -> int:
        return self._file.fileno()

    @property
    def text(self) -> str:
        if not self._file.closed:
            # pread and never seek: the children write at the position of this very file description.
            content = os.pread(self.fileno(), os.fstat(self.fileno()).st_size, 0)
            self._last = content.decode(errors="replace")
        return self._last

    def close(self) -> None:
        self._last = self.text
        self._file.close()


class Program:
    """A running program in a session of its own, so that all it starts can be found again and ended."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str],
        log: Log,
        folder: Path | None = None,
        on_exit: Callable[[], None] = lambda: None,
    ) -> None:
        self._process = subprocess.Popen(
            list(command),
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log.fileno(),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.pid = self._process.pid
        self._exited = threading.Event()
        self._on_exit = on_exit
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        self._process.wait()
        self._exited.set()
        self._on_exit()

    @property
    def is_alive(self) -> bool:
        return not self._exited.is_set()

    @property
    def exit_status(self) -> int | None:
        """The exit status, minus the number of the signal that ended the program, or None while it runs."""
        return self._process.returncode if self._exited.is_set() else None

    def freeze(self) -> None:
        """Stops every thread of the process group where it is; returns when they stand still."""
        self._signal_group(signal.SIGSTOP)
        deadline = time.monotonic() + 2.0
        while self.is_alive and not self._has_stopped() and time.monotonic() < deadline:
            time.sleep(0.0005)

    def thaw(self) -> None:
        self._signal_group(signal.SIGCONT)

    def _has_stopped(self) -> bool:
        """Whether the kernel reports the stop, which it does once, when the last thread has stopped."""
        try:
            return os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOHANG) is not None
        except ChildProcessError:
            return True  # it ended meanwhile

    def terminate(self, patience: float = 3.0) -> None:
        """Asks the program to end (SIGTERM) and kills whatever is left of it after ``patience`` seconds."""
        self._signal_group(signal.SIGTERM)
        self._exited.wait(patience)
        self.kill()

    def kill(self) -> None:
        """Kills the program and everything it started (SIGKILL); returns when all of it is gone."""
        deadline = time.monotonic() + 5.0
        while (members := _members_of_session(self.pid)) and time.monotonic() < deadline:
            for pid in members:
                with suppress(ProcessLookupError):  # it ended meanwhile
                    os.kill(pid, signal.SIGKILL)
            self._exited.wait(0.005)
        self._exited.wait(1.0)

    def _signal_group(self, number: signal.Signals) -> None:
        if self.is_alive:
            with suppress(ProcessLookupError):  # it ended meanwhile
                os.killpg(self.pid, number)


def _members_of_session(session: int) -> list[int]:
    """The living processes of a session: AWS's emulator gives the function a process group of its own, no session."""
    return [pid for pid in _process_ids() if _session_of(pid) == session]


def _process_ids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _session_of(pid: int) -> int | None:
    """The session of a process, None if it has ended, even if nobody has asked for its exit status yet (a zombie)."""
    try:
        # "pid (name) state parent group session …", where the name may hold anything
        state, _, _, session = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[:4]
    except OSError:
        return None
    return None if state in "ZX" else int(session)
