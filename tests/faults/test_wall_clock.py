"""Wall clocks that jump: of Redis, of a sidecar, of all. Nothing that matters to a lockout looks at one."""

import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.stage import Stage
from tests.servers.processes import binary

JUMPS = (3_600, -7_200, 86_400 * 400, 0)


class WallClock:
    """The wall clock of some processes, see wallclock.c."""

    def __init__(self, folder: Path, name: str) -> None:
        library = folder / "wallclock.so"
        if not library.exists():
            source = Path(__file__).with_name("wallclock.c")
            subprocess.run([binary("cc"), "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
        self._file = folder / f"{name}.seconds"
        self.jump(0)
        self.environment = {"LD_PRELOAD": str(library), "WALLCLOCK": str(self._file)}

    def jump(self, seconds: int) -> None:
        """So far from the true time from now on."""
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("=q", seconds))


def test_the_wall_clock_that_jumps_does(tmp_path: Path) -> None:
    """Otherwise the other tests would show nothing."""
    clock = WallClock(tmp_path, "python")
    clock.jump(3_600)
    look = "import time; print(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME))"
    said = subprocess.run(
        ["env", *(f"{k}={v}" for k, v in clock.environment.items()), sys.executable, "-c", look],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert abs(float(said[0]) - time.time() - 3_600) < 60
    assert abs(float(said[1]) - time.clock_gettime(time.CLOCK_BOOTTIME)) < 60


@pytest.mark.parametrize("whose", ["redis", "sidecar"])
def test_the_wall_clock_jumps(stage: Stage, whose: str, tmp_path: Path) -> None:
    clock = WallClock(tmp_path, whose)
    primary = stage.node(environment=clock.environment if whose != "sidecar" else None)
    # A primary whose clock jumps takes its replicas for silent, and they come back.
    stage.node().follow(primary)
    stage.initialise(f"{primary.url}?acks=1")
    with_it = {"redis": "", "sidecar": "ac"}[whose]
    stage.sidecars(primary, "?acks=1", environments=dict.fromkeys(with_it, clock.environment))
    stage.settle()
    with (workload := stage.workload()):
        for seconds in JUMPS:
            time.sleep(1)
            clock.jump(seconds)
            if whose != "sidecar":
                assert abs(primary.call("TIME")[0] - time.time() - seconds) < 60
        time.sleep(1.5)
    stage.passes(workload)
