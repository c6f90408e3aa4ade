"""Known mistakes in steps."""

from __future__ import annotations

import re

from netdsl.diagnostics import listing
from netdsl.ops import OPERATIONS
from netdsl.other_frameworks.translation import own_name, split, translated
from netdsl.other_frameworks.untranslated import no_step
from netdsl.syntax.errors.filters import LIKE_PYTHON, WORDS, own_step
from netdsl.syntax.errors.token_patterns import Found, Mistake, read_table

# Usual names of tensors in Python.
TENSORS = {"x", "y", "h", "z", "out", "output", "net", "res", "identity", "shortcut", "skip", "residual"}

_TABLE = """
this is a row of Ultralytics' YAML
  step: [ -? <n> , <n:b> , <dotted:name> , [ <args> ] ]        => {name|row}({args})
a convolution is a call
  step: <sized> - <n>                                     => conv({n}, {sized|number})
weights are frozen by the argument `freeze`
  step: self <attribute> .requires_grad <any>        ! add `freeze=yes` to the call of `{attribute|member}`
  step: <word> <any> .requires_grad <any:value>      ! add `freeze=yes` to the call of `{word}`
a `shortcut` must follow the body of its `skip`
  step: shortcut <word> = <any>              ! write `skip { … }` around the steps whose input is added
`torch{join}` is a `concat` in netdsl
  step: <word> = torch <.cat|.concat:join> ( [([] <args> [)]] <any> )  => {args|concat}
`{word}` is a statement and cannot be inside a body
  step: <order:word> <rest>            ! move it out of the braces: `order` applies to the whole file
  step: <network|input|classes|stage|stages|block|train|expect|use:word> <rest>    => @misplaced
  step: <stem|head|layers|init:word> <rest>                                        => @misplaced
saved tensors have the same steps in an `each`
  step: for <word> in [([]? <tensors> [)]]? :? {               => each {tensors} { … }
there is no `for`; use `repeat`
  step: for <word> in <args:values> :? {?                      => @loop
  step: for <word> in <args:values> : <steps>                  => @loop
`repeat` has no `in`
  step: repeat <word> in <args:values> :? {?                   => @loop
`repeat` takes a number
  step: repeat (? <word> = <value> )? {?                       => repeat {value} { … }
the index of a `repeat` needs `as`
  step: repeat <value> , <word> {                              => repeat {value} as {word} { … }
`each` takes the names of saved tensors
  step: each {                                      ! write them, such as `each p3, p4 { … }`
  step: each <word> in [([]? <tensors> [)]]? {                 => each {tensors} { … }
the names of `each` stand without brackets
  step: each [([] <tensors> [)]] {                             => each {tensors} { … }
the names of `each` need commas between them
  step: each <names> {                                         => each {names,word} { … }
`{verb}` takes a plain name
  step: <save|from:verb> (? [=:]? as? <word> )?                => {verb} {word}
  step: <save|from:verb> (? [=:]? <bare> )?                    => {verb} {bare}
`save` must follow the step whose output it saves
  step: <word> [:=] save                                       => save {word}
  step: <word> [:=] save <word:name>                           => {name|known}, save {word}
  step: <word> [:=] save <word:name>                           => save {name}
  step: <word> [:=] save <call>                                => {call}, save {word}
  step: save <word> [:=]? <word:step> ( <args> )               => {step}({args}), save {word}
a step must not be in quotes
  step: <bare>                                                 => {bare|step}
  step: <bare>                                                 => {bare}
a label must not be in quotes
  step: <bare> : <call>                                        => {bare}: {call}
only operations and blocks can have labels
  step: >> <word> : << skip|repeat|each|when|add|concat|mul <any>   =>
  step: <word> : {                                             ! remove the label and its braces
a name cannot contain `-`
  step: <dashed> : <rest>                                      => {dashed|plain}: {rest}
a label must start with a letter
  step: <n> : <rest>                                           => step{n}: {rest}
a step can have only one label
  step: <word> : <word:b> : <rest>                             => {b}: {rest}
a block is called by its name alone
  step: <word> : : <rest>                                      => {rest}
`freeze` is an argument
  step: freeze <word> ( <args> )                               => {word}({args}, freeze=yes)
  step: freeze {                                      ! give it to each step: `conv(16, 3, freeze=yes)`
there is no `if` step; use `when`
  step: if <args:c> {                                          => when {c} { … }
  step: if <args:c> : <any>                                    => when {c} { … }
`[{word}]` is Darknet syntax
  step: [ <word> ]                                             ~ Darknet
a step cannot be assigned to a name
  step: self? <word> = <word:tensor> .view|.reshape|.flatten ( <args> )      => flatten
  step: self? <word> = torch .flatten|.reshape ( <args> )                    => flatten
  step: self <attribute> = <rest>                              => @assigned
  step: <word> = <rest>                                        => @assigned
steps are written as calls, one after another
  step: [-*•]? <word> : <any:given>                            => @listed
  step: [-*•]? <bare> : <any:given>                            => @listed
a step does not start with `-`
  step: [-*•] <call>                                           => {call}
arguments must be in parentheses
  step: <word> [[{<] <pairs> []}>]                             => {word}({pairs})
`same` takes no parentheses
  step: skip if ( same ) {?                                    => skip if same { … }
the arguments of `skip` come after `if same`
  step: skip ( <args> ) if? same|if_same {?                    => skip if same ({args}) { … }
the condition of a `skip` is `if same`
  step: skip (? if? same|if_same )? {?                         => skip if same { … }
`if same` is the only condition of a `skip`
  step: skip if <args:c> {                                     => when {c} { skip { … } }
branches must be in braces, each after a `|`
  step: <add|concat|mul:join> ( [ <args> ] <any> )             => @joined
  step: <add|concat|mul:join> [([] <args> [)]]?            => @joined
  step: <add|concat|mul:join> <word>                           => {join} { | identity | from {word} }
  step: <add|concat|mul:join> <steps:args>                     => @joined
a body must be in braces
  step: skip ( <steps> )                                       => skip { {steps} }
tensors are not added by `+`
  step: + <any>                                                ! put the steps before it into `skip { … }`
  step: x|y|h|z|out|output|net|res + = <any>                   ! put the steps before it into `skip { … }`
a constant cannot be changed
  let? <word> <[-+*/]:sign> = <sum>  =>? let new_{word} = {word} {sign} {sum} ;;, and use it from there on
  let? <word> // = <sum>             =>? let new_{word} = {word} // {sum} ;;, and use it from there on
  let? <word> <[-+]:sign> [-+]       =>? let new_{word} = {word} {sign} 1 ;;, and use it from there on
use `add` to add tensors
  step: from <word> + from <word:b>                            => add { | from {word} | from {b} }
`when` needs a condition
  step: when {                                                 ! write one, such as `when stride == 1 { … }`
there is no `unless`; use `when`
  step: unless <args:c> {                                      => when not ({c}) { … }
there is no `while`; use `repeat`
  step: while <any> {?                                         => repeat 3 { … } ;;, with a number
there is no step `{word}`
  step: <word> {                                               => @named
a body must be in braces
  step: <opener> :? <steps> ,?                                 => {opener} { {steps} }
  step: <opener> :?                                            => {opener} { … }
arguments must be in parentheses
  step: <word> <n>                                             => {word|convolution}({n}, 3)
  step: <word> <pairs>                                         => {word|operation}({pairs,given})
use `repeat` to repeat steps
  step: <call> <times>                                         => repeat {times|number} { {call} }
steps are written one after another
  step: model|self|net|layers .add|.append ( <args> )          => {args|step}
`{call}` is not a step
  step: <call> [;,]?                                            => @translated
separate steps by commas or new lines
  step: <chain>                                                => {chain,call}
missing comma between steps
  step: <beside>                                               => @side_by_side
"""


