"""The language server: the protocol's requests, answered over standard input and output.

The other modules work on texts, offsets and symbols; this one converts their results to the
protocol's types. A request never fails: an exception is logged, and the answer is empty.
"""

from __future__ import annotations

import functools
import gc
import logging
import sys
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from lsprotocol import types
from pygls import uris
from pygls.exceptions import JsonRpcInvalidParams

from netdsl.base.source import MAX_LENGTH
from netdsl.lsp import decorations, requests
from netdsl.lsp.code_actions import KINDS, code_actions
from netdsl.lsp.completion import Candidate
from netdsl.lsp.cursor_context import context_at
from netdsl.lsp.documents import Document
from netdsl.lsp.net_server import NetServer
from netdsl.lsp.outline import Entry
from netdsl.lsp.positions import Lines, Shift
from netdsl.lsp.reading import Reading
from netdsl.lsp.rename import Refused, is_shared, rename, renamed

log = logging.getLogger(__name__)

T = TypeVar("T")
P = TypeVar("P")

# Seconds that a change of names waits for the text as it is to be read.
LONG = 10.0

_COMPLETION_KINDS = {
    "keyword": types.CompletionItemKind.Keyword,
    "operation": types.CompletionItemKind.Function,
    "block": types.CompletionItemKind.Class,
    "argument": types.CompletionItemKind.Property,
    "name": types.CompletionItemKind.Variable,
    "function": types.CompletionItemKind.Function,
    "word": types.CompletionItemKind.EnumMember,
    "label": types.CompletionItemKind.Reference,
    "file": types.CompletionItemKind.File,
}
_SYMBOL_KINDS = {
    "network": types.SymbolKind.Module,
    "section": types.SymbolKind.Namespace,
    "stage": types.SymbolKind.Array,
    "block": types.SymbolKind.Class,
    "constant": types.SymbolKind.Constant,
    "parameter": types.SymbolKind.Variable,
    "label": types.SymbolKind.Field,
    "statement": types.SymbolKind.Object,
}


server = NetServer()


def answers(method: str, *options: object) -> Callable[[Callable[[P], Awaitable[T]]], object]:
    """Registers the answer to a request; where it fails, the editor is answered nothing."""

    def register(answer: Callable[[P], Awaitable[T]]) -> object:
        @functools.wraps(answer)
        async def safe(params: P) -> T | None:
            try:
                return await answer(params)
            except JsonRpcInvalidParams:  # meant for the user
                raise
            except Exception:
                log.exception("%s", method)
                return None

        return server.feature(method, *options)(safe)

    return register


def asks(method: str, *options: object) -> Callable[[Callable[[Document, P], Awaitable[T | None]]], object]:
    """Registers the answer to a request about an open document, which is read first if that takes no time; a
    document that is too long to be read has no answers.
    """

    def register(answer: Callable[[Document, P], Awaitable[T | None]]) -> object:
        async def of_document(params: Any) -> T | None:
            document = server.documents.get(params.text_document.uri)
            if document is None or len(document.text) > MAX_LENGTH:
                return None
            await server.documents.settled(document)
            return await answer(document, params)

        return answers(method, *options)(of_document)

    return register


@server.feature(types.INITIALIZE)
def initialize(params: types.InitializeParams) -> None:
    """Reads the editor's options."""
    options = params.initialization_options
    if isinstance(options, dict):
        server.shows_shapes = options.get("inlayHints") is not False


# texts


@answers(types.TEXT_DOCUMENT_DID_OPEN)
async def did_open(params: types.DidOpenTextDocumentParams) -> None:
    item = params.text_document
    path = (uris.to_fs_path(item.uri) or item.uri).replace("\\", "/")
    server.documents.open(Document(item.uri, path, item.text, item.version))


@answers(types.TEXT_DOCUMENT_DID_CHANGE)
async def did_change(params: types.DidChangeTextDocumentParams) -> None:
    document = server.documents.get(params.text_document.uri)
    if document is None:
        return
    text = document.text
    for change in params.content_changes:
        if isinstance(change, types.TextDocumentContentChangePartial):
            lines, start, end = server.lines(text), change.range.start, change.range.end
            before = text[: lines.offset(start.line, start.character)]
            text = before + change.text + text[lines.offset(end.line, end.character) :]
        else:
            text = change.text
    server.documents.change(document, text, params.text_document.version)


