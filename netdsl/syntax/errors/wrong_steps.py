"""Known mistakes in steps."""

from __future__ import annotations

import re

from netdsl.diagnostics import listing
from netdsl.ops import OPERATIONS
from netdsl.other_frameworks.translation import own_name, split, translated
from netdsl.other_frameworks.untranslated import no_step
from netdsl.syntax.errors.patterns import (
    ADDITION,
    COMMENTS,
    LIKE_PYTHON,
    PYTHON,
    TENSORS,
    WORDS,
    Advice,
    Rule,
    Write,
    own_step,
    pasted,
)

_OPERATION = "|".join(OPERATIONS)
_EACH = r"each\s+\w+(?:\s*,\s*\w+)*"


def assigned_step(match: re.Match[str]) -> str:
    """The step that `self.conv1 = nn.Conv2d(3, 64, 3)` or `x = conv1(x)` means."""
    called = re.fullmatch(r"(?:self\.)?(\w+)\((?:x|out|h|y)\)", match[3].strip())
    step = own_step(match[3]) or (called[1] if called else "")
    return f"{match[2]}: {step}" if match[1] and step and ")," not in step else step


def _calls(text: str) -> list[str]:
    """The functions of `F.relu(self.bn1(x))`, the innermost first."""
    found = re.fullmatch(r"([\w.]+)\((.*)\)", text.strip())
    inside = split(found[2]) if found else []
    return [*_calls(inside[0]), found[1].rpartition(".")[2]] if found and inside else []


def assigned(match: re.Match[str]) -> Advice | None:
    if re.match(r"\w+\.(?:view|reshape|flatten)\(|torch\.(?:flatten|reshape)\(", match[3]):
        return Advice("a step cannot be assigned to a name", Write("flatten"))
    if joined := re.match(r"torch\.(?:cat|concat)\(\s*[\[(]([\w\s,]+)[\])]", match[3]):
        names = [name.strip() for name in joined[1].split(",") if name.strip()]
        branches = ["identity" if name in TENSORS else f"from {name}" for name in names]
        return Advice("`torch.cat` is a `concat` in netdsl", Write(f"concat {{ | {' | '.join(branches)} }}"))
    if len(calls := _calls(match[3])) > 1:
        help = f"write a step for each call, the innermost first: {listing(calls)}"
        return Advice("a step cannot be assigned to a name", help)
    called = re.match(r"\w+\s*\(", match[3])
    if (step := assigned_step(match)) or called:
        step = step or match[3].strip()
        if match[2] in TENSORS or match[1] or ":" in step:
            return Advice(
                "a step cannot be assigned to a name",
                Write(step, ": its input is the output of the step before it"),
            )
        return Advice("a label needs `:`, not `=`", Write(f"{match[2]}: {step}"))
    if match[1] or re.search(r"\w\.\w|['\"(]", match[3]):
        return None
    if match[2] in TENSORS and "+" in match[3]:
        return ADDITION
    return Advice("a constant is defined with `let`", Write(f"let {match[2]} = {match[3].strip()}"))


def _bracketless(match: re.Match[str]) -> Advice | None:
    """`conv 64, 3`."""
    name = match[1] if match[1] in OPERATIONS else own_name(match[1]) or match[1]
    given = ", ".join(re.findall(r"[^\s,=]+(?:\s*=\s*[^\s,]+)?", match[2]))
    return None if name in WORDS else Advice("arguments must be in parentheses", Write(_with(name, given)))


def _translated(match: re.Match[str]) -> Advice | None:
    name = re.split(r"\W", match[1])[-1]
    own = match[1] in OPERATIONS
    if own and not LIKE_PYTHON.search(match[0]):
        return None
    if lost := no_step(name):
        return Advice(f"there is no step `{match[1]}`", lost.help)
    message = (
        "arguments must be words, numbers or sizes"
        if own
        else f"`{match[1]}` is named `{own_name(name)}` in netdsl"
    )
    step = translated(match[0].rstrip(";,"))
    return Advice(message, Write(step)) if step else None


def _arrows(match: re.Match[str]) -> Advice | None:
    steps = [part.strip() for part in re.split(r"[-=]>|>>|;|→", match[0]) if part.strip()]
    message = "separate steps by commas or new lines"
    if any(step.count("(") != step.count(")") for step in steps):
        return None
    return Advice(message, "remove the `;`" if len(steps) == 1 else Write(f"{', '.join(steps)}"))


