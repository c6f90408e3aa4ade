"""What to write in place of text that is no `.net` syntax: mistakes with a name, and other languages."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from netdsl.foreign import no_step, own_name, own_value, translated
from netdsl.ops import OPERATIONS
from netdsl.recipewords import KEYS, own_choice, recipe_line

# What is longer was written by no beginner.
_LONGEST = 400

# The first words of steps that aren't calls, and of what continues them.
_WORDS = {
    *("skip", "add", "concat", "mul", "repeat", "when", "else", "save", "from", "let", "default"),
    *("shortcut", "if"),
}
# In a call: a tuple, a text, a tensor, an argument of torch.
_LIKE_PYTHON = re.compile(r"[(,=]\s*\(|['\"]|\(\s*[a-z]\s*\)|_size|inplace")


class Advice(NamedTuple):
    """A mistake and the way out. Of a `language` that was pasted only the first line is spoken of."""

    message: str
    help: str
    language: str = ""


# What a line looks like, and what to say of it.
_Rule: TypeAlias = tuple[str, Callable[[re.Match[str]], Advice | None]]


def advice(text: str, rule: str) -> Advice | None:
    """What to say of a text that isn't what a rule of the grammar, or the statement of that name, wants;
    None where no mistake is recognised.
    """
    line = re.sub(r'("[^"]*"|[^"#])#.*', r"\1", text.strip().split("\n", 1)[0]).strip()
    if len(line) > _LONGEST:
        return None
    for pattern, say in _RULES.get(rule, ()):
        match = re.match(pattern, line)
        if match and (found := say(match)):
            return found
    return None


def shape(text: str) -> str:
    """`(3, 32, 32)` as the language has it, with the channels first; as it is where it is no shape."""
    text = text.strip()
    if not re.fullmatch(r"[\d\sxX×*,()\[\]]+", text):
        return own_value(text)
    sides = re.findall(r"\d+", text)
    if len(sides) == 3 and sides[2] in ("1", "3") and int(sides[0]) > 4:
        sides = [sides[2], *sides[:2]]
    return "x".join(sides)


def _write(message: str, template: str) -> Callable[[re.Match[str]], Advice]:
    """The line as it is to be, with the pattern's groups filled in."""
    return lambda match: Advice(message, f"write `{match.expand(template)}`")


def _leave_out(message: str, why: str) -> Callable[[re.Match[str]], Advice]:
    return lambda match: Advice(match.expand(message), f"leave it out: {why}")


def _language(message: str, language: str) -> Callable[[re.Match[str]], Advice]:
    help = "write its layers in a section, as `stem { conv(16, 3), bn, relu }`"
    return lambda match: Advice(match.expand(message), help, language)


def _step(text: str) -> str:
    """A step as the language writes it, also of another library; empty where it isn't known."""
    text = text.strip().rstrip(";,")
    name = re.match(r"[\w.]*", text)
    own = name and name[0] in OPERATIONS and not _LIKE_PYTHON.search(text)
    return text if own else translated(text)


# --- steps ----------------------------------------------------------------------------------------


def _python(match: re.Match[str]) -> Advice:
    help = {
        "class": "a network starts with `network NAME`, and a block is `block NAME(out) { … }`",
        "def": "leave it out: steps run in the order in which they stand",
        "return": "leave it out: a body gives what its last step gives",
    }.get(match[1], "leave it out: the generated code has what it needs")
    return Advice(f"`{match[1]}` is Python", help, "Python")


def _assigned_step(match: re.Match[str]) -> str:
    """What `self.conv1 = nn.Conv2d(3, 64, 3)` or `x = conv1(x)` is as a step."""
    called = re.fullmatch(r"(?:self\.)?(\w+)\((?:x|out|h|y)\)", match[3].strip())
    step = _step(match[3]) or (called[1] if called else "")
    return f"{match[2]}: {step}" if match[1] and step and ")," not in step else step


def _assigned(match: re.Match[str]) -> Advice | None:
    if step := _assigned_step(match):
        return Advice("steps aren't assigned", f"write `{step}`: it takes what the step before it gives")
    if match[1] or re.search(r"\w\.\w|['\"(]", match[3]):
        return None
    return Advice("a constant is defined with `let`", f"write `let {match[2]} = {match[3].strip()}`")