def own_call(name: str, given: str) -> str:
    """`conv: 64` as a step; empty if the operation is unknown. A convolution has a kernel too."""
    own = name if name in OPERATIONS else own_name(name)
    return _with(own, given.strip(" []{}()\"'")) if own else ""


def _with(name: str, given: str) -> str:
    given = f"{given}, 3" if name == "conv" and given.isdigit() else given
    return f"{name}({given})" if given else name


# Names of steps with a body in other languages.
_OTHER_STEPS = {
    "shortcut": ("downsample", "projection", "proj", "identity_conv"),
    "concat": ("cat", "concatenate", "concatenation", "merge"),
    "add": ("sum", "plus", "addition", "eltwise"),
    "mul": ("multiply", "product", "prod", "gate"),
    "repeat": ("loop", "times", "for"),
    "skip": ("residual_connection", "skip_connection", "branch_add"),
}


def _misplaced(found: Found) -> Mistake | None:
    return found.says("move it out of the braces") if re.match(r'[\w"{]', found["rest"]) else None


def _loop(found: Found) -> Mistake:
    """`for i in range(3):`, `repeat i in 0..3 {`, `for i in range(3): relu`."""
    counter, values = found["word"], found["values"]
    body = found["steps"] or "…"
    start, times = "0", re.fullmatch(r"(?:range\s*\()?\s*(?:0\s*(?:,|\.\.=?)\s*)?(\w+)\s*\)?", values)
    between = re.fullmatch(r"(?:range\s*\()?\s*(\w+)\s*(?:,|\.\.=?)\s*(\w+)\s*\)?", values)
    if times is None and between is None:
        help = f"write the steps once for each of `{values}`, or define a block and a table `stages`"
        return Mistake("`repeat` cannot iterate over a list", help, found.span)
    count = times[1] if times else f"({between[2]} - {between[1]})" if between else start
    named = "" if counter == "_" else f" as {counter}"
    return found.write(f"repeat {count}{named} {{ {body} }}", "" if times else ": its index starts at 0")


