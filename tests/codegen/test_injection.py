"""Nothing that a `.net` file says becomes code by itself: names, comments, texts and paths chosen to break
out of the generated file never do.

A hostile file and a harmless twin, which differ in one word or comment, must become the same tree of Python.
"""

from __future__ import annotations

import ast
import builtins
import keyword
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from netdsl.base.source import Source
from netdsl.codegen.functional import functional_view
from netdsl.codegen.module import module_view
from netdsl.codegen.render import View, laid_out
from netdsl.codegen.sequential import sequential_view
from netdsl.compiler import STYLES, Compiled, Style, compile_network, generate, trace
from netdsl.diagnostics.render_text import render
from netdsl.ir.lowered import LoweredNetwork

TEXT = """\
# {comment}
network {network}({setting}=4)
input 3x8x8
classes 2

# {comment}
block {block}({parameter}, act=relu, stride=1) {{
  let {constant} = {parameter} + 1
  skip {{
    {label}: conv({parameter}, 3, stride), bn, act
    repeat 2 as {index} {{ conv({constant} + {index}, 1) }}
    conv({parameter}, 1)
  }}
  shortcut {{ conv({parameter}, 1, stride) }}
  save {saved}
  conv({parameter}, 3)
  concat {{ | identity | from {saved} }}
}}
stem {{ conv({setting}, 3) }}
stages {block} {{
  {parameter}  act   stride  repeat
      4        relu    1       2
      8        silu    2       2
}}
head {{ global_avgpool, flatten, linear(classes) }}
"""
HARMLESS = {
    "comment": "A harmless comment.", "network": "harmless", "setting": "setting", "block": "piece",
    "parameter": "out", "constant": "value", "label": "first", "index": "number", "saved": "early",
}  # fmt: skip
FIRED = "netdsl_canary"
FIRE = f"__import__('builtins').{FIRED} = 1"

COMMENTS = [
    f'"""\n# {FIRE}\n# """', f'"""; {FIRE}; """', f"'''; {FIRE}; '''", '"', '""', '"""', '""""',
    'ends in "quotes"', "ends in a backslash \\", "ends in two \\\\", '\\"""', '\\\\"""',
    "\\N{BULLET} \\x22\\x22\\x22 \\u0022 \\", f"{{{{ {FIRE} }}}}", f"{{% set x = {FIRE} %}}", "{# jinja #}",
    "{{ view.__class__.__mro__ }}", "%s %(x)s {0}", f"text\r{FIRE}", f"text\r# {FIRE}", f"text\x0b{FIRE}",
    f"text\x0c{FIRE}", f"text\x85{FIRE}", f"text\u2028{FIRE}", f"text\u2029{FIRE}", f"\x00{FIRE}",
    "\x1b[2K", "\x08\x08\x08", "\ufeff", "\ud800", "\U000e0041", "ｃｌａｓｓ 𝐱 ﬁ", "# type: ignore",
    "fmt: off", "noqa", "", "-*- coding: utf-7 -*-", "!/bin/sh",
]  # fmt: skip
WORDS = [
    *keyword.kwlist, *keyword.softkwlist, *dir(builtins)[::8], "__import__", "eval", "exec", "open",
    "print", "super", "type", "list", "self", "cls", "x", "y", "y2", "torch", "nn", "F", "Tensor",
    "forward", "super_", "module", "layer", "model", "layers", "params", "buffers", "init", "init_params",
    "p", "b", "training", "generator", "dtype", "device", "tensors", "in_channels", "_", "__x", "_x",
    "__class__", "__debug__", "__dict__", "__file__", "mro", "freeze", "drop_path", "round_to", "i",
    "shortcut", "body", "stage1", "stem", "Net",
]  # fmt: skip
# Words that Python reads as others (NFKC), looks like others, or that end a word.
LOOKALIKES = [
    "ｅｘｅｃ", "𝐞𝐯𝐚𝐥", "ｓｅｌｆ", "ﬁrst", "оut", "a\u200bb", "a\u202eb", "a;b", "a'b", 'a"b', "a\nb",
    "a\rb", "a.b", f"x={FIRE}", "a)b", "a:b", "a\\b", "a\x00b", "ª", "x²", "{{x}}", "a b",
]  # fmt: skip


VIEWS: dict[Style, Callable[[LoweredNetwork, str], View]]
VIEWS = {"module": module_view, "functional": functional_view, "sequential": sequential_view}


def compiled(name: str = "test.net", **slots: str) -> Compiled:
    return compile_network(Source(name, TEXT.format(**HARMLESS | slots)))


def unformatted(network: Compiled, style: Style) -> str:
    """The code before black, which takes ten times as long as all else."""
    return laid_out(VIEWS[style](network.lowered, "test.net"))