def _bracketless(match: re.Match[str]) -> Advice | None:
    """`conv 64, 3`."""
    name = match[1] if match[1] in OPERATIONS else own_name(match[1]) or match[1]
    given = ", ".join(re.findall(r"[^\s,=]+(?:\s*=\s*[^\s,]+)?", match[2]))
    return None if name in _WORDS else Advice("arguments stand in brackets", f"write `{_with(name, given)}`")


def _translated(match: re.Match[str]) -> Advice | None:
    name = re.split(r"\W", match[1])[-1]
    own = match[1] in OPERATIONS
    if own and not _LIKE_PYTHON.search(match[0]):
        return None
    if why := no_step(name):
        return Advice(f"`{match[1]}` is no step", why)
    message = (
        "arguments are words, numbers and sizes" if own else f"`{match[1]}` is called `{own_name(name)}` here"
    )
    step = translated(match[0].rstrip(";,"))
    return Advice(message, f"write `{step}`") if step else None


def _arrows(match: re.Match[str]) -> Advice | None:
    steps = [part.strip() for part in re.split(r"[-=]>|>>|;|→", match[0]) if part.strip()]
    message = "steps are separated by commas or new lines"
    if any(step.count("(") != step.count(")") for step in steps):
        return None
    return Advice(message, "leave the `;` out" if len(steps) == 1 else f"write `{', '.join(steps)}`")


def _comment(match: re.Match[str]) -> Advice:
    words = match[1].strip().removesuffix("*/").strip()
    return Advice("a comment starts with `#`", f"write `# {words}`" if words else "write `#`")


def _without_braces(match: re.Match[str]) -> Advice:
    body = match[2].strip(" :")
    return Advice("a body stands in braces", f"write `{match[1].strip()} {{ {body or '…'} }}`")


def _two_steps(match: re.Match[str]) -> Advice | None:
    if {match[1], match[3]} & _WORDS or not (match[2] or match[1] in OPERATIONS):
        return None
    if match[3] not in OPERATIONS and "(" not in match[3]:
        return None
    return Advice("two steps stand side by side", f"write `{match[1]}{match[2] or ''}, {match[3]}`")


def _yaml_step(name: str, given: str) -> str:
    """`conv: 64` as a step."""
    own = name if name in OPERATIONS else own_name(name)
    return _with(own, given.strip(" []{}()\"'")) if own else ""


def _with(name: str, given: str) -> str:
    """A call; a convolution has a kernel too."""
    given = f"{given}, 3" if name == "conv" and given.isdigit() else given
    return f"{name}({given})" if given else name


def _listed(match: re.Match[str]) -> Advice | None:
    step = _yaml_step(match[1], match[2]) or _step(match[1] + match[2])
    return (
        Advice("steps stand one after the other, with arguments in brackets", f"write `{step}`")
        if step
        else None
    )


def _added(match: re.Match[str]) -> Advice | None:
    """`model.add(Dense(10))`."""
    step = _step(match[1])
    return Advice("steps stand one after the other", f"write `{step}`") if step else None


_COMMENTS: list[_Rule] = [(r"(?://|/\*+|--|%|'''|\"\"\"|\*/)\s?(.*)", _comment)]
_PYTHON: list[_Rule] = [
    (r"(import|class|def|return|super|print|assert|with|try|del|lambda|async|@\w+)\b", _python),
    (r"(from)\s+[\w.]+\s+import\b", _python),
    (r"(if)\s+__name__", _python),
]
_STEPS: list[_Rule] = [
    *_COMMENTS,
    (r"(?:[\w.]+(?:\(.*?\))?)\s*(?://|/\*)(?!\s*\d)(.*)", _comment),
    *_PYTHON,
    (
        r"(network|input|classes|order|stages?|block|train|expect|use|stem|head|layers|init)\b\s*[\w\"{]",
        lambda m: Advice(f"`{m[1]}` is a statement, and this is a body", "move it out of the braces"),
    ),
    (r"for\s+(\w+)\s+in\s+(?:range\()?\s*(\w+)", _write("a loop is a `repeat`", r"repeat \2 as \1 { … }")),
    (r"if\s+([^{:]+?)\s*[{:]", _write("a choice is a `when`", r"when \1 { … }")),
    (r"\[(\w+)\]", _language(r"`[\1]` is Darknet", "Darknet")),
    (r"(self\.)?(\w+)\s*=(?!=)\s*(.+)", _assigned),
    (r"-?\s*[\"']?(\w+)[\"']?\s*:\s*((?:[\d(\[{\"'].*)?)$", _listed),
    (
        r"[-*•]\s*(\w+)(\(.*\))?$",
        _write("steps have no dash before them", r"\1\2"),
    ),
    (r"(\w+)\s*[\[{<]\s*(\d[\w\s,.=]*?)\s*[\]}>]$", _write("arguments stand in round brackets", r"\1(\2)")),
    (r"repeat\s+(\w+)\s+in\s+(?:range\()?(\w+)", _write("a loop is a `repeat`", r"repeat \2 as \1 { … }")),
    (r"(add|concat|mul)\s*[(\[]", _write("branches stand in braces, each after a `|`", r"\1 { | a | b }")),
    (r"(skip|repeat\s+\w+(?:\s+as\s+\w+)?|when\s+[^{:]+?)\s*(:[^{]*|\s\w+\(.*|)$", _without_braces),
    (r"(\w+)[ \t]+((?:\d[\w.]*|\w+\s*=\s*[^,\s]+)(?:[\s,]+(?:\d[\w.]*|\w+\s*=\s*[^,\s]+))*)$", _bracketless),
    (r"(.+?)\s*[x*×]\s*(\d+)$", _write("steps are repeated with `repeat`", r"repeat \2 { \1 }")),
    (r"(?:model|self|net|layers)\.(?:add|append)\((.+)\)$", _added),
    (r"((?:\w+\.)*\w+)\s*(?:\(.*\))?(?:\(\w+\))?[;,]?$", _translated),
    (r".*(?:[-=]>|>>|;|→).*", _arrows),
    (r"(\w+)(\([^()]*\))?[ \t]+([A-Za-z_]\w*(?:\([^()]*\))?)$", _two_steps),
]


