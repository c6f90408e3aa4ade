"""Networks from texts."""

from __future__ import annotations

import re
from collections.abc import Mapping

from netdsl.api.network import Network
from netdsl.base.source import Source
from netdsl.compiler import compile_network
from netdsl.language.words import INPUT
from netdsl.syntax.net_files import shipped

# The shipped networks; those of CIFAR that have the blocks of another one are left out.
VARIED = sorted(name for name in shipped() if name != "std" and not name.startswith("cifar_"))

SMALL = "network small\n\ninput 3x8x8\nclasses 2\n"
HEAD = "head { global_avgpool, flatten, linear(classes) }\n"


def build(text: str, **settings: str) -> Network:
    """The network of a text; raises `NetworkError` where the text has errors."""
    return Network(compile_network(Source("test.net", text), settings))


def narrow(number: int, factor: int) -> int:
    """A number of channels, classes or features of a network that is narrower by a factor. It stays if it
    is below 16, or no multiple of the factor.
    """
    return number if number < 16 or number % factor else number // factor


def narrowed(name: str, size: int, settings: Mapping[str, str], factor: int = 1) -> Network:
    """A shipped network for 3 x size x size images, without its `expect` lines, and narrower by a factor:
    `narrow` changes the numbers of its tables, the first arguments of its layers, and its groups.
    """
    path = shipped()[name]
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"^expect .*?\n(?=[a-z#\n]|\Z)", "", text, flags=re.MULTILINE | re.DOTALL)
    # Neither conditions such as `depth == 152` nor ratios such as `out // 16`.
    number = r"(?<![=/] )(?:(?<=[( ])|(?<=groups=))\d+(?=[,) \n])"
    text = re.sub(number, lambda found: str(narrow(int(found[0]), factor)), text)
    return Network(compile_network(Source(str(path), text), {**settings, INPUT: f"3x{size}x{size}"}))


def small(body: str, head: str = HEAD) -> Network:
    """A network on 3x8x8 with two classes."""
    return build(SMALL + body + "\n" + head)


def codes(text: str, **settings: str) -> list[str]:
    """The codes of a text's diagnostics."""
    return [found.code for found in compile_network(Source("test.net", text), settings).diagnostics]
