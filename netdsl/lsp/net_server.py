"""The server with the open documents: it publishes diagnostics, and finds places and files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls import uris
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol, lsp_method

from netdsl.base.resources import ERRORS
from netdsl.base.source import Span
from netdsl.base.version import __version__
from netdsl.diagnostics import Diagnostic
from netdsl.diagnostics.render_json import full_message
from netdsl.lsp import requests
from netdsl.lsp.documents import Document, Documents
from netdsl.lsp.positions import Lines, Shift
from netdsl.lsp.reading import Reading, read

# The search for files ends after this number of files and folders: a workspace may contain a data set.
MOST_ENTRIES = 50_000


class NetProtocol(LanguageServerProtocol):
    """pygls' protocol, without its copy of the texts: to that, lines end at form feeds and the like, which
    an editor doesn't count.
    """

    @lsp_method(types.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: types.DidChangeTextDocumentParams) -> Iterator[Any]:
        yield self.fm.features[types.TEXT_DOCUMENT_DID_CHANGE], (params,), None

    def structure_message(self, data: dict[str, Any]) -> Any:
        """Also answers a request with invalid parameters, by an error; the message is then None."""
        try:
            return super().structure_message(data)
        except JsonRpcException as error:
            if "id" in data and "method" in data:
                self._send_response(data["id"], error=error.to_response_error())
            return None

    def handle_message(self, message: Any) -> None:
        if message is not None:
            super().handle_message(message)


class NetServer(LanguageServer):
    """pygls' server, with the documents that are open."""

    def __init__(self) -> None:
        super().__init__("netdsl", __version__, protocol_cls=NetProtocol)
        self.documents = Documents(self.publish)
        # True if inlay hints show the shape after each step: the initialization option `inlayHints`.
        self.shows_shapes = True

    # places

    def lines(self, text: str) -> Lines:
        encoding = self.workspace.position_encoding or types.PositionEncodingKind.Utf16
        return Lines(text, types.PositionEncodingKind(encoding).value)

    def offset(self, document: Document, position: types.Position) -> int:
        return self.lines(document.text).offset(position.line, position.character)

    def range(self, lines: Lines, start: int, end: int) -> types.Range:
        return types.Range(types.Position(*lines.position(start)), types.Position(*lines.position(end)))

    def location(self, target: requests.Target) -> types.Location | None:
        """A place in a file as it is now; None where it was edited away."""
        place: tuple[int, int] | None = (target.start, target.end)
        text = target.text
        for document in self.documents:
            if document.path == target.path:
                place = Shift.between(text, document.text).to_new(target.start, target.end)
                text = document.text
        if place is None:
            return None
        return types.Location(self.uri(target.path), self.range(self.lines(text), *place))

    def uri(self, path: str) -> str:
        """The URI of a path: the editor's own, where it has the file open."""
        for document in self.documents:
            if document.path == path:
                return document.uri
        return uris.from_fs_path(path) or path

    # diagnostics

    def publish(self, document: Document) -> None:
        reading = document.latest
        if reading is None:
            return
        shown = [self.diagnostic(reading, found) for found in reading.compiled.diagnostics]
        self.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(document.uri, shown, document.version)
        )

    def diagnostic(self, reading: Reading, found: Diagnostic) -> types.Diagnostic:
        """A diagnostic for the editor; one of a used file is shown at its `use`."""
        lines = self.lines(reading.source.text)
        labels = list(found.labels)
        message = full_message(found) + (f"\nhelp: {found.help_text}" if found.help_text else "")
        span = labels[0].span if labels else Span(reading.source, 0, 0)
        if span.source.name == reading.source.name:
            labels = labels[1:]
        else:
            message = f"{Path(span.source.name).name}: {message}"
            span = reading.use_of(span.source.name) or Span(reading.source, 0, 0)
        text = ERRORS / f"{found.code}.md"
        related = (self.related(reading, label.span, label.text) for label in labels)
        return types.Diagnostic(
            range=self.range(lines, span.start, max(span.end, span.start + 1)),
            message=message,
            severity=types.DiagnosticSeverity[found.severity.capitalize()],
            code=found.code,
            code_description=types.CodeDescription(text.as_uri()) if text.exists() else None,
            source="netdsl",
            related_information=[one for one in related if one],
        )

    def related(self, reading: Reading, span: Span, text: str) -> types.DiagnosticRelatedInformation | None:
        target = requests.target(reading, span)
        location = target and self.location(target)
        return types.DiagnosticRelatedInformation(location, text or "see here") if location else None

    # other files

    def networks_of(self, document: Document) -> list[Reading]:
        """The open networks that use a library."""
        readings = (other.typed for other in self.documents)
        return [r for r in readings if r and r.compiled.network and document.path in r.compiled.used]

    def files_beside(self, document: Document) -> Iterator[str]:
        """The `.net` files in the folder of a document and below, as a `use` names them."""
        folder = Path(document.path).parent
        for path in _net_files([folder]):
            if path.as_posix() != document.path:
                yield path.relative_to(folder).as_posix()

    def users(self, document: Document, name: str) -> Iterator[Reading]:
        """The other files of the workspace that may refer to a name of this one."""
        folders = [Path(found) for f in self.workspace.folders.values() if (found := uris.to_fs_path(f.uri))]
        paths = {path.as_posix() for path in _net_files(folders or [Path(document.path).parent])}
        paths |= {other.path for other in self.documents}
        reader = self.documents.reader()
        for path in sorted(paths - {document.path}):
            try:
                text = reader(path)
            except (OSError, ValueError):
                continue
            if name in text and "use" in text:
                yield read(path, text, reader)


def _net_files(folders: Iterable[Path]) -> Iterator[Path]:
    """The `.net` files in folders and below, hidden ones apart."""
    seen = 0
    for top in folders:
        for folder, inside, files in os.walk(top):
            inside[:] = sorted(name for name in inside if not name.startswith("."))
            yield from (Path(folder, name) for name in sorted(files) if name.endswith(".net"))
            seen += len(inside) + len(files)
            if seen > MOST_ENTRIES:
                return