# --- statements -----------------------------------------------------------------------------------


def _recipe_key(match: re.Match[str]) -> Advice | None:
    """`epochs: 10` at the top of a file."""
    line = recipe_line(match[1], match[2])
    return Advice(f"`{match[1]}` belongs to the recipe", f"write `train {{ {line} }}`") if line else None


def _assigned_outside(match: re.Match[str]) -> Advice | None:
    if step := _assigned_step(match):
        return Advice("steps stand in a section", f"write `layers {{ {step} }}`", "Python")
    return _assigned(match) or _language("this is Python", "Python")(match)


def _outside(match: re.Match[str]) -> Advice | None:
    """A step at the top of the file."""
    name, text = match[1], match[0].rstrip(";,")
    if (
        name not in OPERATIONS
        and name not in _WORDS
        and name != "unit"
        and not own_name(name)
        and not match[2]
    ):
        return None
    own = name in OPERATIONS or name in _WORDS or "{" in text
    step = re.sub(r"\{$", "{ … }", text if own else translated(text) or text)
    return Advice("steps stand in a section", f"write `layers {{ {step} }}`")


def _listed_outside(match: re.Match[str]) -> Advice | None:
    step = _yaml_step(match[1], match[2])
    return Advice("steps stand in a section", f"write `layers {{ {step} }}`") if step else None


def _stage(match: re.Match[str]) -> Advice:
    """`stage residual(16) x5`, `stage residual 16, repeat=5`."""
    inside = (match[2] or "").strip().removeprefix("(").removesuffix(")")
    rest = re.sub(r"^[\s,]*(?:[x*×]|repeat\b\s*=?)\s*(\d+)", r"repeat=\1", match[3].strip())
    given = ", ".join(filter(None, (inside, *re.split(r"[\s,]+", rest.strip(" ,")))))
    return Advice("all that a stage is given stands in its brackets", f"write `stage {match[1]}({given})`")


def _input(match: re.Match[str]) -> Advice:
    return Advice("a shape is one word", f"write `input {shape(match[1])}`")


def _network(match: re.Match[str]) -> Advice | None:
    name = re.sub(r"\W+", "_", match[1].strip(" \"'{:")).strip("_")
    name = f"net_{name}" if name[:1].isdigit() else name
    return Advice("a name consists of letters, digits and `_`", f"write `network {name}`") if name else None


def _order(match: re.Match[str]) -> Advice | None:
    items = ", ".join(re.findall(r"\+|\w+(?:\([^()]*\))?", match[1]))
    return Advice("commas stand between the items of an order", f"write `order {items}`") if items else None


def _block_name(match: re.Match[str]) -> Advice:
    words = re.match(r"block\s+([\w.-]+)", match.string)
    name = re.sub(r"\W+", "_", words[1]) if words else ""
    return Advice("a name consists of letters, digits and `_`", f"write `block {name}(…) {{ … }}`")


