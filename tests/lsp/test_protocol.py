"""Requests that are not what the protocol says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from netdsl.lsp.net_server import NetServer
from tests.support.editor import Editor


@pytest.mark.parametrize("params", [{}, None, 5, {"textDocument": 3}, {"position": {"line": -1}}])
def test_invalid_parameters_are_answered_by_an_error(params: object) -> None:
    protocol, sent = NetServer().protocol, list[dict[str, Any]]()
    protocol._send_data = lambda data: sent.append(data)  # type: ignore[method-assign]
    for message in (
        {"id": 7, "method": "textDocument/hover", "params": params},
        {"method": "textDocument/didSave", "params": params},
    ):
        text = json.dumps({"jsonrpc": "2.0", **message})
        protocol.handle_message(json.loads(text, object_hook=protocol.structure_message))
    (answer,) = sent
    assert json.loads(json.dumps(answer, default=protocol._serialize_message))["id"] == 7
    assert answer.error.code in (-32602, -32603)  # type: ignore[attr-defined]


def test_the_picture_is_that_of_the_last_version_without_errors(editor: Editor) -> None:
    """The request of the preview in VS Code."""
    editor.open("drawn.net", "network drawn\ninput 3x8x8\nlayers { conv(2, 3), relu }\n")

    async def picture(name: str) -> str | None:
        of_file = {"textDocument": {"uri": editor.uri(name)}}
        drawn: str | None = await editor.client.protocol.send_request_async("netdsl/picture", of_file)
        return drawn

    first = editor.ask(picture("drawn.net"))
    assert first is not None and first.startswith("<svg ")
    editor.replace("drawn.net", "relu", "rleu")
    assert editor.ask(picture("drawn.net")) == first
    editor.replace("drawn.net", "rleu", "gelu")
    assert "gelu" in (editor.ask(picture("drawn.net")) or "")
    assert editor.ask(picture("unknown.net")) is None
