"""The answer of the playground to a text, for JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pygments.lexer import Lexer
from pygments.token import STANDARD_TYPES

from netdsl.base.resources import NETWORKS
from netdsl.base.source import Source, Span
from netdsl.compiler import STYLES, Compiled, Style, compile_network, generate
from netdsl.diagnostics import Diagnostic, Fix
from netdsl.diagnostics.apply_fixes import fixes_in
from netdsl.diagnostics.network_error import NetworkError
from netdsl.diagnostics.render_json import full_message
from netdsl.ops.operation import show_shape
from netdsl.pygments_lexer import NetLexer
from netdsl.resolve.load_files import Reader
from netdsl.syntax.net_files import read_text, shipped

if TYPE_CHECKING:
    from netdsl.ir.typed import TypedNetwork

View: TypeAlias = Literal["picture", "shapes"] | Style
VIEWS: tuple[View, ...] = ("picture", "shapes", *STYLES)


def answer(
    source: Source, view: View | Literal[""], settings: Mapping[str, str], read: Reader = read_text
) -> dict[str, Any]:
    """The colours and diagnostics of a text, and one view of its network, for JSON:

    - `tokens`: `[length, class]` of each token, with the classes of Pygments;
    - `diagnostics`, with places as offsets and fixes as edits;
    - `heading`: the network in one line, empty after errors;
    - `shown`: the view, if one is asked for: `svg`, a table with `columns` and `rows`, or `code` with its
      `tokens`; `message` says why there is none. Empty after errors.

    Offsets and lengths are JavaScript's.
    """
    compiled = compile_network(source, settings, read=read)
    found = {
        "text": source.text,
        "tokens": _tokens(NetLexer(), source.text),
        "diagnostics": [_diagnostic(source, found) for found in compiled.diagnostics],
    }
    if compiled.network is None:
        return {**found, "heading": "", "shown": {}}
    return {
        **found,
        "heading": _heading(compiled.network),
        "shown": _shown(compiled.network, compiled, view) if view else {},
    }


def answer_in_browser(text: str, view: View | Literal[""]) -> str:
    """The answer for a text that lies beside the shipped networks, whose blocks it can use, as JSON."""
    source = Source(str(NETWORKS / "playground.net"), text)
    return json.dumps(answer(source, view, {}), ensure_ascii=False)


def examples() -> str:
    """The texts of the shipped networks by name, as JSON."""
    texts = {name: path.read_text(encoding="utf-8") for name, path in shipped().items() if name != "std"}
    return json.dumps(texts, ensure_ascii=False)


def _heading(network: TypedNetwork) -> str:
    cost = network.cost
    shapes = f"{show_shape(network.network.input)} -> {show_shape(network.output)}"
    figures = f"{cost.parameters:,} parameters, {cost.macs:,} MACs, depth {network.depth}"
    return f"{network.network.name}: {shapes}, {figures}"


def _shown(network: TypedNetwork, compiled: Compiled, view: View) -> dict[str, Any]:
    from netdsl.graph.render_picture import TooLarge, render_picture
    from netdsl.summary.measure import measure

    try:
        match view:
            case "picture":
                return {"svg": render_picture(network, ".svg").decode()}
            case "shapes":
                table = measure(network, 2).table()
                return {"columns": table.headings, "rows": table.rows}
            case _:
                return _code(compiled, view)
    except TooLarge as error:
        return {"message": str(error)}
    except NetworkError as error:
        return {"message": f"{error.diagnostics[0].message}; {error.diagnostics[0].help_text}"}


def _code(compiled: Compiled, style: Style) -> dict[str, Any]:
    from pygments.lexers.python import PythonLexer

    code = generate(compiled, style)
    return {"code": code, "tokens": _tokens(PythonLexer(), code)}


def _tokens(lexer: Lexer, text: str) -> list[tuple[int, str]]:
    """Lengths and classes; neighbours of the same class are one token."""
    found: list[tuple[int, str]] = []
    for _, kind, value in lexer.get_tokens_unprocessed(text):
        while kind not in STANDARD_TYPES:  # the language's own kinds have the classes of their parents
            kind = kind.parent
        length, name = _length(value), STANDARD_TYPES[kind]
        if found and found[-1][1] == name:
            length += found.pop()[0]
        found.append((length, name))
    return found


def _diagnostic(source: Source, found: Diagnostic) -> dict[str, Any]:
    """A diagnostic; one of a used file has no place in the text."""
    label = next((label for label in found.labels[:1] if label.span.source == source), None)
    return {
        "code": found.code,
        "severity": found.severity,
        "message": full_message(found),
        "help": found.help_text,
        **(_place(label.span) if label else {"start": 0, "end": 0, "line": 1}),
        "related": [
            {**_place(label.span), "message": label.text or "see here"}
            for label in found.labels[1:]
            if label.span.source == source
        ],
        "fixes": [_fix(fix) for fix in fixes_in(source, found)],
    }


def _place(span: Span) -> dict[str, int]:
    text = span.source.text
    start = _length(text[: span.start])
    return {
        "start": start,
        "end": start + _length(text[span.start : span.end]),
        "line": span.source.position(span.start)[0],
    }


def _fix(fix: Fix) -> dict[str, Any]:
    """Its edits from the last to the first, so that they can be applied in this order."""
    edits = sorted(fix.edits, key=lambda edit: edit.span.start, reverse=True)
    return {
        "title": fix.title,
        "safe": fix.safe,
        "edits": [{**_place(edit.span), "text": edit.new_text} for edit in edits],
    }


def _length(text: str) -> int:
    """The length in JavaScript, where characters beyond the first 65,536 count twice."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