def _without_braces(match: re.Match[str]) -> Advice:
    body = match[2].strip(" :")
    return Advice("a body must be in braces", Write(f"{match[1].strip()} {{ {body or '…'} }}"))


def _side_by_side(match: re.Match[str]) -> Advice | None:
    """`conv(16, 3) bn relu`."""
    steps = re.findall(r"\w+(?:\([^()]*\))?", match[0])
    for step in steps:
        if step in WORDS or not ("(" in step or step in OPERATIONS):
            return None
    return Advice(f"missing comma between {len(steps)} steps", Write(f"{', '.join(steps)}"))


def _joined(match: re.Match[str]) -> Advice:
    """`concat(a, conv(64, 3))`, where a name is a saved tensor."""
    parts = [part for part in split(match[2]) if not re.match(r"(dim|axis)\s*=", part)]
    if len(parts) == 1 and parts[0].isidentifier() and parts[0] not in OPERATIONS:
        parts = ["identity", f"from {parts[0]}"]
    elif len(parts) < 2:
        parts = ["a", "b"]
    else:
        parts = [part if "(" in part or part in OPERATIONS else f"from {part}" for part in parts]
    written = " | ".join(part.replace("from x", "identity") if part == "from x" else part for part in parts)
    return Advice("branches must be in braces, each after a `|`", Write(f"{match[1]} {{ | {written} }}"))


def _loop(match: re.Match[str]) -> Advice:
    """`for i in range(3):`, `repeat i in 0..3 {`."""
    loop = match[0].startswith("for")
    if named := re.fullmatch(r"[\[(]?\s*([A-Za-z_]\w*(?:\s*,\s*[A-Za-z_]\w*)+)\s*[\])]?", match[2]):
        message = "saved tensors have the same steps in an `each`"
        return Advice(message, Write(f"each {named[1]} {{ … }}"))
    message = "there is no `for`; use `repeat`" if loop else "`repeat` has no `in`"
    counted = re.fullmatch(r"(?:range\s*\()?\s*(?:0\s*(?:,|\.\.=?)\s*)?(\w+)\s*\)?", match[2])
    if counted:
        return Advice(message, Write(f"repeat {counted[1]} as {match[1]} {{ … }}"))
    between = re.fullmatch(r"(?:range\s*\()?\s*(\w+)\s*(?:,|\.\.=?)\s*(\w+)\s*\)?", match[2])
    if between:
        times = f"({between[2]} - {between[1]})"
        return Advice(message, Write(f"repeat {times} as {match[1]} {{ … }}", ": its index starts at 0"))
    return _of_list(match[2])


def _spaced(match: re.Match[str]) -> Advice:
    """`each p3 p4 {`."""
    names = ", ".join(match[1].split())
    return Advice("the names of `each` need commas between them", Write(f"each {names} {{ … }}"))


def _of_list(values: str) -> Advice:
    help = f"write the steps once for each of `{values}`, or define a block and a table `stages`"
    return Advice("`repeat` cannot iterate over a list", help)


def _named(match: re.Match[str]) -> Advice:
    """`save("a")`, `save as a`, `from(a)`."""
    return Advice(f"`{match[1]}` takes a plain name", Write(f"{match[1]} {match[2]}"))


def _saved(match: re.Match[str]) -> Advice:
    """`early: save`, `early: save conv(16, 3)`."""
    name, rest = match[1], (match[2] or "").strip()
    called = rest in OPERATIONS or "(" in rest
    return _saved_after(name, rest) if called else _saved_after(rest or name, "")


def _saved_after(name: str, step: str) -> Advice:
    shown = f"{step}, save {name}" if step else f"save {name}"
    return Advice("`save` must follow the step whose output it saves", Write(shown))


def _dashed(match: re.Match[str]) -> Advice:
    return Advice("a name cannot contain `-`", Write(f"{match[1].replace('-', '_')}: {match[2]}"))


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
    return Advice("steps are written as calls, one after another", Write(step)) if step else None


def _added(match: re.Match[str]) -> Advice | None:
    """`model.add(Dense(10))`."""
    step = own_step(match[1])
    return Advice("steps are written one after another", Write(step)) if step else None


