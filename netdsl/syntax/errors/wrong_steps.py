"""Known mistakes in steps."""

from __future__ import annotations

import re

from netdsl.ops import OPERATIONS
from netdsl.other_frameworks.translation import no_step, own_name, split, translated
from netdsl.syntax.errors.patterns import (
    ADDITION,
    COMMENTS,
    LIKE_PYTHON,
    PYTHON,
    TENSORS,
    WORDS,
    Advice,
    Rule,
    comment,
    own_step,
    pasted,
    write,
)

_OPERATION = "|".join(OPERATIONS)


def assigned_step(match: re.Match[str]) -> str:
    """What `self.conv1 = nn.Conv2d(3, 64, 3)` or `x = conv1(x)` is as a step."""
    called = re.fullmatch(r"(?:self\.)?(\w+)\((?:x|out|h|y)\)", match[3].strip())
    step = own_step(match[3]) or (called[1] if called else "")
    return f"{match[2]}: {step}" if match[1] and step and ")," not in step else step


def assigned(match: re.Match[str]) -> Advice | None:
    called = re.match(r"\w+\s*\(", match[3])
    if (step := assigned_step(match)) or called:
        step = step or match[3].strip()
        if match[2] in TENSORS or match[1] or ":" in step:
            return Advice("steps aren't assigned", f"write `{step}`: it takes what the step before it gives")
        return Advice("a name before a step is a label", f"write `{match[2]}: {step}`")
    if match[1] or re.search(r"\w\.\w|['\"(]", match[3]):
        return None
    if match[2] in TENSORS and "+" in match[3]:
        return ADDITION
    return Advice("a constant is defined with `let`", f"write `let {match[2]} = {match[3].strip()}`")


def _bracketless(match: re.Match[str]) -> Advice | None:
    """`conv 64, 3`."""
    name = match[1] if match[1] in OPERATIONS else own_name(match[1]) or match[1]
    given = ", ".join(re.findall(r"[^\s,=]+(?:\s*=\s*[^\s,]+)?", match[2]))
    return None if name in WORDS else Advice("arguments stand in brackets", f"write `{_with(name, given)}`")


def _translated(match: re.Match[str]) -> Advice | None:
    name = re.split(r"\W", match[1])[-1]
    own = match[1] in OPERATIONS
    if own and not LIKE_PYTHON.search(match[0]):
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


def _without_braces(match: re.Match[str]) -> Advice:
    body = match[2].strip(" :")
    return Advice("a body stands in braces", f"write `{match[1].strip()} {{ {body or '…'} }}`")


def _side_by_side(match: re.Match[str]) -> Advice | None:
    """`conv(16, 3) bn relu`."""
    steps = re.findall(r"\w+(?:\([^()]*\))?", match[0])
    for step in steps:
        if step in WORDS or not ("(" in step or step in OPERATIONS):
            return None
    message = f"{'two' if len(steps) == 2 else len(steps)} steps stand side by side"
    return Advice(message, f"write `{', '.join(steps)}`")


def _joined(match: re.Match[str]) -> Advice:
    """`concat(a, conv(64, 3))`, with what is no call as a saved tensor."""
    parts = split(match[2])
    if len(parts) < 2:
        parts = ["a", "b"]
    else:
        parts = [part if "(" in part or part in OPERATIONS else f"from {part}" for part in parts]
    written = " | ".join(part.replace("from x", "identity") if part == "from x" else part for part in parts)
    return Advice("branches stand in braces, each after a `|`", f"write `{match[1]} {{ | {written} }}`")


def _loop(match: re.Match[str]) -> Advice:
    """`for i in range(3):`, `repeat i in 0..3 {`."""
    counted = re.fullmatch(r"(?:range\s*\()?\s*(?:0\s*(?:,|\.\.=?)\s*)?(\w+)\s*\)?", match[2])
    if counted:
        return Advice("a loop is a `repeat`", f"write `repeat {counted[1]} as {match[1]} {{ … }}`")
    between = re.fullmatch(r"(?:range\s*\()?\s*(\w+)\s*(?:,|\.\.=?)\s*(\w+)\s*\)?", match[2])
    if between:
        times = f"({between[2]} - {between[1]})"
        return Advice(
            "a loop is a `repeat`, and counts from 0", f"write `repeat {times} as {match[1]} {{ … }}`"
        )
    return _of_list(match[2])


def _of_list(values: str) -> Advice:
    help = f"write its steps for each of `{values}`, or make a block of them, and a table `stages`"
    return Advice("a `repeat` counts, and goes through no list", help)


