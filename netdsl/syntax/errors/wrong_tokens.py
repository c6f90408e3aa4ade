"""Known mistakes at the place where a text doesn't follow the grammar."""

from __future__ import annotations

import re

from netdsl.base.source import Span
from netdsl.diagnostics import Edit, Fix, misspelt, remove
from netdsl.language.words import CONTINUATIONS, RESERVED, STATEMENTS, STEPS
from netdsl.other_frameworks.translation import own_shape, split
from netdsl.other_frameworks.untranslated import numeral
from netdsl.syntax.errors.token_patterns import Found, Line, Mistake, mistake_at, read_table
from netdsl.syntax.errors.wrong_steps import TENSORS

_NUMBERS = "write a number as `64`, `0.5`, `1e-3`, `300k` or `1.7M`, a size as `3x32x32`"
_IS_NUMBER = re.compile(r"\d+(\.\d+)?([eE][-+]?\d+)?[kM]?")
# Suffixes of numbers in other languages, and in netdsl; `G` and `B` are written out in millions.
_UNITS = {**dict.fromkeys("fFlLuUdD", ""), "k": "k", "K": "k", "M": "M", "m": "M", "G": "", "B": ""}
# Names of tensors, of their sizes, and of namespaces in other languages.
_INPUTS = ("in", "x", "input", "inputs", "y", "h", "tensor", "features", "feature_map", "prev", "previous")
_SIZES = ("channels", "shape", "size", "in_channels", "out_channels", "num_channels", "dim", "features")
_PREFIXES = ("self", "cfg", "config", "args", "opt", "hparams", "params", "math", "np", "torch", "nn", "F")

