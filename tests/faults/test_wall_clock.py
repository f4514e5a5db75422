"""Wall clocks that jump, of Redis and of sidecars: nothing that matters to a lockout looks at one."""

import struct
import subprocess
import sys
import time
from pathlib import Path

from tests.faults.stage import STRICT, Stage
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


def test_the_wall_clocks_jump(stage: Stage, tmp_path: Path) -> None:
    """The primary's, and others of two sidecars; the replica and the third sidecar keep the true time."""
    clocks = {name: WallClock(tmp_path, name) for name in ("primary", "a", "c")}
    primary = stage.node(environment=clocks["primary"].environment)
    # A primary whose clock jumps takes its replicas for silent, and they come back.
    stage.node().follow(primary)
    stage.initialise(primary.url + STRICT)
    stage.sidecars(primary, STRICT, environments={name: clocks[name].environment for name in ("a", "c")})
    stage.settle()
    with (workload := stage.workload()):
        for number, seconds in enumerate(JUMPS):
            time.sleep(1)
            clocks["primary"].jump(seconds)
            clocks["a"].jump(JUMPS[number - 1])
            clocks["c"].jump(-seconds)
            assert abs(primary.call("TIME")[0] - time.time() - seconds) < 60
        time.sleep(1.5)
    stage.passes(workload)