def _named(match: re.Match[str]) -> Advice:
    """`save("a")`, `save as a`, `from(a)`."""
    return Advice(f"a name stands behind `{match[1]}`", f"write `{match[1]} {match[2]}`")


def _saved(match: re.Match[str]) -> Advice:
    """`early: save`, `early: save conv(16, 3)`."""
    name, rest = match[1], (match[2] or "").strip()
    called = rest in OPERATIONS or "(" in rest
    return _saved_after(name, rest) if called else _saved_after(rest or name, "")


def _saved_after(name: str, step: str) -> Advice:
    shown = f"{step}, save {name}" if step else f"save {name}"
    return Advice("a tensor is saved after the step that makes it", f"write `{shown}`")


def _dashed(match: re.Match[str]) -> Advice:
    return Advice("a name has no `-`", f"write `{match[1].replace('-', '_')}: {match[2]}`")


def yaml_step(name: str, given: str) -> str:
    """`conv: 64` as a step."""
    own = name if name in OPERATIONS else own_name(name)
    return _with(own, given.strip(" []{}()\"'")) if own else ""


def _with(name: str, given: str) -> str:
    """A call; a convolution has a kernel too."""
    given = f"{given}, 3" if name == "conv" and given.isdigit() else given
    return f"{name}({given})" if given else name


def _listed(match: re.Match[str]) -> Advice | None:
    step = yaml_step(match[1], match[2]) or own_step(match[1] + match[2])
    return (
        Advice("steps stand one after the other, with arguments in brackets", f"write `{step}`")
        if step
        else None
    )


def _added(match: re.Match[str]) -> Advice | None:
    """`model.add(Dense(10))`."""
    step = own_step(match[1])
    return Advice("steps stand one after the other", f"write `{step}`") if step else None


def _quoted(match: re.Match[str]) -> Advice:
    """`"relu"`."""
    return Advice("steps stand without quotes", f"write `{own_step(match[1]) or match[1]}`")


