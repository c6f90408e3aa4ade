"""What to write in place of text that is no `.net` syntax: mistakes with a name, and other languages."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields
from typing import NamedTuple, TypeAlias

from netdsl.foreign import no_step, own_name, own_value, translated
from netdsl.ops import OPERATIONS
from netdsl.recipe import Recipe

KEYS = tuple(field.name for field in fields(Recipe))
# What is longer was written by no beginner.
_LONGEST = 400


class Advice(NamedTuple):
    """A mistake and the way out. Of a `language` that was pasted only the first line is spoken of."""

    message: str
    help: str
    language: str = ""


# In a call: a tuple, a text, a tensor.
_LIKE_PYTHON = re.compile(r"[(,=]\s*\(|['\"]|\(\s*[a-z]\s*\)|_size|inplace")
_Rule: TypeAlias = tuple[str, Callable[[re.Match[str]], Advice | None]]


def advice(text: str, rule: str) -> Advice | None:
    """What to say of a text that the `rule` of the grammar refuses; None where no mistake is recognised."""
    line = _line(text)
    if len(line) > _LONGEST:
        return None
    for pattern, say in _RULES.get(rule, ()):
        match = re.match(pattern, line)
        if match and (found := say(match)):
            return found
    return None


def _line(text: str) -> str:
    """The first line, without its comment."""
    return re.sub(r'("[^"]*"|[^"#])#.*', r"\1", text.strip().split("\n", 1)[0]).strip()


def _write(message: str, text: str, why: str = "") -> Advice:
    return Advice(message, f"write `{text}`" + (f": {why}" if why else ""))


def _shape(text: str) -> str:
    """`(3, 32, 32)` as the language has it, with the channels first; as it is where it is no shape."""
    text = text.strip()
    if not re.fullmatch(r"[\d\sxX×*,()\[\]]+", text):
        return own_value(text)
    sides = re.findall(r"\d+", text)
    if len(sides) == 3 and sides[2] in ("1", "3") and int(sides[0]) > 4:
        sides = [sides[2], *sides[:2]]
    return "x".join(sides)


def _call(text: str) -> str:
    """A step as the language writes it, translated where it is of another library."""
    text = text.strip().rstrip(";,")
    name = re.match(r"[\w.]*", text)
    own = name and name[0] in OPERATIONS and not _LIKE_PYTHON.search(text)
    return text if own else translated(text)


# --- Python, and what looks like it ---------------------------------------------------------------


def _python(match: re.Match[str]) -> Advice:
    word = match[1]
    help = {
        "class": "a network starts with `network NAME`, and a block is `block NAME(out) { … }`",
        "def": "leave it out: steps run in the order in which they stand",
        "return": "leave it out: a body gives what its last step gives",
    }.get(word, "leave it out: the generated code has what it needs")
    return Advice(f"`{word}` is Python", help, "Python")


def _assigned(match: re.Match[str]) -> Advice | None:
    """`self.conv1 = nn.Conv2d(3, 64, 3)`, `x = F.relu(x)`, in a body."""
    target, value = match[2], match[3]
    called = re.fullmatch(r"(?:self\.)?(\w+)\((x|out|h|y)\)", value.strip())
    step = _call(value) or (called[1] if called else "")
    if step:
        labelled = f"{target}: {step}" if match[1] and "," not in step else step
        return _write("steps aren't assigned", labelled, "a step takes what the one before it gives")
    return (
        _write("a constant is defined with `let`", f"let {target} = {value.strip()}")
        if not match[1]
        else None
    )


def _assigned_outside(match: re.Match[str]) -> Advice | None:
    found = _assigned(match)
    if found and not found.help.startswith("write `let "):
        step = found.help.split("`")[1]
        return Advice("steps stand in a section", f"write `layers {{ {step} }}`", "Python")
    if found is None or re.search(r"\w\.\w|\w\(", match[3]):
        return Advice(
            "this is Python", "write its layers in a section, as `stem { conv(16, 3), relu }`", "Python"
        )
    key = match[2]
    return _recipe_key(key, match[3]) if key in KEYS or key in _KEYS else found


_PASTED: list[_Rule] = [
    (r"(import|class|def|return|super|print|assert|with|try|del|lambda|async|@\w+)\b", _python),
    (r"(from)\s+[\w.]+\s+import\b", _python),
    (r"(if)\s+__name__", _python),
]


# --- steps ----------------------------------------------------------------------------------------


def _repeated(match: re.Match[str]) -> Advice | None:
    step, times = match[1].strip(), match[2]
    return _write("steps are repeated with `repeat`", f"repeat {times} {{ {step} }}") if step else None


def _bracketless(match: re.Match[str]) -> Advice | None:
    """`conv 64, 3`."""
    name = match[1] if match[1] in OPERATIONS else own_name(match[1])
    if not name and match[1] in _WORDS:
        return None
    given = ", ".join(re.findall(r"[^\s,]+(?:\s*=\s*[^\s,]+)?", match[2]))
    return _write("arguments stand in brackets", f"{name or match[1]}({given})")


def _translated(match: re.Match[str]) -> Advice | None:
    name = re.split(r"\W", match[1])[-1]
    if match[1] in OPERATIONS and not _LIKE_PYTHON.search(match[0]):
        return None
    if why := no_step(name):
        return Advice(f"`{match[1]}` is no step", why)
    step = translated(match[0])
    return _write(f"`{match[1]}` is called `{own_name(name)}` here", step) if step else None


def _arrows(match: re.Match[str]) -> Advice | None:
    steps = [part.strip() for part in re.split(r"[-=]>|>>|;|→", match[0]) if part.strip()]
    if len(steps) == 1:
        return Advice("steps are separated by commas or new lines", "leave the `;` out")
    if any(step.count("(") != step.count(")") for step in steps):
        return None
    return _write("steps are separated by commas or new lines", ", ".join(steps))


def _loop(match: re.Match[str]) -> Advice:
    return _write("a loop is written with `repeat`", f"repeat {match[2]} as {match[1]} {{ … }}")


def _comment(match: re.Match[str]) -> Advice:
    words = match[1].strip().removesuffix("*/").strip()
    return Advice("a comment starts with `#`", f"write `# {words[:60]}`" if words else "write `#`")


def _join(match: re.Match[str]) -> Advice:
    join = match[1]
    return _write(
        f"the branches of `{join}` stand in braces", f"{join} {{ | a | b }}", "a branch after each `|`"
    )


def _without_braces(match: re.Match[str]) -> Advice:
    head, body = match[1].strip(), match[2].strip().removeprefix(":").strip()
    return _write("a body stands in braces", f"{head} {{ {body or '…'} }}")


def _two_steps(match: re.Match[str]) -> Advice | None:
    if match[1] in _WORDS or match[3] in _WORDS:
        return None
    return Advice(
        "two steps stand side by side", f"put `,` between them: `{match[1]}{match[2] or ''}, {match[3]}`"
    )


def _shown(match: re.Match[str]) -> Advice | None:
    """`conv: 64`, `- conv: 64`: YAML."""
    name = match[1] if match[1] in OPERATIONS else own_name(match[1])
    given = match[2].strip(" []()")
    return _write("arguments stand in brackets", f"{name}({given})" if given else name) if name else None


_WORDS = (
    "skip",
    "add",
    "concat",
    "mul",
    "repeat",
    "when",
    "else",
    "save",
    "from",
    "let",
    "default",
    "shortcut",
    "if",
)
_COMMENTS: list[_Rule] = [(r"(?://|/\*+|--|%|'''|\"\"\"|\*/)\s?(.*)", _comment)]

_STEP_RULES: list[_Rule] = [
    *_COMMENTS,
    (r"(?:[\w.]+(?:\(.*?\))?)\s*(?://|/\*)(?!\s*\d)(.*)", _comment),
    *_PASTED,
    (r"for\s+(\w+)\s+in\s+(?:range\()?\s*(\w+)", _loop),
    (
        r"(?:if|elif)\s+([^{:]+)",
        lambda m: _write("a choice is written with `when`", f"when {m[1].strip()} {{ … }}"),
    ),
    (r"(self\.)?(\w+)\s*=(?!=)\s*(.+)", _assigned),
    (r"-?\s*[\"']?(\w+)[\"']?\s*:\s*((?:[\d(\[\"'].*)?)$", _shown),
    (r"(add|concat|mul)\s*[(\[]", _join),
    (r"(skip|repeat\s+\w+(?:\s+as\s+\w+)?|when\s+[^{:]+?)\s*(:[^{]*|\s\w+\(.*|)$", _without_braces),
    (r"(\w+)[ \t]+((?:\d[\w.]*|\w+\s*=\s*[^,\s]+)(?:[\s,]+(?:\d[\w.]*|\w+\s*=\s*[^,\s]+))*)$", _bracketless),
    (r"(.+?)\s*[x*×]\s*(\d+)$", _repeated),
    (
        r"(?:model|self|net|layers)\.(?:add|append)\((.+)\)$",
        lambda m: _call(m[1]) and _write("steps are written one after the other", _call(m[1])) or None,
    ),
    (r"((?:\w+\.)*\w+)\s*(?:\(.*\))?(?:\(\w+\))?[;,]?$", _translated),
    (r".*(?:[-=]>|>>|;|→).*", _arrows),
    (r"(\w+)(\([^()]*\))?[ \t]+([A-Za-z_]\w*(?:\([^()]*\))?)$", _two_steps),
]


# --- statements -----------------------------------------------------------------------------------


def _side_by_side(match: re.Match[str]) -> Advice | None:
    """`classes: 10`, `epochs = 10`, `lr: 0.1`."""
    key, value = match[1], match[2].strip().rstrip(";,")
    if key in ("input", "classes", "network", "use", "order"):
        value = _shape(value) if key == "input" else f'"{value}"' if key == "use" else value.strip("\"'")
        return _write(f"`{key}` and its value stand side by side", f"{key} {value}")
    return _recipe_key(key, value)


_KEYS = {
    "batch_size": "batch", "batchsize": "batch", "num_epochs": "epochs", "max_epochs": "epochs",
    "n_epochs": "epochs", "epoch": "epochs", "scheduler": "schedule", "lr_scheduler": "schedule",
    "lr_schedule": "schedule", "policy": "schedule", "augmentation": "augment", "augmentations": "augment",
    "transform": "augment", "transforms": "augment", "dataset": "data", "criterion": "loss",
    "loss_function": "loss", "optim": "optimizer", "optimiser": "optimizer", "solver": "optimizer",
    "random_seed": "seed", "val_size": "validation",
}  # fmt: skip
_OF_OPTIMIZER = {"lr": "lr", "learning_rate": "lr", "momentum": "momentum", "weight_decay": "weight_decay",
                 "wd": "weight_decay", "decay": "weight_decay", "nesterov": "nesterov"}  # fmt: skip


def recipe_line(key: str, value: str) -> str:
    """A line of a recipe for another library's key; empty where that isn't known."""
    value = value.strip().rstrip(";,")
    if key in _OF_OPTIMIZER:
        return f"optimizer sgd({_OF_OPTIMIZER[key]}={own_value(value)})"
    own = _KEYS.get(key, key)
    if own not in KEYS:
        return ""
    return f"{own} {_choice(value) or own_value(value)}"


def _choice(value: str) -> str:
    """An optimizer, a schedule or the like."""
    bare = re.sub(r"^(torch|optim|nn|lr_scheduler|transforms|T|v2|\.)*\.", "", value.strip("\"'"))
    return translated(bare)


def _recipe_key(key: str, value: str) -> Advice | None:
    line = recipe_line(key, value)
    return _write(f"`{key}` belongs to the recipe", f"train {{ {line} }}") if line else None


def _outside(match: re.Match[str]) -> Advice | None:
    """A step at the top of the file."""
    name = match[1]
    if (
        name not in OPERATIONS
        and name not in _WORDS
        and name != "unit"
        and not own_name(name)
        and not match[2]
    ):
        return None
    text = match[0].strip().rstrip(";,")
    step = text if name in (*OPERATIONS, *_WORDS) or "{" in text else translated(text) or text
    step = re.sub(r"\{$", "{ … }", step)
    return _write("steps stand in a section", f"layers {{ {step} }}")


def _stage(match: re.Match[str]) -> Advice:
    """`stage residual(16) x5`, `stage residual 16, repeat=5`."""
    inside = (match[2] or "").strip().removeprefix("(").removesuffix(")")
    rest = re.sub(r"^[\s,]*(?:[x*×]|repeat\b\s*=?)\s*(\d+)", r"repeat=\1", match[3].strip())
    given = ", ".join(filter(None, (inside, ", ".join(re.split(r"[\s,]+", rest.strip(" ,"))))))
    return _write("all that a stage is given stands in its brackets", f"stage {match[1]}({given})")


def _network(match: re.Match[str]) -> Advice | None:
    name = re.sub(r"\W+", "_", match[1].strip(" \"'{:")).strip("_")
    name = f"net_{name}" if name[:1].isdigit() else name
    return _write("a name consists of letters, digits and `_`", f"network {name}") if name else None


def _language(message: str, language: str) -> Callable[[re.Match[str]], Advice]:
    help = "write its layers as `stem { conv(16, 3), bn, relu }`"
    return lambda match: Advice(message.format(*match.groups()), help, language)


def _items(match: re.Match[str]) -> Advice | None:
    items = re.findall(r"\+|\w+(?:\([^()]*\))?", match[1])
    return (
        _write("commas stand between the items of an order", f"order {', '.join(items)}") if items else None
    )


def _braces(match: re.Match[str]) -> Advice:
    head = re.sub(r"\s+", " ", match[1]).strip()
    inside = match[2].strip()
    body = (
        f"`{head} {{ {inside} }}`"
        if inside
        else f"`{head} {{`, and `}}` after the last line that belongs to it"
    )
    return Advice("a body stands in braces", f"write {body}")


_BRACES: _Rule = (
    r"((?:stem|head|layers|train|(?:stages|block)\s+\w+(?:\(.*\))?)|init(?=\s*:?$))\s*:?\s*([^{]*)$",
    _braces,
)
_STATEMENT_RULES: list[_Rule] = [
    *_COMMENTS,
    *_PASTED,
    (r"\[(\w+)\]", _language("`[{0}]` is Darknet", "Darknet")),
    (r"layer\s*\{", _language("`layer` is Caffe", "Caffe")),
    (r"[{\"].*", lambda m: _language("this is JSON", "JSON")(m) if ":" in m[0] or m[0] == "{" else None),
    (r"```", lambda m: Advice("this is Markdown", "leave the line out")),
    (r"(\w+)\s*[:=](?!=)\s*([^{]+)$", _side_by_side),
    (r"(self\.)?(\w+)\s*=(?!=)\s*(.+)", _assigned_outside),
    (
        r"-\s*(\w+)\s*:?\s*(.*)",
        lambda m: (step := _shown(m))
        and Advice(
            "steps stand in a section", step.help.replace("write `", "write `layers { ").replace(")`", ") }`")
        ),
    ),
    (r"(?:model|self|net)\.\w+\(", _language("this is Python", "Python")),
    (r"(\w+)()\s+((?=[\w\"'])[^{=]+)$", lambda m: _recipe_key(m[1], m[3])),
    (r"(\w+)(\(.*\)?)?.*$", _outside),
]
_OF_STATEMENT: dict[str, list[_Rule]] = {
    "input": [(r"input\s*[:=]?\s*(.+)$", lambda m: _write("a shape is one word", f"input {_shape(m[1])}"))],
    "network": [(r"network\s+([^(]*[^(\w\s][^(]*|\w+\s+.*|\d\w*)$", _network)],
    "order": [(r"order\s+\[?([^\]]+)\]?$", _items)],
    "stage": [
        (r"stage\s*:?\s*(\w+)\s*(\([^()]*\))\s*(.+)$", _stage),
        (r"stage\s*:?\s+(\w+)()\s+([\w][^{]*)$", _stage),
    ],
    "let": [
        (
            r"let\s+(\w+)\s*(?::=|:|\s)\s*([\w(].*)$",
            lambda m: _write("a constant has a `=`", f"let {m[1]} = {m[2]}"),
        )
    ],
    "init": [
        (
            r"init\s*[:=]?\s*[\"']?(\w+)[\"']?$",
            lambda m: _write("the initialisation stands without quotes or a colon", f"init {m[1]}"),
        )
    ],
    "use": [
        (
            r"use\s+[\"'“]?([^\"'”]+)[\"'”]?$",
            lambda m: _write("a path stands in quotes", f'use "{m[1].strip()}"'),
        )
    ],
    "classes": [
        (
            r"classes\s*[:=]\s*(\w+)",
            lambda m: _write("`classes` and its value stand side by side", f"classes {m[1]}"),
        )
    ],
}


# --- recipes, tables, rules of initialisation -----------------------------------------------------


def _entry(match: re.Match[str]) -> Advice | None:
    key, value = match[1].strip("\"'"), match[2].strip().rstrip(";,")
    line = recipe_line(key, value)
    return _write("a key and its value stand side by side", line or f"{key} {own_value(value)}")


def _entry_brackets(match: re.Match[str]) -> Advice:
    """`optimizer sgd lr=0.1`."""
    given = ", ".join(re.findall(r"\w+\s*=\s*(?:\[[^\]]*\]|[^\s,]+)|\"[^\"]*\"|[\d.]\S*", match[3]))
    return _write("arguments stand in brackets", f"{match[1]} {match[2]}({given})")


def _entry_choice(match: re.Match[str]) -> Advice | None:
    found = _choice(match[2])
    return _write("it has another name here", f"{match[1]} {found}") if found else None


_RULES: dict[str, list[_Rule]] = {
    "statement": _STATEMENT_RULES,
    "step": _STEP_RULES,
    "entry": [
        *_COMMENTS,
        (r"-?\s*([\w\"']+)\s*[:=]\s*(.+)$", _entry),
        (r"(\w+)\s+(\w+)\s*[\s,]\s*(\w+\s*=.*|\"[^\"]*\"|[\d.]+\s*)$", _entry_brackets),
        (r"(\w+)\s+([\w.]+\(.*\))$", _entry_choice),
        (r"(\w+)\s+(.+);$", lambda m: _write("lines end without `;`", f"{m[1]} {m[2]}")),
        (r"(\w+)\s+'([^']*)'$", lambda m: _write("words stand without quotes", f"{m[1]} {m[2]}")),
        (r"(\d+)\s+(\w+)$", lambda m: _write("the key stands first", f"{m[2]} {m[1]}")),
    ],
    "header": [
        *_COMMENTS,
        (
            r"(?=[|\s]*[A-Za-z])[\s\w,|;]+$",
            lambda m: _write("blanks stand between the columns", "  ".join(re.findall(r"\w+", m[0]))),
        ),
    ],
    "row": [
        *_COMMENTS,
        (
            r"[\w.\s,|;]+$",
            lambda m: _write("blanks stand between the cells", "  ".join(re.findall(r"[\w.]+", m[0]))),
        ),
        (
            r"(?:\w+\s*=\s*[\w.]+[\s,]*)+$",
            lambda m: _write(
                "cells have no names: the header has them", "  ".join(re.findall(r"=\s*([\w.]+)", m[0]))
            ),
        ),
    ],
    "init_rule": [
        *_COMMENTS,
        (
            r"([\w.]+)\s*[:=]\s*(\w.*)$",
            lambda m: _write("a key and its rule stand side by side", f"{m[1]} {m[2]}"),
        ),
    ],
    **{
        word: [*_OF_STATEMENT.get(word, ()), _BRACES]
        for word in ("stem", "head", "layers", "train", "init", "stages", "block", *_OF_STATEMENT)
    },
}