def _calls(text: str) -> list[str]:
    """The functions of `F.relu(self.bn1(x))`, the innermost first."""
    found = re.fullmatch(r"([\w.]+)\((.*)\)", text.strip())
    inside = split(found[2]) if found else []
    return [*_calls(inside[0]), found[1].rpartition(".")[2]] if found and inside else []


def assigned_step(found: Found) -> str:
    """The step that `self.conv1 = nn.Conv2d(3, 64, 3)` or `x = conv1(x)` means."""
    label = found["attribute"][1:]
    called = re.fullmatch(r"(?:self\.)?(\w+)\((?:x|out|h|y)\)", found["rest"])
    step = own_step(found["rest"]) or (called[1] if called else "")
    return f"{label}: {step}" if label and step and ")," not in step else step


def _assigned(found: Found) -> Mistake | None:
    name, rest = found["word"], found["rest"]
    if len(calls := _calls(rest)) > 1:
        return found.says(f"write a step for each call, the innermost first: {listing(calls)}")
    called = re.match(r"\w+\s*\(", rest)
    if (step := assigned_step(found)) or called:
        step = step or rest
        if name in TENSORS or not name or ":" in step:
            return found.write(step, ": its input is the output of the step before it")
        return found.write(f"{name}: {step}")._replace(message="a label needs `:`, not `=`")
    if not name or re.search(r"\w\.\w|['\"(]", rest):
        return None
    if name in TENSORS and "+" in rest:
        help = "put the steps before it into `skip { … }`"
        return Mistake("tensors are not added by `+`", help, found.span)
    return found.write(f"let {name} = {rest}")._replace(message="a constant is defined with `let`")


def _listed(found: Found) -> Mistake | None:
    """`conv: 64`, `"conv": [64, 3]`, `- relu:`."""
    name, given = found["word"] or found["bare"], found["given"]
    step = own_call(name, given) or own_step(name + given)
    return found.write(step) if step and re.match(r"[\d(\[{\"']|$", given) else None


def _joined(found: Found) -> Mistake:
    """`concat(a, conv(64, 3))`, where a name is a saved tensor."""
    parts = [part for part in split(found["args"]) if not re.match(r"(dim|axis)\s*=", part)]
    if len(parts) == 1 and parts[0].isidentifier() and parts[0] not in OPERATIONS:
        parts = ["x", parts[0]]
    own = ["identity" if p == "x" else p if "(" in p or p in OPERATIONS else f"from {p}" for p in parts]
    return found.write(f"{found['join']} {{ | {' | '.join(own if len(own) > 1 else ('a', 'b'))} }}")


def _named(found: Found) -> Mistake | None:
    """`multiply {`, `downsample {`."""
    word = found["word"].lower()
    own = next((own for own, others in _OTHER_STEPS.items() if word in others), "")
    return found.write(f"{own} {{ … }}") if own else None


def _translated(found: Found) -> Mistake | None:
    """`nn.Conv2d(3, 64, 3)`, `layers.Dense(10)(x)`."""
    text = found["call"]
    full = text.partition("(")[0].strip()
    name, own = full.rpartition(".")[2], full in OPERATIONS
    if own and not LIKE_PYTHON.search(text):
        return None
    if lost := no_step(name):
        return Mistake(f"there is no step `{full}`", lost.help, found.span)
    message = (
        "arguments must be words, numbers or sizes"
        if own
        else f"`{full}` is named `{own_name(name)}` in netdsl"
    )
    step = translated(text)
    return found.write(step)._replace(message=message) if step else None


def _side_by_side(found: Found) -> Mistake | None:
    """`conv(16, 3) bn relu`."""
    steps = found.pieces("beside", "call")
    if any(step in WORDS or not ("(" in step or step in OPERATIONS) for step in steps):
        return None
    message = f"missing comma between {len(steps)} steps"
    return found.write(", ".join(steps))._replace(message=message)


STEP_RULES = read_table(_TABLE, globals())