STEPS: list[Rule] = [
    *COMMENTS,
    (r"(?:[\w.]+(?:\(.*?\))?)\s*(?://|/\*)(?!\s*\d)(.*)", comment),
    *PYTHON,
    (r"[\"'](\w+)[\"']$", _quoted),
    (
        r"(order)\b\s*\w",
        lambda m: Advice(
            f"`{m[1]}` is a statement, and this is a body",
            "move it out of the braces: one order holds for the whole file",
        ),
    ),
    (
        r"(network|input|classes|stages?|block|train|expect|use|stem|head|layers|init)\b\s*[\w\"{]",
        lambda m: Advice(f"`{m[1]}` is a statement, and this is a body", "move it out of the braces"),
    ),
    (r"(?:for|repeat)\s+(\w+)\s+in\s+(.+?)\s*[:{]?\s*(?:\{.*)?$", _loop),
    (r"repeat\s*\(?\s*\w+\s*=\s*(\w+)\s*\)?", write("`repeat` takes a number", r"repeat \1 { … }")),
    (r"repeat\s+(\w+)\s*,\s*(\w+)\s*\{", write("the number of a round has `as`", r"repeat \1 as \2 { … }")),
    (r"(save|from)\s*(?:\(\s*[\"']?|as\s+|=\s*|:\s*|[\"'])(\w+)[\"']?\s*\)?$", _named),
    (r"(\w+)\s*:\s*save(?:\s+(.*))?$", _saved),
    (r"save\s+(\w+)\s*[:=]?\s*(\w+\(.*\))$", lambda m: _saved_after(m[1], m[2])),
    (r"[\"'](\w+)[\"']\s*:\s*([A-Za-z_]\w*(?:\(.*\))?)$", write("a label stands without quotes", r"\1: \2")),
    (
        r"(\w+)\s*:\s*(?:skip|repeat|when|add|concat|mul)\b",
        lambda m: Advice("operations and blocks alone have labels", f"leave `{m[1]}:` out"),
    ),
    (
        r"(\w+)\s*:\s*\{",
        lambda m: Advice("operations and blocks alone have labels", "leave it out, with its braces"),
    ),
    (r"(\w+(?:-\w+)+)\s*:\s*(.+)$", _dashed),
    (r"(\d+)\s*:\s*(\w.*)$", write("a label starts with a letter", r"step\1: \2")),
    (r"\w+\s*:\s*(\w+)\s*:\s*(\w.*)$", write("a step has one label", r"\1: \2")),
    (r"\w+::(\w+.*)$", write("blocks are called by their own names", r"\1")),
    (r"freeze\s+(\w+)\((.+)\)$", write("`freeze` is an argument", r"\1(\2, freeze=yes)")),
    (
        r"freeze\s*\{",
        lambda m: Advice("`freeze` is an argument", "give it to each step: `conv(16, 3, freeze=yes)`"),
    ),
    (r"if\s+([^{:]+?)\s*[{:]", write("a choice is a `when`", r"when \1 { … }")),
    (r"\[(\w+)\]", pasted(r"`[\1]` is Darknet", "Darknet")),
    (r"(self\.)?(\w+)\s*=(?!=)\s*(.+)", assigned),
    (r"-?\s*[\"']?(\w+)[\"']?\s*:\s*((?:[\d(\[{\"'].*)?)$", _listed),
    (
        r"[-*•]\s*(\w+)(\(.*\))?$",
        write("steps have no dash before them", r"\1\2"),
    ),
    (r"(\w+)\s*[\[{<]\s*(\d[\w\s,.=]*?)\s*[\]}>]$", write("arguments stand in round brackets", r"\1(\2)")),
    (r"skip\s+if\s*\(\s*same\s*\)", write("`same` has no brackets", "skip if same { … }")),
    (
        r"skip\s+if\s+(?!same\b)([^{]+?)\s*\{",
        write("a `skip` has no condition but `if same`", r"when \1 { skip { … } }"),
    ),
    (
        r"skip\s*(\(.*\))\s*if[\s_]*same\b",
        write("the brackets of `skip` come after `if same`", r"skip if same \1 { … }"),
    ),
    (
        r"skip\s*(?!if\s+same\s*[({])\(?\s*(?:if[\s_]*)?same\s*\)?\s*(?:\{.*)?$",
        write("it is `if same`", "skip if same { … }"),
    ),
    (r"(add|concat|mul)\s*(?:\(\[?|\[)(.*?)(?:\]?\)|\]|)$", _joined),
    (
        r"(add|concat|mul)\s+(\w+)$",
        write("branches stand in braces, each after a `|`", r"\1 { | identity | from \2 }"),
    ),
    (r"skip\s*\((?!\s*drop_path)(\w+\(.*\)|\w+\s*,.*)\)$", write("a body stands in braces", r"skip { \1 }")),
    (
        r"[+]\s*=?\s*\w*",
        lambda m: ADDITION,
    ),
    (
        r"from\s+(\w+)\s*\+\s*from\s+(\w+)$",
        write("tensors are added by `add`", r"add { | from \1 | from \2 }"),
    ),
    (r"(add|concat|mul)\s+(\w+(?:\s*,\s*\w+)+)$", _joined),
    (
        r"when\s*\{",
        lambda m: Advice("a `when` has a condition", "give it one, as in `when stride == 1 { … }`"),
    ),
    (r"unless\s+([^{]+?)\s*\{", write("a choice is a `when`", r"when not (\1) { … }")),
    (r"while\b", lambda m: Advice("there is no `while`", "write `repeat 3 { … }`, with a number")),
    (
        rf"(skip(?:\s+if\s+same)?|repeat\s+\w+(?:\s+as\s+\w+)?|when\s+[^{{:]+?)\s+((?:{_OPERATION})\b[^{{]*)$",
        _without_braces,
    ),
    (r"(skip|repeat\s+\w+(?:\s+as\s+\w+)?|when\s+[^{:]+?)\s*(:[^{]*|\s\w+\(.*|)$", _without_braces),
    (r"(\w+)[ \t]+((?:\d[\w.]*|\w+\s*=\s*[^,\s]+)(?:[\s,]+(?:\d[\w.]*|\w+\s*=\s*[^,\s]+))*)$", _bracketless),
    (r"(.+?)\s*[x*×]\s*(\d+)$", write("steps are repeated with `repeat`", r"repeat \2 { \1 }")),
    (r"(?:model|self|net|layers)\.(?:add|append)\((.+)\)$", _added),
    (r"((?:\w+\.)*\w+)\s*(?:\(.*\))?(?:\(\w+\))?[;,]?$", _translated),
    (r".*(?:[-=]>|>>|;|→).*", _arrows),
    (r"\w+(\([^()]*\))?((?:[ \t]+|\s*[+&]\s*)[A-Za-z_]\w*(\([^()]*\))?)+$", _side_by_side),
]
