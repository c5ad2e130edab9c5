"""The command as people run it: in a pipe, or at a terminal that is typed at."""

import fcntl
import multiprocessing
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from app.cli.commands import main
from tests.e2e.server_process import environment

COMMAND = str(Path(sys.executable).parent / "greenroom")
SECONDS = 30
RUN_SECONDS = 60
_FORKING = multiprocessing.get_context("forkserver")
"""The same fork server as in `tests.e2e.server_process`, which says what it imports."""
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def greenroom(folder: Path, *arguments: str, said: str = "", **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run it in `folder`, with `said` as its input and no terminal.

    In a process of its own that is forked from one with all imports done, as `forked` servers are.
    """
    with TemporaryDirectory() as place:
        files = [Path(place) / name for name in ("in", "out", "err")]
        files[0].write_text(said, encoding="utf-8")
        process = _FORKING.Process(target=_run, args=(folder, environment(**variables), arguments, files))
        process.start()
        process.join(RUN_SECONDS)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(arguments, RUN_SECONDS, files[1].read_bytes(), files[2].read_bytes())
        out, err = (file.read_text(encoding="utf-8") for file in files[1:])
        return subprocess.CompletedProcess(arguments, process.exitcode, out, err)


def _run(folder: Path, variables: Mapping[str, str], arguments: Sequence[str], files: Sequence[Path]) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    for number, (file, flags) in enumerate(zip(files, (os.O_RDONLY, *[os.O_WRONLY | os.O_CREAT] * 2), strict=True)):
        os.dup2(os.open(file, flags, 0o600), number)
    # Of a forked process, this one reads nothing.
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - the process ends with it
    sys.exit(main(arguments))


class Terminal:
    """A terminal of 100 columns with the command in it."""

    def __init__(self, process: "subprocess.Popen[bytes]", master: int) -> None:
        self.process = process
        self._master = master
        self._waited = 0
        self.seen = ""
        """Everything shown so far, as it was written."""

    @property
    def text(self) -> str:
        """The same without colours."""
        return ESCAPE.sub("", self.seen)

    def until(self, text: str) -> None:
        """Read until it is shown, without colours, after what was waited for before."""
        ends = time.monotonic() + SECONDS
        while (at := self.text.find(text, self._waited)) < 0:
            assert self._reads(max(0, ends - time.monotonic())), f"{text!r} was not shown: {self.text}"
        self._waited = at + len(text)

    def type(self, line: str) -> None:
        """Type a line; what was shown before does not count any more."""
        self.seen, self._waited = "", 0
        os.write(self._master, f"{line}\n".encode())

    def press(self, key: bytes) -> None:
        """Press a key, such as Ctrl-C (0x03)."""
        os.write(self._master, key)

    def ended(self) -> int:
        """Its exit status, once it has ended; what it still shows is read."""
        while self._reads(SECONDS):
            pass
        return self.process.wait(SECONDS)

    def _reads(self, seconds: float) -> bool:
        """Whether it shows something more within this time."""
        ready, _, _ = select.select([self._master], [], [], seconds)
        try:
            piece = os.read(self._master, 65536) if ready else b""
        except OSError:
            # Nobody has the other end any more.
            return False
        self.seen += piece.decode(errors="replace")
        return bool(ready)


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    heed_interrupts()


def heed_interrupts() -> None:
    """As a shell starts programs: whoever runs the tests in the background may have had SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def terminal(folder: Path, *arguments: str, **variables: str) -> Iterator[Terminal]:
    """Run it in `folder` at a terminal."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, *arguments],
        cwd=folder,
        env=environment(TERM="xterm", COLUMNS="100", **variables),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        # A session of its own with this terminal, so that Ctrl-C reaches it alone.
        start_new_session=True,
        preexec_fn=_take_terminal,  # noqa: PLW1509 - two system calls, and no thread runs
    )
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()
        os.close(master)
