"""Options of the whole suite."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings

from tests.support.programs import SESSION, kill, marked, wait_until

# The networks of the tests are tiny: more threads than one only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Pictures of a run take longer than the trainings of the tests; tests of pictures delete this.
os.environ.setdefault("NETDSL_PICTURES", "no")

# No property fails by the clock: tests that say nothing else have no deadline.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# Servers that libraries keep until the process ends that uses them.
_SERVERS = (b"multiprocessing.forkserver", b"multiprocessing.resource_tracker", b"torch/_inductor")


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A temporary folder that the processes of a session share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-cases", action="store_true", help="rewrite the expected text of tests/cases")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--update-cases") and os.environ.get("CI", "").lower() == "true":
        raise pytest.UsageError("--update-cases is for people: CI compares the cases, it never rewrites them")
    if not hasattr(config, "workerinput"):
        os.environ[SESSION] = uuid4().hex  # the workers of xdist inherit it, as all that they start


@pytest.hookimpl(trylast=True)  # after xdist has ended its workers
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A process that outlives the tests is an error: it would take time from all that follows."""
    if hasattr(session.config, "workerinput"):
        return
    try:
        wait_until(lambda: not _left_behind(), longest=120)
    except AssertionError:
        left = _left_behind()
        for process, command in left.items():
            session.config.get_terminal_writer().line(f"\nstill running: {process} {command}", red=True)
        kill(list(left))
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _left_behind() -> dict[int, str]:
    """Processes of the tests that still run, with their command lines."""
    left = {}
    for process in marked(SESSION, os.environ[SESSION]):
        try:
            command = Path(f"/proc/{process}/cmdline").read_bytes()
        except OSError:
            continue
        if process != os.getpid() and not any(server in command for server in _SERVERS):
            left[process] = command.replace(b"\0", b" ").decode(errors="replace")
    return left