_TABLE = """
a size is one word
  input: input <rest> ^ ⏎                          => @input
  input: input <rest> ^ <rest:more>                => @input
  <n> ^ x <n:b>                                    => {n}x{b}
  <n> ^ [X×*] <n:b>                                => {n}x{b}
  ( <n> ^RPAR , <n:b> )                            => @pair
a list must be in square brackets
  at = ( <n> ^ , <args> )                          => at=[{n}, {args}]
strings are in straight double quotes
  ^ <text>                                         => @straight
there is no `else if`; use `else when`
  else ^ if <any> {                                =>? else when {any} {
  else ^ if :                                      ! write `else when … { … }`
  ^ elif|elseif <any> {                            =>? else when {any} {
  ^ elif|elseif                                    ! write `else when … { … }`
parameters have no types
  ^ : int|float|bool|str                           => @types
  int|float|bool|str ^ <word>                      => @types
an argument and its value are separated by `=`
  <word> ^RPAR : <value>                           => {word}={value}
a name cannot contain `.`
  <word> ^ <attribute> [ <any:index> ]             => @attribute
  <word> ^ <attribute> ( <args:index> )            => @attribute
  <word> ^ <attribute>                             => @attribute
a `skip` adds its input already
  skip: } >> ^ + << shortcut {                     =>
  skip: } >> ^ + << <word> {                       =>? ,
  skip: } >> ^ + <call>                            => @added
the second body of a `skip` is its `shortcut`
  skip: } ^ >> <word> << {                         => shortcut
  skip: } ^ >> else                                => shortcut
the next step follows a comma or a new line
  skip: } >> ^ <call>                              => , {call}
a body must be in braces
  } >> shortcut ^ None|none|null                   =>
  } >> <shortcut|else:word> ^ <steps>              => {word} { {steps} }
  } >> else when <test> ^ <steps>                  => else when {test} { {steps} }
a body follows `shortcut` and `else` directly
  skip: } >> shortcut ^ = None|none|null           =>
  skip: } >> shortcut ^ = <call>                   => shortcut { {call} }
  shortcut|else >> ^ [:=]                          =>
the last case is `else`
  ^ otherwise                                      => else
`repeat` has no `times`
  ^ times                                          =>
the index of a `repeat` is a plain name
  as >> ^ ( <word> )                               => {word}
`repeat` needs a number
  repeat ^ {                                       =>? repeat 3 {
lists cannot be indexed
  <word> ^ [ <any> ]                               ! write each value in a row of a table `stages block { … }`
arguments are separated by commas
  ^ <n> <n:b>                                      => @point
a number has no spaces
  <n> ^-RPAR <n:b> <n:c>?                          => @digits
operators are written differently in netdsl
  >> == ^ = <<                                     => ==
  >> ^ = < <<                                      => <=
  >> = ^ < <<                                      => <=
  >> != ^ = <<                                     => !=
  >> < ^ > <<                                      => !=
  ^OR & &?                                         => and
  ^OR &&                                           => and
  ^OR | |                                          => or
  ^ [!]                                            => @negated
  ^OR AND                                          => and
  ^OR OR                                           => or
  >> NOT ^ << <token>                              => not
  ^OR is not                                       => !=
  ^COMPARISON is                                   => ==
  ^MODULO mod                                      => %
  <value> ^ not? in [([{] <args> []})]             => @one_of
  <word> + ^ +                                     => {word} + 1
  <word> - - ^                                     => {word} - 1
  <word> <[-+*/]:sign> ^ = <value>                 => {word} {sign} {value}
a conditional expression is `if c then a else b`
  <sum> ^ if <test> else <sum:other>               => if {test} then {sum} else {other}
  <test> ^ ? <sum> : <sum:other>                   => if {test} then {sum} else {other}
  if <test> ^ :? { <sum> } else { <sum:other> }    => if {test} then {sum} else {other}
  if <test> ^ : <sum> else :? <sum:other>          => if {test} then {sum} else {other}
a path is in quotes and parentheses
  entry: data >> <folder|boxes|masks:word> ^ [=:]? <text:path>  => {word}({path})
  entry: data >> <folder|boxes|masks:word> ^ [=:]? <rest>  => {word}("{rest}")
values are compared by `==`
  ^COMPARISON =                                    => ==
  ^THEN =                                          => ==
there is no power operator
  <value> ^ ** <n:exponent>                        => @product
  <value> ^ [^] <n:exponent>                       => @product
  <n> ^ ** <word>                                  => @power
  ^ **                                             ! write the product, or the numbers in a table
  ^ [^]                                            ! write the product, or the numbers in a table
the number of blocks is `repeat`
  stage: ^ <n>                                     => @times
comparisons cannot be chained
  ^AND [<>]                                        ! join two of them with `and`
  ^AND <=                                          ! join two of them with `and`
  ^AND >=                                          ! join two of them with `and`
  ^AND ==                                          ! join two of them with `and`
arguments are separated by commas
  ^RPAR ;                                          =>? ,
  <value> ^RPAR,_COMMA <values>                    => {value}, {values,value}
a statement ends at the end of its line
  ^ ;                                              =>
  } >> ^ , << <word>                               => \\n
  } >> ^ ,                                         =>
a conditional expression needs both values
  if <any> then <any:yes> ^ELSE                    ! write both: `if c then a else b`
the comma must be followed by an item
  >> , ^ <commas>?                                 =>
there are no environment variables
  let <word> = ^ $ <any>                           => @environment
  ^ $ { <word> }                                   => @environment
a percentage is a fraction
  >> <n> % << ^ ⏎                                  => @percent
  >> <n> % << ^ <token>                            => @percent
branches start with `|`
  { ^VBAR <token>                                  ! write `|` before each branch, the first one too
branches are in a join
  ^ |                                              ! write it in `add { … }`, `concat { … }` or `mul { … }`
no sign between key and value
  entry: <word> ^ [=:] <rest>                      => {word} {rest}
"""


def _input(found: Found) -> Mistake | None:
    """`input 3 x 32 x 32`, `input (None, 3, 32, 32)`."""
    own = own_shape(re.sub(r"None|-1", "", found["rest"] + found["more"]))
    return (found.write(f"input {own}")) if re.fullmatch(r"\d+(x\d+)*", own) else None


def _pair(found: Found) -> Mistake | None:
    height, width = found["n"], found["b"]
    equal = height == width
    why = ": one number applies to both directions" if equal else ""
    return found.write(height if equal else f"{height}x{width}", why)