@answers(types.TEXT_DOCUMENT_DID_CLOSE)
async def did_close(params: types.DidCloseTextDocumentParams) -> None:
    uri = params.text_document.uri
    server.documents.close(uri)
    server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, []))


@answers(types.TEXT_DOCUMENT_DID_SAVE)
async def did_save(params: types.DidSaveTextDocumentParams) -> None:
    server.documents.read_again()


@answers(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
async def did_change_files(params: types.DidChangeWatchedFilesParams) -> None:
    server.documents.read_again()


@answers(types.SHUTDOWN)
async def shutdown(params: None) -> None:
    server.documents.end()


# questions


@asks(types.TEXT_DOCUMENT_HOVER)
async def hover(document: Document, params: types.HoverParams) -> types.Hover | None:
    offset = server.offset(document, params.position)
    found = requests.hover(document, offset, server.networks_of(document))
    if found is None:
        return None
    text, start, end = found
    contents = types.MarkupContent(types.MarkupKind.Markdown, text)
    return types.Hover(contents, server.range(server.lines(document.text), start, end))


@asks(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=["(", "=", '"', "/"]))
async def completion(document: Document, params: types.CompletionParams) -> types.CompletionList | None:
    offset = server.offset(document, params.position)
    files = functools.partial(server.files_beside, document)
    found = requests.completion(document, offset, files)
    context = context_at(document.source, offset)
    lines = server.lines(document.text)
    word = server.range(lines, context.start, offset)
    path = server.range(lines, context.quoted, offset)
    items = [
        _completion_item(candidate, number, path if candidate.kind == "file" else word)
        for number, candidate in enumerate(found)
    ]
    return types.CompletionList(is_incomplete=False, items=items)


def _completion_item(candidate: Candidate, number: int, place: types.Range) -> types.CompletionItem:
    return types.CompletionItem(
        label=candidate.name,
        kind=_COMPLETION_KINDS[candidate.kind],
        detail=candidate.detail or None,
        documentation=candidate.documentation or None,
        sort_text=f"{number:04}",
        text_edit=types.TextEdit(place, candidate.insert or candidate.name),
    )


@asks(
    types.TEXT_DOCUMENT_SIGNATURE_HELP,
    types.SignatureHelpOptions(trigger_characters=["("], retrigger_characters=[",", "="]),
)
async def signature_help(document: Document, params: types.SignatureHelpParams) -> types.SignatureHelp | None:
    found = requests.signature_help(document, server.offset(document, params.position))
    if found is None:
        return None
    signature, active = found
    arguments = [types.ParameterInformation(a.label, a.expected or None) for a in signature.arguments]
    shown = types.SignatureInformation(signature.label, signature.documentation or None, arguments, active)
    return types.SignatureHelp([shown], 0, active)


@asks(types.TEXT_DOCUMENT_DEFINITION)
async def definition(document: Document, params: types.DefinitionParams) -> types.Location | None:
    found = requests.definition(document, server.offset(document, params.position))
    return server.location(found) if found else None


@asks(types.TEXT_DOCUMENT_REFERENCES)
async def references(document: Document, params: types.ReferenceParams) -> list[types.Location] | None:
    found = requests.references(document, server.offset(document, params.position))
    return [place for target in found if (place := server.location(target))]


