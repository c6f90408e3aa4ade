"""Known mistakes in statements, and pasted files of other languages."""

from __future__ import annotations

import re

from netdsl.language.argument_types import signature
from netdsl.ops import OPERATIONS
from netdsl.other_frameworks.translation import own_name, translated
from netdsl.syntax.errors.patterns import COMMENTS, PYTHON, WORDS, Advice, Rule, Write, pasted, shape
from netdsl.syntax.errors.wrong_steps import assigned, assigned_step, yaml_step


def _assigned_outside(match: re.Match[str]) -> Advice | None:
    if step := assigned_step(match):
        return Advice("steps must be inside a section", Write(f"layers {{ {step} }}"), "Python")
    return assigned(match) or pasted("this is Python", "Python")(match)


def _outside(match: re.Match[str]) -> Advice | None:
    """A step at the top of the file."""
    name, text = match[1], match[0].rstrip(";,")
    if (
        name not in OPERATIONS
        and name not in WORDS
        and name != "unit"
        and not own_name(name)
        and not match[2]
    ):
        return None
    own = name in OPERATIONS or name in WORDS or "{" in text
    step = re.sub(r"\{$", "{ … }", text if own else translated(text) or text)
    return Advice("steps must be inside a section", Write(f"layers {{ {step} }}", safe=False))


def _listed_outside(match: re.Match[str]) -> Advice | None:
    step = yaml_step(match[1], match[2])
    return Advice("steps must be inside a section", Write(f"layers {{ {step} }}")) if step else None


def _stage(match: re.Match[str]) -> Advice:
    """`stage residual(16) x5`, `stage residual 16, repeat=5`."""
    inside = (match[2] or "").strip().removeprefix("(").removesuffix(")")
    rest = re.sub(r"(?:^|[\s,]+)(?:[x*×]|repeat\b\s*=?)\s*(\d+)", r" repeat=\1", match[3].strip())
    given = ", ".join(filter(None, (inside, *re.split(r"[\s,]+", rest.strip(" ,")))))
    return Advice("the arguments of a stage must be in parentheses", Write(f"stage {match[1]}({given})"))


def _input(match: re.Match[str]) -> Advice | None:
    word, sign, given = match.groups()
    named = re.fullmatch(r"\(\s*\w+\s*=\s*(.*?)\s*\)|\w+\s*[:=]?\s+(\d[\dx]*x\d+)\s*(?:,.*)?", given)
    own = shape(named[1] or named[2] if named else given)
    if not re.fullmatch(r"\w+", own):
        return None
    if named and named[2]:
        message = "a network has one input, without a name"
    elif word != "input":
        message = f"there is no `{word}`; use `input`"
    elif own == given:
        message = f"no `{sign}` after `input`"
    else:
        message = "write a shape as one word"
    return Advice(message, Write(f"input {own}"))


def _network(match: re.Match[str]) -> Advice | None:
    if re.fullmatch(r"\w+\s*;", match[1]):
        return None
    name = re.sub(r"\W+", "_", match[1].strip(" \"'{:")).strip("_")
    name = f"net_{name}" if name[:1].isdigit() else name
    return (
        Advice("a name may contain only letters, digits and `_`", Write(f"network {name}{match[2] or ''}"))
        if name
        else None
    )


def _order(match: re.Match[str]) -> Advice | None:
    items = ", ".join(re.findall(r"\+|\w+(?:\([^()]*\))?", match[1]))
    return Advice("separate the items of an order by commas", Write(f"order {items}")) if items else None


def _block_name(match: re.Match[str]) -> Advice:
    words = re.match(r"block\s+([\w.-]+)\s*([^{]*)", match.string)
    text = re.sub(r"\W+", "_", words[1]) + words[2].rstrip() if words else "…"
    return Advice("a name may contain only letters, digits and `_`", Write(f"block {text} {{ … }}"))


def _body(match: re.Match[str]) -> Advice:
    """`stem:` and `stem conv(64, 3), relu`."""
    head, inside = re.sub(r"\s+", " ", match[1]).strip(), match[2].strip()
    inside = re.sub(r"^[=:]?\s*(?:[\w.]*Sequential|[\w.]*ModuleList)?\s*[(\[]*$", "", inside)
    if match[2].rstrip().endswith(("(", "[")):  # brackets of another language, over several lines
        return Advice(
            "a body must be in braces", f"write `{head} {{`, and `}}` after the last line of its body"
        )
    inside = inside[1:-1].strip() if re.fullmatch(r"\(.*\)|\[.*\]", inside) else inside
    return Advice("a body must be in braces", Write(f"{head} {{ {inside or '…'} }}"))


