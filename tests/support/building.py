"""Networks from texts."""

from __future__ import annotations

from netdsl.api import Network
from netdsl.base.source import Source
from netdsl.compiler import compile_network

SMALL = "network small\n\ninput 3x8x8\nclasses 2\n"
HEAD = "head { global_avgpool, flatten, linear(classes) }\n"


def build(text: str, **settings: str) -> Network:
    """The network of a text; raises `NetworkError` where the text has errors."""
    return Network(compile_network(Source("test.net", text), settings))


def small(body: str, head: str = HEAD) -> Network:
    """A network on 3x8x8 with two classes."""
    return build(SMALL + body + "\n" + head)


def codes(text: str, **settings: str) -> list[str]:
    """The codes of a text's diagnostics."""
    return [found.code for found in compile_network(Source("test.net", text), settings).diagnostics]
