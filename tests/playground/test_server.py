"""`netdsl serve`: the page for a file, and who can read it."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner

from netdsl.cli import main
from netdsl.playground.server import HOST, PageServer
from tests.support.programs import started

NETWORK = """\
network n
input 3x8x8
classes 2
use "blocks.net"
stem { two(4) }
head { global_avgpool, flatten, linear(classes) }
"""
BLOCKS = "block two(out) { conv(out, 3), relu }\n"


class Served:
    """A server, asked as a browser asks it."""

    def __init__(self, server: PageServer) -> None:
        self.server = server

    def get(self, path: str, host: str = "", method: str = "GET") -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection(HOST, self.server.server_port)
        connection.putrequest(method, path, skip_host=True)
        connection.putheader("Host", host or f"{HOST}:{self.server.server_port}")
        connection.endheaders()
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response.status, content, dict(response.getheaders())

    def own(self, name: str) -> str:
        return f"/{self.server.token}/{name}"

    def answer(self, query: str = "view=picture") -> dict[str, Any]:
        status, content, _ = self.get(self.own(f"answer?{query}"))
        assert status == 200
        found: dict[str, Any] = json.loads(content)
        return found


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "blocks.net").write_text(BLOCKS)
    (tmp_path / "n.net").write_text(NETWORK)
    with PageServer(tmp_path / "n.net", {}) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield Served(server)
        server.closing = True
        server.shutdown()
        thread.join()


def test_the_page_and_the_answer(served: Served) -> None:
    status, content, headers = served.get(served.own(""))
    assert status == 200
    assert b'data-answers="server"' in content
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    for name in re.findall(rb'(?:href|src)="(page\.\w+)"', content):
        assert served.get(served.own(name.decode()))[0] == 200
    found = served.answer()
    assert found["file"] == "n.net"
    assert found["shown"]["svg"].startswith("<svg ")


def test_a_save_of_the_file_or_of_one_that_it_uses_is_news(served: Served) -> None:
    first = served.answer()
    served.server.path.with_name("blocks.net").write_text(BLOCKS.replace("relu", "rleu"))
    second = served.answer(f"view=picture&seen={_quoted(first['seen'])}")
    assert "rleu" in second["diagnostics"][0]["message"]
    served.server.path.unlink()
    third = served.answer(f"view=picture&seen={_quoted(second['seen'])}")
    assert "No such file" in third["diagnostics"][0]["message"]
    served.server.path.write_text(NETWORK)
    assert served.answer(f"view=picture&seen={_quoted(third['seen'])}")["text"] == NETWORK


def test_without_news_the_answer_is_empty(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netdsl.playground.server.PATIENCE", 0)
    seen = served.answer()["seen"]
    assert served.get(served.own(f"answer?view=picture&seen={_quoted(seen)}"))[:2] == (204, b"")


@pytest.mark.parametrize(
    "path", ["/", "/page.js", "/answer?view=picture", "/wrong/", "/wrong/answer?view=picture", "//"]
)
def test_nothing_is_served_without_the_token(served: Served, path: str) -> None:
    assert served.get(path)[:2] == (404, b"")


@pytest.mark.parametrize(
    "name",
    [
        "n.net",
        "blocks.net",
        "../n.net",
        "..%2fn.net",
        "../../../../etc/passwd",
        "%2e%2e/server.py",
        "server.py",
        "/etc/passwd",
        "page.html",
        "answer/../n.net",
    ],
)
def test_no_other_file_is_served(served: Served, name: str) -> None:
    assert served.get(served.own(name))[:2] == (404, b"")


@pytest.mark.parametrize(
    "host", ["example.org", "example.org:80", "127.0.0.1", "127.0.0.1.example.org", "localhost:1", " "]
)
def test_only_this_machines_names_are_answered(served: Served, host: str) -> None:
    """A page whose name was pointed to this machine can't read the file."""
    assert served.get(served.own(""), host)[:2] == (403, b"")
    assert served.get(served.own(""), f"localhost:{served.server.server_port}")[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_can_be_sent(served: Served, method: str) -> None:
    assert served.get(served.own(""), method=method)[0] == 501


def test_only_this_machine_is_listened_to(served: Served) -> None:
    assert served.server.server_address[0] == "127.0.0.1"
    assert len(served.server.token) >= 20


def test_an_unknown_view_is_refused(served: Served) -> None:
    assert served.get(served.own("answer?view=../page"))[0] == 400


def test_ctrl_c_ends_the_program(tmp_path: Path) -> None:
    (tmp_path / "n.net").write_text("network n\ninput 3x8x8\nlayers { conv(2, 3) }\n")
    command = [sys.executable, "-m", "netdsl", "serve", "n.net"]
    with started(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:(\d+)(/\S+/)", first)
        assert address, first
        connection = http.client.HTTPConnection(HOST, int(address[1]))
        connection.request("GET", f"{address[2]}answer?view=shapes")
        seen = json.loads(connection.getresponse().read())["seen"]
        connection.request("GET", f"{address[2]}answer?view=shapes&seen={_quoted(seen)}")  # waits for news
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert "Traceback" not in process.stdout.read()


def test_a_file_that_cannot_be_read_and_a_port_in_use(served: Served, tmp_path: Path) -> None:
    missing = CliRunner().invoke(main, ["serve", str(tmp_path / "missing.net")])
    assert missing.exit_code == 2 or "can't be read" in missing.output
    port = str(served.server.server_port)
    taken = CliRunner().invoke(main, ["serve", str(served.server.path), "--port", port])
    assert f"port {port} can't be used" in taken.output
    assert taken.exit_code


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text)