def _dashed(match: re.Match[str]) -> Advice:
    """`stage res-block(16)`."""
    return Advice("a name cannot contain `-`", Write(f"stage {match[1].replace('-', '_')}{match[2]}"))


def _output(match: re.Match[str]) -> Advice:
    """`expect output == (10,)`."""
    return Advice("write a shape as one word", Write(f"expect output == {shape(match[1])}"))


def _default(match: re.Match[str]) -> Advice:
    """`default bias=no`."""
    owners = (
        name
        for name, operation in OPERATIONS.items()
        if match[2] in (parameter.name for parameter in signature(operation))
    )
    own = next(owners, "")
    help = Write(f"default {own}({match[1]})") if own else "remove it: no operation has this argument"
    return Advice("`default` needs an operation's name", help)


def _digits(match: re.Match[str]) -> Advice:
    """`expect params < 1,000,000`."""
    number = re.sub(r"\D", "", match[3])
    return Advice("a number has no thousands separators", Write(f"expect {match[1]} {match[2]} {number}"))


# Files in these languages have one error.
WHOLE_FILES = ("YAML", "Caffe", "NNEF", "MontiAnna", "Neural")

STATEMENTS: list[Rule] = [
    (r"name:\s*\"", pasted("this is a network of Caffe", "Caffe")),
    (r"(?:name|nc|model|backbone|architecture):(?:\s|$)", pasted("this is YAML", "YAML")),
    (r"version\s+[\d.]+\s*;", pasted("this is NNEF", "NNEF")),
    (r"architecture\s+\w+\s*[({]", pasted("this is MontiAnna", "MontiAnna")),
    *COMMENTS,
    (
        r"(?:import|include|require|from)\s+[\"']?([\w./-]+\.net)[\"']?",
        "use `use` to import the blocks of a file",
        Write(r'use "\1"'),
    ),
    *PYTHON,
    (r"\[(\w+)\]", pasted(r"`[\1]` is Darknet syntax", "Darknet")),
    (r"\{$|[{\"].*:", pasted("this is JSON", "JSON")),
    (r"```", "this is Markdown", "remove it: a `.net` file contains only code"),
    (r"(input_shape|input_size|shape)\s*([:=]?)\s*(.+)$", _input),
    (r"(self\.)?(\w+)\s*=(?!=)\s*(.+)", _assigned_outside),
    (r"-\s*(\w+)\s*:?\s*(.*)", _listed_outside),
    (r"(?:model|self|net)\.\w+\(", pasted("this is Python", "Python")),
    (
        r"(num_classes|nclasses|n_classes)\s*[:=]?\s*(\w+)$",
        r"there is no `\1`; use `classes`",
        Write(r"classes \2"),
    ),
    (
        r"(?:const|var|int|float|set|val)\s+(\w+\s*=.*)$",
        "a constant is defined with `let`",
        Write(r"let \1"),
    ),
    (r"(\w+)(\(.*\)?)?.*$", _outside),
]
_BODY: Rule = (
    r"((?:stem|head|layers|train|(?:stages|block)\s+\w+(?:\(.*\))?)|init(?=\s*:?$))\s*:?\s*([^{]*)$",
    _body,
)
_SIGN: Rule = (r"(stem|head|layers|train|init)\s*([=:])\s*\{", r"no `\2` after `\1`", Write(r"\1 { … }"))
OF_STATEMENT: dict[str, list[Rule]] = {
    **{word: [_SIGN, _BODY] for word in ("stem", "head", "layers")},
    "train": [
        (
            r"train\s*\(",
            "the keys of `train` must be in braces",
            "write `train { … }`, with each key on its own line, such as `epochs 10`",
        ),
        _SIGN,
        _BODY,
    ],
    "stages": [
        (r"stages\s*\{", "`stages` needs a block's name", Write("stages residual { … }")),
        _BODY,
    ],
    "block": [
        (r"block\s+(\w+)\s*\(\s*\d", "a parameter must be a name", Write(r"block \1(out) { … }")),
        (r"block\s+\w*[-.]", _block_name),
        (
            r"block\s+(\w+)\s*[\[<]([\w\s,=.]*)[\]>]",
            "parameters must be in parentheses",
            Write(r"block \1(\2) { … }"),
        ),
        (
            r"block\s+(\w+)\s+(\w[\w\s,=.]*)\{",
            "parameters must be in parentheses",
            Write(r"block \1(\2) { … }"),
        ),
        (
            r"block\s+(\w+)(\(.*?\))?\s*->[^{]*\{",
            "a block has no return type: it returns the output of its last step",
            Write(r"block \1\2 { … }"),
        ),
        _BODY,
    ],
    "default": [(r"default\s+((\w+)\s*=\s*\w+)$", _default)],
    "expect": [
        (r"expect\s+(\w+)\s*([=!<>]=?)\s*(\d{1,3}(?:[,_' ]\d{3})+)$", _digits),
        (r"expect\s+output\s*={1,2}\s*([(\[].*[)\]])$", _output),
        (
            r"expect\s+(\w+)(?:\s*[=:]\s*|\s+)([\w.]+)$",
            "`expect` needs a comparison",
            Write(r"expect \1 == \2"),
        ),
    ],
    "input": [(r"(input)\s*([:=]?)\s*(.+)$", _input)],
    "network": [
        (
            r"network\s+(\w+)\s*(\([^()]*\))?\s*\{",
            "`network` takes no braces: its statements follow on the next lines",
            Write(r"network \1\2"),
        ),
        (r"network\s*[:=]?\s+([^(]*[^(\w\s][^(]*|\w+\s+.*|\d\w*)(\(.*\))?$", _network),
        (r"network\s*([:=])\s*(\w+)", r"no `\1` after `network`", Write(r"network \2")),
    ],
    "output": [
        (r"output\s*[:=]?\s*\{", "`output` takes no braces: it names saved tensors", Write("head { … }")),
        (
            r"output\s*[:=]?\s*[(\[]([\w\s,]+)[)\]]$",
            "outputs are listed without brackets",
            Write(r"output \1"),
        ),
        (r"output\s*([:=])\s*(\w.*)$", r"no `\1` after `output`", Write(r"output \2")),
        (
            r"output\s+([\w\s,]+?)\s+(?:if|in|during)\s+(.*)$",
            "a condition follows `when`",
            Write(r"output \1 when \2"),
        ),
    ],
    "order": [(r"order\s*[:=]?\s*\[?([^\]]+)\]?$", _order)],
    "stage": [
        (
            r"stage\s+(\w+)\s*\{",
            "the arguments of a stage must be in parentheses",
            Write(r"stages \1 { … }", ", with a header line", safe=False),
        ),
        (
            r"stage\s+(\d+)x?\s+(\w+)\((.*)\)$",
            "the block must come first",
            Write(r"stage \2(\3, repeat=\1)"),
        ),
        (r"stage\s*:?\s*(\w+)\s*(\([^()]*\))\s*(.+)$", _stage),
        (r"stage\s*:?\s+(\w+)()\s+(\w[^{]*)$", _stage),
        (r"stage\s+(\w+(?:-\w+)+)(.*)$", _dashed),
    ],
    "let": [(r"let\s+(\w+)\s+([\w(].*)$", "`let` needs `=`", Write(r"let \1 = \2"))],
    "init": [
        (
            r"init\s+((?:kaiming|xavier)_\w+|\w*normal|\w*uniform)\s*(\([^()]*\))?$",
            "a rule must follow the key that it applies to",
            Write(r"init { conv \1\2, linear \1\2 }"),
        ),
        (
            r"init\s+(?:kaiming|pytorch|he)\s*\(([^()]*)\)$",
            "only a rule takes arguments",
            Write(r"init { conv kaiming_normal(\1) }"),
        ),
        (r"init\s*[:=]?\s*[\"']?(\w+)[\"']?$", "the initialisation must be a plain word", Write(r"init \1")),
        _BODY,
    ],
    "use": [
        (r"use\s+[\"'“]?([^\"'”]+)[\"'”]?$", "a path must be in double quotes", Write(r'use "\1"')),
    ],
    "classes": [(r"classes\s*([:=])\s*(\w+)", r"no `\1` after `classes`", Write(r"classes \2"))],
}