def _straight(found: Found) -> Mistake | None:
    return found.write(f'"{found["text"].strip(chr(39))}"') if found["text"].startswith("'") else None


def _attribute(found: Found) -> Mistake | None:
    """`out.channels`, `x.shape[1]`, `self.width`, `math.sqrt(2)`, `blocks.residual(16)`."""
    name, attribute = found["word"], found["attribute"][1:]
    called = found.span.text[found.span.text.index(found["attribute"]) + len(found["attribute"]) :]
    if attribute in _SIZES:
        own = "in" if name in _INPUTS else name
    elif name in _PREFIXES or (found.line.rule == "step" and found.line.first == name):
        own = attribute + called
    else:
        own = f"{name}_{attribute}"
    return found.write(own)


def _added(found: Found) -> Mistake | None:
    """`skip { … } + x`, `skip { … } + conv(16, 1)`, `skip { … } + relu`."""
    call = found["call"]
    if call in TENSORS or call in _INPUTS:
        return found.write("")
    if re.match(r"(conv|linear|avgpool|maxpool)\b", call):
        return found.write(f" shortcut {{ {call} }}")
    return found.write(f", {call}")


def _types(found: Found) -> Mistake:
    """`block b(out: int, stride: int = 1)`, `block b(int out)`."""
    line = found.line
    edits = []
    for index, token in enumerate(line.tokens):
        if token.text in ("int", "float", "bool", "str"):
            colon = index > 0 and line.tokens[index - 1].text == ":"
            end = index + 1 if colon else index + 2
            span = line.span(index - 1 if colon else index, index + 1)
            if not colon and end <= len(line.tokens):  # with the space after it
                span = Span(span.source, span.start, line.tokens[index + 1].start)
            edits.append(Edit(span, ""))
    return Mistake(found.message, Fix("remove the types", tuple(edits)))


def _point(found: Found) -> Mistake | None:
    """`4. 3`."""
    number = found["n"].removesuffix(".")
    return (found.write(f"{number}, {found['b']}")) if number.isdigit() and number != found["n"] else None


def _digits(found: Found) -> Mistake | None:
    groups = [group for group in (found["b"], found["c"]) if group]
    if not all(re.fullmatch(r"\d{3}", group) for group in groups):
        return None
    return found.write("".join([found["n"], *groups]))


def _negated(found: Found) -> Mistake:
    """`!wide`."""
    return found.write("not" if found.line.source.text[found.span.end :][:1].isspace() else "not ")


def _one_of(found: Found) -> Mistake:
    """`stride in [1, 2]`, `stride not in (1, 2)`."""
    denied = bool(re.search(r"\bnot\s+in\b", found.span.text))
    tests = [f"{found['value']} {'!=' if denied else '=='} {value}" for value in split(found["args"])]
    return found.write((" and " if denied else " or ").join(tests))


def _product(found: Found) -> Mistake | None:
    """`2**3`, `width^2`."""
    base, exponent = found["value"], found["exponent"]
    if not re.fullmatch(r"\d", exponent):
        return None
    if base.isdigit() and len(base) < 4:
        return found.write(str(int(base) ** int(exponent)))
    product = " * ".join([base] * int(exponent)) or "1"
    return found.write(
        f"({product})" if found.line.source.text[: found.span.start].rstrip()[-1:] in "/*" else product
    )


def _power(found: Found) -> Mistake | None:
    if not found["n"].isdigit():
        return None
    base, name = int(found["n"][:9]), found["word"]
    few = f"if {name} == 0 then 1 else if {name} == 1 then {base} else {base**2}"
    return found.write(f"({few})", safe=False)


def _times(found: Found) -> Mistake | None:
    times = re.fullmatch(r"(\d+)x", found["n"])
    return (found.write(f"repeat={times[1]}")) if times else None


def _percent(found: Found) -> Mistake | None:
    """`50%`."""
    if not found["n"].isdigit():
        return None
    return found.write(f"{int(found['n'][:9]) / 100:g}")