@asks(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
async def document_symbol(
    document: Document, params: types.DocumentSymbolParams
) -> list[types.DocumentSymbol] | None:
    if (found := requests.symbols(document)) is None:
        return None
    reading, entries = found
    shift, lines = document.shift(reading), server.lines(document.text)
    return _document_symbols(entries, shift, lines)


def _document_symbols(entries: Iterable[Entry], shift: Shift, lines: Lines) -> list[types.DocumentSymbol]:
    found = []
    for entry in entries:
        whole = shift.to_new(entry.span.start, entry.span.end)
        name = shift.to_new(entry.name_span.start, entry.name_span.end)
        if whole and name:
            symbol = types.DocumentSymbol(
                name=entry.name,
                kind=_SYMBOL_KINDS[entry.kind],
                range=server.range(lines, *whole),
                selection_range=server.range(lines, *name),
                detail=entry.detail or None,
                children=_document_symbols(entry.children, shift, lines),
            )
            found.append(symbol)
    return found


# drawn into the text


@asks(types.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL, decorations.LEGEND)
async def semantic_tokens(document: Document, params: types.SemanticTokensParams) -> types.SemanticTokens:
    return decorations.semantic_tokens(server, document)


@asks(types.TEXT_DOCUMENT_INLAY_HINT)
async def inlay_hints(document: Document, params: types.InlayHintParams) -> list[types.InlayHint] | None:
    return decorations.inlay_hints(server, document, params.range) if server.shows_shapes else None


@asks(types.TEXT_DOCUMENT_FOLDING_RANGE)
async def folding_ranges(document: Document, params: types.FoldingRangeParams) -> list[types.FoldingRange]:
    return decorations.folding_ranges(server, document)


@answers("netdsl/picture")
async def picture(params: Any) -> str | None:
    """The picture of an open document as SVG, of its last version without errors. It is netdsl's own request,
    for previews: `{"textDocument": {"uri": …}}`.
    """
    document = server.documents.get(params.textDocument.uri)
    if document is None:
        return None
    await server.documents.settled(document, LONG)
    network = document.typed.compiled.network if document.typed else None
    if network is None:
        return None
    from netdsl.graph.render_picture import TooLarge, render_picture

    try:
        return render_picture(network, ".svg").decode()
    except TooLarge:
        return None


# changes


@answers(types.TEXT_DOCUMENT_CODE_ACTION, types.CodeActionOptions(KINDS))
async def code_action(params: types.CodeActionParams) -> list[types.CodeAction] | None:
    document = server.documents.get(params.text_document.uri)
    if document is None or not await server.documents.settled(document, LONG):
        return None
    return code_actions(server, document, params)


@asks(types.TEXT_DOCUMENT_FORMATTING)
async def formatting(
    document: Document, params: types.DocumentFormattingParams
) -> list[types.TextEdit] | None:
    if (result := requests.layout(document)) is None:
        return None
    shift = Shift.between(document.text, result)
    if shift.prefix == shift.old_end == shift.new_end:
        return []
    place = server.range(server.lines(document.text), shift.prefix, shift.old_end)
    return [types.TextEdit(place, result[shift.prefix : shift.new_end])]


@answers(types.TEXT_DOCUMENT_PREPARE_RENAME)
async def prepare_rename(params: types.PrepareRenameParams) -> types.Range | None:
    document, reading, offset = await _to_rename(params)
    try:
        found = renamed(reading, offset)
    except Refused as refused:
        raise JsonRpcInvalidParams(str(refused)) from None
    return server.range(server.lines(document.text), found.span.start, found.span.end)


@answers(types.TEXT_DOCUMENT_RENAME, types.RenameOptions(prepare_provider=True))
async def rename_symbol(params: types.RenameParams) -> types.WorkspaceEdit | None:
    document, reading, offset = await _to_rename(params)
    try:
        symbol = renamed(reading, offset).symbol
        users = list(server.users(document, symbol.name)) if is_shared(symbol) else []
        edits = rename(reading, offset, params.new_name, users, server.documents.reader())
    except Refused as refused:
        raise JsonRpcInvalidParams(str(refused)) from None
    reader = server.documents.reader()
    changes: dict[str, Any] = {}
    for path, places in edits.items():
        lines = server.lines(reader(path))
        changes[server.uri(path)] = [
            types.TextEdit(server.range(lines, start, end), params.new_name) for start, end in places
        ]
    return types.WorkspaceEdit(changes=changes)


async def _to_rename(params: Any) -> tuple[Document, Reading, int]:
    """A document, the reading of its text as it is, and the place of a request to rename."""
    document = server.documents.get(params.text_document.uri)
    if document is None or not await server.documents.settled(document, LONG) or document.latest is None:
        raise JsonRpcInvalidParams("the file is still being read")
    return document, document.latest, server.offset(document, params.position)


def run() -> None:
    """Serves until the editor ends it."""
    # Answers wait for the thread that reads; by default it would keep them waiting five times as long.
    sys.setswitchinterval(0.001)
    # `Documents` collects garbage when it is quiet; what was imported is none.
    gc.disable()
    gc.freeze()
    server.start_io()
