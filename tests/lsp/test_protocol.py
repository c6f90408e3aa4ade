"""Requests that are not what the protocol says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from netdsl.lsp.net_server import NetServer


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