def _body(match: re.Match[str]) -> Advice:
    """`stem:` and `stem conv(64, 3), relu`."""
    head, inside = re.sub(r"\s+", " ", match[1]).strip(), match[2].strip()
    inside = inside[1:-1].strip() if re.fullmatch(r"\(.*\)|\[.*\]", inside) else inside
    write = f"`{head} {{ {inside} }}`" if inside else f"`{head} {{`, and `}}` after the last line of its body"
    return Advice("a body stands in braces", f"write {write}")


_STATEMENTS: list[_Rule] = [
    *_COMMENTS,
    *_PYTHON,
    (r"\[(\w+)\]", _language(r"`[\1]` is Darknet", "Darknet")),
    (r"layer\s*\{", _language("`layer` is Caffe", "Caffe")),
    (r"\{$|[{\"].*:", _language("this is JSON", "JSON")),
    (r"```", _leave_out("this is Markdown", "a file is the code alone")),
    (r"(?:input_shape|input_size|shape)\s*[:=]?\s*(.+)$", _input),
    (r"(\w+)\s*[:=](?!=)\s*([^{]+)$", _recipe_key),
    (r"(self\.)?(\w+)\s*=(?!=)\s*(.+)", _assigned_outside),
    (r"-\s*(\w+)\s*:?\s*(.*)", _listed_outside),
    (r"(?:model|self|net)\.\w+\(", _language("this is Python", "Python")),
    (r"(\w+)\s+((?=[\w\"'])[^{=]+)$", _recipe_key),
    (
        r"(?:num_classes|nclasses|n_classes)\s*[:=]?\s*(\w+)$",
        _write("it is called `classes` here", r"classes \1"),
    ),
    (
        r"(?:const|var|int|float|set|val)\s+(\w+\s*=.*)$",
        _write("a constant is defined with `let`", r"let \1"),
    ),
    (r"(\w+)(\(.*\)?)?.*$", _outside),
]
_BODY: _Rule = (
    r"((?:stem|head|layers|train|(?:stages|block)\s+\w+(?:\(.*\))?)|init(?=\s*:?$))\s*:?\s*([^{]*)$",
    _body,
)
_SIGN: _Rule = (
    r"(stem|head|layers|train|init)\s*[=:]\s*\{",
    _write("nothing stands between `{` and the word before it", r"\1 { … }"),
)
_OF_STATEMENT: dict[str, list[_Rule]] = {
    **{word: [_SIGN, _BODY] for word in ("stem", "head", "layers", "train")},
    "stages": [(r"stages\s*\{", _write("a table is of one block", r"stages residual { … }")), _BODY],
    "block": [
        (r"block\s+\w*[-.]", _block_name),
        (
            r"block\s+(\w+)\s*[\[<]([\w\s,=.]*)[\]>]",
            _write("parameters stand in brackets", r"block \1(\2) { … }"),
        ),
        (r"block\s+(\w+)\s+(\w[\w\s,=.]*)\{", _write("parameters stand in brackets", r"block \1(\2) { … }")),
        _BODY,
    ],
    "default": [
        (r"default\s*:?\s*\{\s*(.*?)\s*\}?$", _write("defaults have no braces", r"default \1")),
        (r"default\s+(\w+\s*=\s*\w+)$", _write("a default is of an operation", r"default conv(\1)")),
        (r"default\s+(\w+)\s+(\w+\s*=.*)$", _write("arguments stand in brackets", r"default \1(\2)")),
    ],
    "input": [(r"input\s*[:=]?\s*(.+)$", _input)],
    "network": [
        (r"network\s*[:=]?\s+([^(]*[^(\w\s][^(]*|\w+\s+.*|\d\w*)$", _network),
        (r"network\s*[:=]\s*(\w+)", _write("a network and its name stand side by side", r"network \1")),
    ],
    "order": [(r"order\s*[:=]?\s*\[?([^\]]+)\]?$", _order)],
    "stage": [
        (r"stage\s+(\d+)x?\s+(\w+)\((.*)\)$", _write("the block stands first", r"stage \2(\3, repeat=\1)")),
        (r"stage\s*\d*\s*:\s*(\w+.*)$", _write("nothing stands between `stage` and the block", r"stage \1")),
        (r"stage\s*:?\s*(\w+)\s*(\([^()]*\))\s*(.+)$", _stage),
        (r"stage\s*:?\s+(\w+)()\s+(\w[^{]*)$", _stage),
    ],
    "let": [(r"let\s+(\w+)\s*(?::=|:|\s)\s*([\w(].*)$", _write("a constant has a `=`", r"let \1 = \2"))],
    "init": [
        (r"init\s*[:=]?\s*[\"']?(\w+)[\"']?$", _write("the initialisation is a word", r"init \1")),
        _BODY,
    ],
    "use": [(r"use\s+[\"'“]?([^\"'”]+)[\"'”]?$", _write("a path stands in double quotes", r'use "\1"'))],
    "classes": [
        (r"classes\s*[:=]\s*(\w+)", _write("`classes` and its value stand side by side", r"classes \1"))
    ],
}


