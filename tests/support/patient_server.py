"""`netdsl lsp` without deadlines: its answers wait until the newest text is read, on any machine."""

from __future__ import annotations

from netdsl.cli import main
from netdsl.lsp import documents, server
from tests.support.programs import LONGEST

if __name__ == "__main__":
    documents.PATIENCE = server.LONG = LONGEST
    documents.Documents.settled.__defaults__ = (LONGEST,)
    main()