def _environment(found: Found) -> Mistake:
    """`let width = ${WIDTH}`: a parameter of the network."""
    source, of_let = found.line.source, found.line.first == "let"
    name = found["word"] if of_let else found["word"].lower()
    title = f"write a parameter, `network NAME({name}=16)`, which `--set {name}=32` overrides"
    head = re.compile(r"^network[ \t]+\w+[ \t]*(\()?", re.MULTILINE).search(source.text)
    if head is None:
        return Mistake(found.message, title, found.span)
    more = Edit(Span(source, head.end(), head.end()), f"{name}=16, " if head[1] else f"({name}=16)")
    here = remove(found.span).edits if of_let else (Edit(found.span, name),)
    return Mistake(found.message, Fix(title, (more, *here), safe=False), found.span)


_RULES = read_table(_TABLE, globals())


def wrong_token(line: Line) -> Mistake | None:
    """The known mistake at the place of a syntax error; None if it isn't one."""
    if not line.tokens:
        return None
    return _word(line) or mistake_at(_RULES, line) or _number(line)


def _word(line: Line) -> Mistake | None:
    """Words of the language in the wrong place, or misspelt."""
    found = line.tokens[line.wrong].text if line.wrong < len(line.tokens) else ""
    before = line.tokens[: line.wrong]
    last = before[-1].text if before else ""
    place = line.span(line.wrong, line.wrong + bool(found))
    alone = line.rule == "step" and len(before) == 1
    orphan = found if last != "}" or line.rule == "statement" else ""
    if found == "{" and alone:
        orphan = last
    if orphan in CONTINUATIONS:
        owner = "skip" if orphan == "shortcut" else "when"
        return Mistake(f"unexpected `{orphan}`", f"`{orphan}` must follow the body of a `{owner} {{ … }}`")
    if alone and last not in STEPS and (near := misspelt(line.span(0, 1), (*STEPS, "shortcut"))):
        return Mistake(f"there is no step `{last}`", near)
    if found in STATEMENTS and line.rule == "step":
        return Mistake(f"`{found}` is a statement and cannot be inside a body", "move it out of the braces")
    if found in STATEMENTS and line.rule == "statement" and "$END" in line.expected:
        fix = Fix(f"put `{found}` on a new line", (Edit(place, f"\n{found}"),))
        return Mistake("a statement starts on its own line", fix)
    if found in RESERVED and "NAME" in line.expected and line.first != "stages" and last != "{":
        fix = Fix(f"choose another name, such as `my_{found}`", (Edit(place, f"my_{found}"),), safe=False)
        return Mistake(f"`{found}` is a reserved word", fix)
    if found == "if" and line.first == "skip":
        return Mistake("`if same` comes before the braces", "write `skip if same { … }`")
    if line.rule == "step" and found[:1].isalnum() and line.expected == {"$END"}:
        help = "write arguments in the step's parentheses, and the next step after a comma or on a new line"
        return Mistake(f"unexpected `{found}`", help)
    return None


def _number(line: Line) -> Mistake | None:
    """`2.0f`, `10_000L`, `.5`, `2.`, `300K`, `1.8B`, `16o`, `3z`."""
    found = line.tokens[line.wrong].text if line.wrong < len(line.tokens) else ""
    if not re.match(r"\.?\d", found) or _IS_NUMBER.fullmatch(found):
        return None
    place, message = line.span(line.wrong, line.wrong + 1), f"`{found}` is not a number"
    parts = re.fullmatch(r"(\d[\d_]*)?(\.\d*)?([eE][-+]?\d+)?([A-Za-z]*)", found)
    if own := numeral(found):
        return Mistake(message, Fix(f"write `{own}`", (Edit(place, own),)))
    if not parts or (parts[4] and parts[4] not in _UNITS):
        return Mistake(message, _NUMBERS)
    unit = _UNITS.get(parts[4], "")
    own = (parts[1] or "0").replace("_", "") + (parts[2] or "").rstrip(".") + (parts[3] or "") + unit
    if parts[4] in ("G", "B"):
        digits, _, decimals = own.partition(".")
        if len(decimals) > 3 or parts[3]:
            return Mistake(message, _NUMBERS)
        own = f"{digits}{decimals:0<3}M"
    return Mistake(message, Fix(f"write `{own}`", (Edit(place, own),)))
