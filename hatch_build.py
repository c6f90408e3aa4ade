"""The description in distributions, for package indexes: README.md without links into the repository."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

# Links and pictures of Markdown whose target is a path.
_PICTURE = re.compile(r"^!\[[^]]*\]\((?!\w+:)[^)]*\)\n\n", re.MULTILINE)
_LINK = re.compile(r"(?<!!)\[([^]]*)\]\((?!\w+:)[^)]*\)")


class Description(MetadataHookInterface):
    """Sets `readme`: an index has none of the repository's files, so links to them would lead nowhere."""

    def update(self, metadata: dict[str, Any]) -> None:
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": _LINK.sub(r"\1", _PICTURE.sub("", text)),
        }