TWINS = {style: ast.parse(unformatted(compiled(), style)) for style in STYLES}


def differences(one: object, other: object, where: str = "") -> Iterator[tuple[str, str, str]]:
    """The places with different texts in two trees, without docstrings; fails if anything else differs."""
    assert type(one) is type(other), where
    if isinstance(one, str) and isinstance(other, str):
        if one != other:
            yield where, one, other
    elif isinstance(one, list) and isinstance(other, list):
        assert len(one) == len(other), where
        for mine, theirs in zip(one, other, strict=True):
            yield from differences(mine, theirs, where)
    elif isinstance(one, ast.AST):
        for field in one._fields:
            name = f"{type(one).__name__}.{field}"
            yield from differences(_part(one, field), _part(other, field), name)
    else:
        assert one == other, where


def _part(node: Any, field: str) -> Any:
    """A field of a node; of a body what follows the docstring."""
    part = getattr(node, field)
    documented = isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and field == "body"
    return part[1:] if documented and ast.get_docstring(node, clean=False) is not None else part


def assert_harmless(code: str, style: Style) -> set[tuple[str, str]]:
    """The code is the twin's but for names, each in place of another, and nothing fires; those names."""
    found = set(differences(TWINS[style], ast.parse(code)))
    for where, _, other in found:
        assert other.isascii() and other.isidentifier()
        # Attributes and names of modules are nobody's; all others are variables.
        if where not in ("Attribute.attr", "Constant.value", "keyword.arg"):
            assert not hasattr(builtins, other) and not keyword.iskeyword(other)
            assert other not in ("torch", "nn", "F", "Tensor", "self", "super")
    assert all(char.isprintable() or char == "\n" for char in code)
    namespace: dict[str, Any] = {"__name__": "hostile"}
    exec(compile(code, "<hostile>", "exec"), namespace)
    with torch.device("meta"):
        namespace["init_params"]() if style == "functional" else list(namespace.values())[-1]()
    assert not hasattr(builtins, FIRED)
    return {(one, other) for _, one, other in found}


@pytest.mark.parametrize("number", range(len(COMMENTS)))
def test_comments_are_text(number: int) -> None:
    hostile = compiled(comment=COMMENTS[number])
    if hostile.errors:  # a line break in the comment: what follows is no statement
        assert {found.code for found in hostile.errors} <= {"NET101", "NET106"}
        return
    for style in STYLES:
        assert not assert_harmless(unformatted(hostile, style), style)
    style = STYLES[number % len(STYLES)]
    code = generate(hostile, style)
    assert not assert_harmless(code, style)
    trace(hostile, style, code)  # Its marks are told from what the file says.


def test_words_are_names_or_refused() -> None:
    slots = sorted(set(HARMLESS) - {"comment"})
    words = [
        word for word in dict.fromkeys(WORDS) if not compiled(network=word, block=word, label=word).errors
    ]
    assert len(words) > 40
    refused = [word for word in WORDS if word not in words]
    assert set(keyword.kwlist) | {"self", "__class__", "__debug__", "__x", "__import__"} <= set(refused)
    tried = 0
    for number in range(len(words)):
        # Each word comes to each slot, and never to two: their number has no divisor in common.
        given = {slot: words[(number + 7 * place) % len(words)] for place, slot in enumerate(slots)}
        hostile = compiled(**given)
        if hostile.errors:  # a keyword of the language, where only names of the file may stand
            continue
        style = STYLES[number % len(STYLES)]
        found = assert_harmless(unformatted(hostile, style), style)
        assert len({one for one, _ in found}) == len({other for _, other in found})
        tried += 1
    assert tried > 40


@pytest.mark.parametrize("slot", sorted(set(HARMLESS) - {"comment"}))
def test_what_is_no_word_is_refused(slot: str) -> None:
    for word in LOOKALIKES:
        assert compiled(**{slot: word}).errors, word


@pytest.mark.parametrize("number", range(len(COMMENTS)))
def test_names_of_files_are_text(number: int) -> None:
    style = STYLES[number % len(STYLES)]
    hostile = laid_out(VIEWS[style](compiled().lowered, f"{COMMENTS[number]}.net"))
    assert not assert_harmless(hostile, style)


@pytest.mark.parametrize(
    "text", [FIRE, '"""', "{{ 7 * 7 }}", "\\", "a\nb", "\u2028", "relu); import os; (", "\ud800"]
)
def test_settings_are_values_or_refused(text: str) -> None:
    hostile = compile_network(Source("test.net", TEXT.format(**HARMLESS)), {"setting": text, "input": text})
    assert hostile.errors
    assert all(render(found) for found in hostile.diagnostics)
