"""`netdsl serve`: the page of the playground for a file, on this machine only.

The address has a random token, without which nothing is answered, so that no other user and no page of a
browser can read the file. A request must name this machine as its host: the name of another site that was
pointed here is refused. Only the page's own files and the answers for the one network are served.
"""

from __future__ import annotations

import hmac
import json
import secrets
import time
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from threading import Lock
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from netdsl.base.source import Source
from netdsl.base.stamps import Stamp, stamp, stamps_of
from netdsl.playground.answer import VIEWS, View, answer
from netdsl.syntax.net_files import read_text

HOST = "127.0.0.1"
# Seconds between two looks at the files, and until a request without news is answered.
INTERVAL, PATIENCE = 0.1, 20.0

PAGE = {"": "page.html", "page.css": "page.css", "page.js": "page.js"}
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
# The page loads nothing from elsewhere, and no other page can frame it or learn its address.
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class PageServer(ThreadingHTTPServer):
    """Serves the page for a file. `address` is where a browser finds it; port 0 is a free one."""

    daemon_threads = True

    def __init__(self, path: Path, settings: Mapping[str, str], port: int = 0) -> None:
        self.path = path
        self.settings = settings
        self.token = secrets.token_urlsafe(16)
        self.closing = False
        self._stamps: dict[Path, Stamp] = {path: stamp(path)}
        self._lock = Lock()
        super().__init__((HOST, port), _Handler)

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.server_port}/{self.token}/"

    def answer(self, view: View) -> dict[str, Any]:
        """The answer for the file as it is; `seen` identifies this state of all files that it uses."""
        stamps = {self.path: stamp(self.path)}

        def recorded(path: str) -> str:
            stamps[Path(path)] = stamp(Path(path))  # before reading, so that a change in between is noticed
            return read_text(path)

        try:
            source = Source(str(self.path), read_text(str(self.path)))
        except (OSError, ValueError) as error:
            problem = {"severity": "error", "code": "NET100", "message": str(error), "help": ""}
            place = {"start": 0, "end": 0, "line": 1, "related": [], "fixes": []}
            found: dict[str, Any] = {"text": "", "tokens": [], "diagnostics": [{**problem, **place}]}
            found |= {"heading": "", "shown": {}}
        else:
            found = answer(source, view, self.settings, recorded)
        with self._lock:
            self._stamps = stamps
        return {**found, "file": self.path.name, "seen": _state(stamps)}

    def changed(self, seen: str) -> bool:
        """Waits until the files are not in the state `seen`; false if that takes too long."""
        end = time.monotonic() + PATIENCE
        while not self.closing and time.monotonic() < end:
            with self._lock:
                paths = tuple(self._stamps)
            if _state(stamps_of(paths)) != seen:
                return True
            time.sleep(INTERVAL)
        return False


def _state(stamps: Mapping[Path, Stamp]) -> str:
    return json.dumps({str(path): found for path, found in stamps.items()}, sort_keys=True)


class _Handler(BaseHTTPRequestHandler):
    """Answers the requests of the page."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "netdsl", ""

    def do_GET(self) -> None:
        server = cast(PageServer, self.server)
        hosts = {f"{name}:{server.server_port}" for name in (HOST, "localhost")}
        if self.headers.get("Host") not in hosts:
            return self._send(HTTPStatus.FORBIDDEN)
        url = urlsplit(self.path)
        token, slash, name = url.path.removeprefix("/").partition("/")
        if not slash or not hmac.compare_digest(token.encode(), server.token.encode()):
            return self._send(HTTPStatus.NOT_FOUND)
        if name in PAGE:
            return self._page(PAGE[name])
        if name == "answer":
            query = {key: values[0] for key, values in parse_qs(url.query).items()}
            return self._answer(server, query.get("view", ""), query.get("seen", ""))
        return self._send(HTTPStatus.NOT_FOUND)

    def _page(self, name: str) -> None:
        content = files("netdsl.playground").joinpath(name).read_bytes()
        content = content.replace(b'data-answers="browser"', b'data-answers="server"')
        self._send(HTTPStatus.OK, content, TYPES[Path(name).suffix])

    def _answer(self, server: PageServer, view: str, seen: str) -> None:
        if view not in VIEWS:
            return self._send(HTTPStatus.BAD_REQUEST)
        if seen and not server.changed(seen):
            return self._send(HTTPStatus.NO_CONTENT)
        content = json.dumps(server.answer(view), ensure_ascii=False).encode("utf-8", "replace")
        return self._send(HTTPStatus.OK, content, "application/json")

    def _send(self, status: HTTPStatus, content: bytes = b"", kind: str = "text/plain") -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        if status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Requests aren't logged: their addresses have the token."""

    def handle(self) -> None:
        """Answers until the browser closes the connection, which is no error."""
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True
