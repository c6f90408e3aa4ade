"""Code actions: the fixes of diagnostics as quick fixes, and all safe ones at once."""

from __future__ import annotations

from collections.abc import Iterator

from lsprotocol import types

from netdsl.base.source import Source, Span
from netdsl.compiler import compile_network
from netdsl.diagnostics.apply_fixes import apply_fixes, fixes_in
from netdsl.lsp.documents import Document
from netdsl.lsp.net_server import NetServer

KINDS = [types.CodeActionKind.QuickFix, types.CodeActionKind.SourceFixAll]


def code_actions(
    server: NetServer, document: Document, params: types.CodeActionParams
) -> list[types.CodeAction]:
    """The actions of the wanted kinds at a range; all safe fixes are one, where it is asked for."""
    lines, only = server.lines(document.text), params.context.only
    start, end = (lines.offset(at.line, at.character) for at in (params.range.start, params.range.end))
    found: list[types.CodeAction] = []
    if only is None or types.CodeActionKind.QuickFix in only:
        found += _quick_fixes(server, document, start, end)
    if only is not None and {types.CodeActionKind.SourceFixAll, types.CodeActionKind.Source} & {*only}:
        found += _fix_all(server, document)
    return found


def _quick_fixes(server: NetServer, document: Document, start: int, end: int) -> Iterator[types.CodeAction]:
    """The fixes of the diagnostics that touch a range. A safe first one is preferred."""
    reading = document.latest
    if reading is None or reading.source.text != document.text:
        return
    for diagnostic in reading.compiled.diagnostics:
        span = diagnostic.labels[0].span if diagnostic.labels else Span(reading.source, 0, 0)
        if span.source.name != document.path or not (span.start <= end and start <= span.end):
            continue
        for index, fix in enumerate(fixes_in(reading.source, diagnostic)):
            edits = [(edit.span.start, edit.span.end, edit.new_text) for edit in fix.edits]
            action = _action(server, document, types.CodeActionKind.QuickFix, fix.title, edits)
            action.diagnostics = [server.diagnostic(reading, diagnostic)]
            action.is_preferred = fix.safe and index == 0
            yield action


def _fix_all(server: NetServer, document: Document) -> Iterator[types.CodeAction]:
    source, read = Source(document.path, document.text), server.documents.reader()
    fixed = apply_fixes(source, lambda text: compile_network(text, read=read).diagnostics)
    if fixed.removed:
        edits = [(0, len(document.text), fixed.source.text)]
        kind = types.CodeActionKind.SourceFixAll
        yield _action(server, document, kind, "apply all safe fixes", edits)


def _action(
    server: NetServer,
    document: Document,
    kind: types.CodeActionKind,
    title: str,
    edits: list[tuple[int, int, str]],
) -> types.CodeAction:
    """An action that replaces ranges of the text, with the newlines that the text has."""
    lines, newline = server.lines(document.text), "\r\n" if "\r\n" in document.text else "\n"
    changes = [
        types.TextEdit(server.range(lines, start, end), new.replace("\r\n", "\n").replace("\n", newline))
        for start, end, new in edits
    ]
    edit = types.WorkspaceEdit(changes={document.uri: changes})
    return types.CodeAction(f"{title[:1].upper()}{title[1:]}", kind, edit=edit)
