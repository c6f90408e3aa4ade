"""Processes that tests start end with them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.programs import started, wait_until

# A program whose child leaves its process group, as the processes of torchrun do.
SCRIPT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(10**6)"], start_new_session=True)
print(child.pid, flush=True)
child.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
@pytest.mark.parametrize("killed", [False, True])
def test_a_program_ends_with_its_children(killed: bool) -> None:
    with started([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        child = Path(f"/proc/{process.stdout.readline().strip()}/cmdline")
        wait_until(lambda: bool(child.read_bytes()))  # empty while the program is loaded
        if killed:
            process.kill()
            process.wait()
    assert process.returncode is not None
    wait_until(lambda: not child.exists() or not child.read_bytes())  # ended, or a zombie of the init process
