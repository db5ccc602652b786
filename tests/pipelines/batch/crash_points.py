"""Break a batch at each of its writes in turn, go on with it, and compare with a whole run.

    python crash_points.py FOLDER killed|full|limited|unwritable

It runs by itself, since it forks, and must not do that with the threads of a test run. The
failpoints are Python's own audit events (open, mkdir, rename, remove) and the system calls that
have none (write, fsync, truncate), so that no write of the product can be left out by mistake.
"""

import errno
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fake_drawing import Drawing, tree

from crossattn.errors import InputError
from crossattn.pipelines.batch import make_plan, run_batch
from crossattn.pipelines.batch.manifest import read_records

PLAN = make_plan([{"prompt": "a red car", "seeds": "0..1"}, {"prompt": "it fails", "seed": 2}])
EVENTS = ("open", "os.mkdir", "os.rename", "os.remove", "os.truncate")
CALLS = ("write", "fsync", "ftruncate")
TAKES_SPACE = ("open", "os.mkdir", "write", "fsync")


def finish(out: Path, drawing: Drawing) -> None:
    for _ in run_batch(PLAN, output=out, render=drawing):
        pass


def forked(work: Callable[[], None]) -> int:
    """Do something in a copy of this process, and return its exit code; minus the signal if any."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except InputError as error:
            print(error, file=sys.stderr)
            os._exit(3)
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(4)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def break_at(point: int, out: Path, breaks: Callable[[str, int], None]) -> None:
    """Call `breaks` with the name and the number of every write to the folder, from `point` on."""
    count = 0

    def reached(name: str) -> None:
        nonlocal count
        count += 1
        if count >= point:
            breaks(name, count)

    def heard(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in EVENTS or not str(arguments[0]).startswith(str(out)):
            return
        writes = event != "open" or bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))
        if writes:
            reached(event)

    def instead(call: str) -> Callable[..., Any]:
        real = getattr(os, call)

        def broken(handle: int, *rest: Any) -> Any:
            if call == "write" and count + 1 >= point:
                real(handle, bytes(rest[0])[: len(rest[0]) // 2])
            reached(call)
            return real(handle, *rest)

        return broken

    for call in CALLS:
        setattr(os, call, instead(call))
    sys.addaudithook(heard)


def killed(name: str, count: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def full(name: str, count: int) -> None:
    if name in TAKES_SPACE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def everywhere(base: Path, breaks: Callable[[str, int], None], expected_code: int) -> None:
    (base / "log").mkdir()
    finish(base / "whole/out", Drawing(base / "log"))
    expected = tree(base / "whole/out")
    point = 0
    while True:
        point += 1
        place = base / str(point)
        (place / "log").mkdir(parents=True)
        drawing = Drawing(place / "log")

        def broken(out: Path = place / "out", drawing: Drawing = drawing, at: int = point) -> None:
            break_at(at, out, breaks)
            finish(out, drawing)

        code = forked(broken)
        done = read_records(place / "out").done
        before = drawing.tries()
        assert code in (0, expected_code), f"point {point} ended with {code}"
        finish(place / "out", drawing)
        assert tree(place / "out") == expected, f"point {point} left another folder"
        again = drawing.tries() - before
        for item in PLAN:
            assert item.id not in done or not again[item.recipe.seed], f"point {point} did it twice"
        if code == 0:
            break
    print(point - 1)


def limited(base: Path) -> None:
    """Let the system itself refuse to make any file longer than a manifest of one picture."""
    (base / "log").mkdir()
    drawing = Drawing(base / "log")
    finish(base / "whole/out", drawing)

    def work() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (700, resource.RLIM_INFINITY))
        finish(base / "out", drawing)

    assert forked(work) == 3
    assert not (base / "out/manifest.jsonl").read_bytes().endswith(b"\n")
    assert len(read_records(base / "out")) == 1
    finish(base / "out", drawing)
    assert tree(base / "out") == tree(base / "whole/out")


def unwritable(base: Path) -> None:
    """Write to a folder as somebody who may not; permissions do not bind root."""
    out = base / "out"
    out.mkdir()
    (base / "log").mkdir()
    base.chmod(0o755)
    out.chmod(0o555)

    def work() -> None:
        if os.geteuid() == 0:
            os.setuid(65534)
        finish(out, Drawing(base / "log"))

    assert forked(work) == 3
    assert tree(base) == {}


if __name__ == "__main__":
    folder, kind = Path(sys.argv[1]), sys.argv[2]
    if kind == "killed":
        everywhere(folder, killed, -signal.SIGKILL)
    elif kind == "full":
        everywhere(folder, full, 3)
    elif kind == "limited":
        limited(folder)
    else:
        unwritable(folder)
