"""The zoo in pictures: a page for each shipped network."""

from __future__ import annotations

import posixpath
from pathlib import Path

from docs.site.examples import Examples
from netdsl.api.loading import load
from netdsl.base.source import Source
from netdsl.compiler import STYLES
from netdsl.syntax.net_files import head_of, read_text, shipped


def pages(root: Path, examples: Examples) -> dict[str, str]:
    """A page for each network, and the gallery of all."""
    names = [name for name in shipped() if name != "std"]
    made = {f"zoo/{name}.md": _network(root, name, examples) for name in names}
    cards = [_card(name, examples) for name in names]
    made["zoo/index.md"] = (
        "---\nhide: [toc]\n---\n\n# The zoo in pictures\n\n"
        "Every network that comes with netdsl, drawn by `netdsl graph`. Each page has the file, its shapes,\n"
        "and its code in all styles. [Beside other implementations](../zoo.md) says how they are checked.\n\n"
        f'<div class="net-gallery">\n{"".join(cards)}</div>\n'
    )
    return made


def _network(root: Path, name: str, examples: Examples) -> str:
    path = f"zoo/{name}.md"
    file = shipped()[name]
    head = head_of(file)
    assert head.network is not None
    about = " ".join(head.network.documentation.split())
    codes = {
        style: code.read_text(encoding="utf-8")
        for style in STYLES
        if (code := root / "generated" / f"{name}{'' if style == 'module' else f'_{style}'}.py").exists()
    }
    parts = [f"---\nhide: [toc]\n---\n\n# {name}\n\n{about}\n"]
    parts.append(examples.tabs(Source(str(file), read_text(str(file))), path, None, codes))
    rows = [
        f"| `{variant}` | {cost.parameters:,} | {cost.macs:,} |"
        for variant in (name, *(each.name.text for each in head.variants))
        for cost in [load(variant).typed.cost]
    ]
    parts.append("| name | parameters | MACs |\n| --- | ---: | ---: |\n" + "\n".join(rows) + "\n")
    parts.append(f"```sh\nnetdsl train {name}\nnetdsl graph {name} -o {name}.svg\n```\n")
    return "\n".join(parts)


def _card(name: str, examples: Examples) -> str:
    file = shipped()[name]
    picture = posixpath.relpath(examples.picture(Source(str(file), read_text(str(file)))), "zoo")
    return f'<a href="{name}.html"><img src="{picture}" alt="" loading="lazy"><span>{name}</span></a>\n'
