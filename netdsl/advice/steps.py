"""Steps that are wrong in a way that has a name."""

from __future__ import annotations

import re

from netdsl.advice.rules import (
    COMMENTS,
    LIKE_PYTHON,
    PYTHON,
    WORDS,
    Advice,
    Rule,
    comment,
    own_step,
    pasted,
    write,
)
from netdsl.foreign import no_step, own_name, split, translated
from netdsl.ops import OPERATIONS

# What tensors are called in Python.
_TENSORS = {"x", "y", "h", "z", "out", "output", "net", "res", "identity", "shortcut", "skip", "residual"}
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
        if match[2] in _TENSORS or match[1] or ":" in step:
            return Advice("steps aren't assigned", f"write `{step}`: it takes what the step before it gives")
        return Advice("a name before a step is a label", f"write `{match[2]}: {step}`")
    if match[1] or re.search(r"\w\.\w|['\"(]", match[3]):
        return None
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
        r"(network|input|classes|order|stages?|block|train|expect|use|stem|head|layers|init)\b\s*[\w\"{]",
        lambda m: Advice(f"`{m[1]}` is a statement, and this is a body", "move it out of the braces"),
    ),
    (r"for\s+(\w+)\s+in\s+(?:range\()?\s*(\w+)", write("a loop is a `repeat`", r"repeat \2 as \1 { … }")),
    (r"if\s+([^{:]+?)\s*[{:]", write("a choice is a `when`", r"when \1 { … }")),
    (r"\[(\w+)\]", pasted(r"`[\1]` is Darknet", "Darknet")),
    (r"(self\.)?(\w+)\s*=(?!=)\s*(.+)", assigned),
    (r"-?\s*[\"']?(\w+)[\"']?\s*:\s*((?:[\d(\[{\"'].*)?)$", _listed),
    (
        r"[-*•]\s*(\w+)(\(.*\))?$",
        write("steps have no dash before them", r"\1\2"),
    ),
    (r"(\w+)\s*[\[{<]\s*(\d[\w\s,.=]*?)\s*[\]}>]$", write("arguments stand in round brackets", r"\1(\2)")),
    (r"repeat\s+(\w+)\s+in\s+(?:range\()?(\w+)", write("a loop is a `repeat`", r"repeat \2 as \1 { … }")),
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
        lambda m: Advice("an addition is a skip connection", "put the steps before it into `skip { … }`"),
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