# --- recipes, tables, rules of initialisation -----------------------------------------------------


def _entry(match: re.Match[str]) -> Advice:
    if match[1] == "augment":
        return _augment(match)
    line = recipe_line(match[1], match[2]) or f"{match[1]} {own_value(match[2].rstrip(';,'))}"
    return Advice("a key and its value stand side by side", f"write `{line}`")


def _entry_brackets(match: re.Match[str]) -> Advice:
    """`optimizer sgd lr=0.1`."""
    given = ", ".join(re.findall(r"\w+\s*=\s*(?:\[[^\]]*\]|[^\s,]+)|\"[^\"]*\"|[\d.]\S*", match[3]))
    return Advice("arguments stand in brackets", f"write `{match[1]} {match[2]}({given})`")


def _augment(match: re.Match[str]) -> Advice:
    """`augment flip crop(4)`, `augment: [flip, crop(4)]`."""
    found = re.findall(r"[A-Za-z]\w*(?:\([^()]*\))?", match[2])
    given = ", ".join(own_choice(item) or item for item in found)
    return Advice("commas stand between augmentations", f"write `augment {given}`")


def _entry_choice(match: re.Match[str]) -> Advice | None:
    found = own_choice(match[2])
    if not found or found == match[2]:
        return None
    return Advice("it has another name here", f"write `{match[1]} {found}`")


def _blanks(message: str, cell: str) -> Callable[[re.Match[str]], Advice]:
    return lambda match: Advice(message, f"write `{'  '.join(re.findall(cell, match[0]))}`")


_RULES: dict[str, list[_Rule]] = {
    **_OF_STATEMENT,
    "statement": _STATEMENTS,
    "step": _STEPS,
    "entry": [
        *_COMMENTS,
        (r"-?\s*[\"']?(\w+)[\"']?\s*[:=]\s*(.+)$", _entry),
        (r"(augment)\s+(.+\s.+)$", _augment),
        (
            r"data\s+[\"']?([\w~-]*[./][^\s\"',]*)[\"']?$",
            _write("a folder is told by its path", r'data folder("\1")'),
        ),
        (r"(\w+\s+.+?)\s*,$", _write("lines end without a comma", r"\1")),
        (r"(\w+)\s+([A-Za-z]\w*)\s*[\s,]\s*(\w+\s*=.*|\"[^\"]*\"|[\d.]+\s*)$", _entry_brackets),
        (r"(\w+)\s+([\w.]+\(.*\))$", _entry_choice),
        (r"(\w+\s+.+);$", _write("lines end without `;`", r"\1")),
        (r"(\w+)\s+'([^']*)'$", _write("words stand without quotes", r"\1 \2")),
        (r"(\d+)\s+(\w+)$", lambda m: m[2] in KEYS and _write("the key stands first", r"\2 \1")(m) or None),
    ],
    "header": [
        *_COMMENTS,
        (r"(?=[|\s]*[A-Za-z])[\s\w,|;]+$", _blanks("blanks stand between the columns", r"\w+")),
    ],
    "row": [
        *_COMMENTS,
        (r"[\w.\s,|;]+$", _blanks("blanks stand between the cells", r"[\w.]+")),
        (r"(?:\w+\s*=\s*[\w.]+[\s,]*)+$", _blanks("the header names the cells", r"(?<==)\s*[\w.]+")),
    ],
    "init_rule": [
        *_COMMENTS,
        (r"(\w+)\s*[:= ]\s*0(?:\.0*)?$", _write("a rule is a word", r"\1 zeros")),
        (r"(\w+)\s*[:= ]\s*1(?:\.0*)?$", _write("a rule is a word", r"\1 ones")),
        (r"(\w+)\s*[:= ]\s*([\d.]+)$", _write("a rule is a word", r"\1 constant(\2)")),
        (r"([\w.]+)\s*[:=]\s*(\w.*)$", _write("a key and its rule stand side by side", r"\1 \2")),
    ],
}