def _quoted(match: re.Match[str]) -> Advice:
    """`"relu"`."""
    return Advice("a step must not be in quotes", Write(own_step(match[1]) or match[1]))


def _row(match: re.Match[str]) -> Advice | None:
    """`[-1, 1, Conv, [64, 3, 2]]`."""
    name = match[1].rpartition(".")[2]
    own = own_name(name) or name.lower()
    step = f"{own}({match[2]})" if match[2].strip() else own
    return Advice("this is a row of Ultralytics' YAML", Write(step)) if own in OPERATIONS else None


STEPS: list[Rule] = [
    (r"\[\s*-?\d+\s*,\s*\d+\s*,\s*([\w.]+)\s*,\s*\[(.*)\]\s*\]", _row),
    (r"conv(\d+)-(\d+)$", "a convolution is a call", Write(r"conv(\2, \1)")),
    (
        r"(?:self\.)?(\w+)[\w.]*\.requires_grad",
        "weights are frozen by the argument `freeze`",
        r"add `freeze=yes` to the call of `\1`",
    ),
    (
        r"shortcut\s+\w+\s*=",
        "a `shortcut` must follow the body of its `skip`",
        "write `skip { … }` around the steps whose input is added",
    ),
    *COMMENTS,
    *PYTHON,
    (r"[\"'](\w+)[\"']$", _quoted),
    (
        r"(order)\b\s*\w",
        r"`\1` is a statement and cannot be inside a body",
        "move it out of the braces: `order` applies to the whole file",
    ),
    (
        r"(network|input|classes|stages?|block|train|expect|use|stem|head|layers|init)\b\s*[\w\"{]",
        r"`\1` is a statement and cannot be inside a body",
        "move it out of the braces",
    ),
    (r"(?:for|repeat)\s+(\w+)\s+in\s+(.+?)\s*[:{]?\s*(?:\{.*)?$", _loop),
    (r"repeat\s*\(?\s*\w+\s*=\s*(\w+)\s*\)?", "`repeat` takes a number", Write(r"repeat \1 { … }")),
    (
        r"repeat\s+(\w+)\s*,\s*(\w+)\s*\{",
        "the index of a `repeat` needs `as`",
        Write(r"repeat \1 as \2 { … }"),
    ),
    (
        r"each\s*[\[(]([\w\s,]+)[\])]\s*\{",
        "the names of `each` stand without brackets",
        Write(r"each \1 { … }"),
    ),
    (
        r"each\s+\w+\s+in\s*[\[(]?([\w\s,]+?)[\])]?\s*\{",
        "`each` takes the names of saved tensors",
        Write(r"each \1 { … }"),
    ),
    (r"each\s+(\w+(?:\s+\w+)+)\s*\{", _spaced),
    (r"each\s*\{", "`each` needs the names of saved tensors", "write them, such as `each p3, p4 { … }`"),
    (r"(save|from)\s*(?:\(\s*[\"']?|as\s+|=\s*|:\s*|[\"'])(\w+)[\"']?\s*\)?$", _named),
    (r"(\w+)\s*:\s*save(?:\s+(.*))?$", _saved),
    (r"save\s+(\w+)\s*[:=]?\s*(\w+\(.*\))$", lambda m: _saved_after(m[1], m[2])),
    (r"[\"'](\w+)[\"']\s*:\s*([A-Za-z_]\w*(?:\(.*\))?)$", "a label must not be in quotes", Write(r"\1: \2")),
    (
        r"(\w+)\s*:\s*(?:skip|repeat|each|when|add|concat|mul)\b",
        "only operations and blocks can have labels",
        r"remove `\1:`",
    ),
    (r"(\w+)\s*:\s*\{", "only operations and blocks can have labels", "remove the label and its braces"),
    (r"(\w+(?:-\w+)+)\s*:\s*(.+)$", _dashed),
    (r"(\d+)\s*:\s*(\w.*)$", "a label must start with a letter", Write(r"step\1: \2")),
    (r"\w+\s*:\s*(\w+)\s*:\s*(\w.*)$", "a step can have only one label", Write(r"\1: \2")),
    (r"\w+::(\w+.*)$", "a block is called by its name alone", Write(r"\1")),
    (r"freeze\s+(\w+)\((.+)\)$", "`freeze` is an argument", Write(r"\1(\2, freeze=yes)")),
    (r"freeze\s*\{", "`freeze` is an argument", "give it to each step: `conv(16, 3, freeze=yes)`"),
    (r"if\s+([^{:]+?)\s*[{:]", "there is no `if` step; use `when`", Write(r"when \1 { … }")),
    (r"\[(\w+)\]", pasted(r"`[\1]` is Darknet syntax", "Darknet")),
    (r"(self\.)?(\w+)\s*=(?!=)\s*(.+)", assigned),
    (r"-?\s*[\"']?(\w+)[\"']?\s*:\s*((?:[\d(\[{\"'].*)?)$", _listed),
    (r"[-*•]\s*(\w+)(\(.*\))?$", "a step does not start with `-`", Write(r"\1\2")),
    (r"(\w+)\s*[\[{<]\s*(\d[\w\s,.=]*?)\s*[\]}>]$", "arguments must be in parentheses", Write(r"\1(\2)")),
    (r"skip\s+if\s*\(\s*same\s*\)", "`same` takes no parentheses", Write("skip if same { … }")),
    (
        r"skip\s+if\s+(?!same\b)([^{]+?)\s*\{",
        "`if same` is the only condition of a `skip`",
        Write(r"when \1 { skip { … } }"),
    ),
    (
        r"skip\s*(\(.*\))\s*if[\s_]*same\b",
        "the arguments of `skip` come after `if same`",
        Write(r"skip if same \1 { … }"),
    ),
    (
        r"skip\s*(?!if\s+same\s*[({])\(?\s*(?:if[\s_]*)?same\s*\)?\s*(?:\{.*)?$",
        "the condition of a `skip` is `if same`",
        Write("skip if same { … }"),
    ),
    (r"(add|concat|mul)\s*(?:\(\[?|\[)(.*?)(?:\]?\)|\]|)$", _joined),
    (
        r"(add|concat|mul)\s+(\w+)$",
        "branches must be in braces, each after a `|`",
        Write(r"\1 { | identity | from \2 }"),
    ),
    (
        r"skip\s*\((?!\s*drop_path)(\w+\(.*|\w+\s*,.*)\)$",
        "a body must be in braces",
        Write(r"skip { \1 }"),
    ),
    (r"[+]\s*=?\s*\w*", lambda m: ADDITION),
    (
        r"from\s+(\w+)\s*\+\s*from\s+(\w+)$",
        "use `add` to add tensors",
        Write(r"add { | from \1 | from \2 }"),
    ),
    (r"(add|concat|mul)\s+(\w+(?:\s*,\s*\w+)+)$", _joined),
    (r"when\s*\{", "`when` needs a condition", "write one, such as `when stride == 1 { … }`"),
    (r"unless\s+([^{]+?)\s*\{", "there is no `unless`; use `when`", Write(r"when not (\1) { … }")),
    (r"while\b", "there is no `while`; use `repeat`", Write("repeat 3 { … }", ", with a number")),
    (
        rf"(skip(?:\s+if\s+same)?|repeat\s+\w+(?:\s+as\s+\w+)?|{_EACH}|when\s+[^{{:]+?)\s+((?:{_OPERATION})\b[^{{]*)$",
        _without_braces,
    ),
    (
        rf"(skip|repeat\s+\w+(?:\s+as\s+\w+)?|{_EACH}|when\s+[^{{:]+?)\s*(:[^{{]*|\s\w+\(.*|)$",
        _without_braces,
    ),
    (r"(\w+)[ \t]+((?:\d[\w.]*|\w+\s*=\s*[^,\s]+)(?:[\s,]+(?:\d[\w.]*|\w+\s*=\s*[^,\s]+))*)$", _bracketless),
    (r"(.+?)\s*[x*×]\s*(\d+)$", "use `repeat` to repeat steps", Write(r"repeat \2 { \1 }")),
    (r"(?:model|self|net|layers)\.(?:add|append)\((.+)\)$", _added),
    (r"((?:\w+\.)*\w+)\s*(?:\(.*\))?(?:\(\w+\))?[;,]?$", _translated),
    (r".*(?:[-=]>|>>|;|→).*", _arrows),
    (r"\w+(\([^()]*\))?((?:[ \t]+|\s*[+&]\s*)[A-Za-z_]\w*(\([^()]*\))?)+$", _side_by_side),
]
