"""Notations of papers and of other languages: whole lines that are translated."""

from __future__ import annotations

import re
from collections.abc import Sequence

from netdsl.base.source import Source, Span
from netdsl.diagnostics import Edit, Fix, add_line, listing, remove
from netdsl.language.words import RESERVED, STATEMENTS
from netdsl.other_frameworks.recipe_lines import recipe_line
from netdsl.other_frameworks.translation import own_shape
from netdsl.syntax.errors.token_patterns import PASTED, Found, Mistake, read_table
from netdsl.syntax.tokens import closing, tokens

_TABLE = """
a convolution is a call
  step: <n:kernel> conv? , <n:out> <any:rest>               => @convolution
  step: <n:kernel> × <n:width> conv? , <n:out> <any:rest>   => @convolution
a pool is a call
  step: <n:kernel> max|avg|average pool|pooling <any:rest>  => @pool
  step: <n:kernel> × <n:width> max|avg|average pool|pooling <any:rest> => @pool
a repeated bracket of a paper is a block
  step: [ <any:layers> ] [xX×*] <n:times>                   => @bracket
  step: [ <any:layers> ] <word:times>                       => @bracket
  statement: [ <any:layers> ] [xX×*] <n:times>              => @bracket
  statement: [ <any:layers> ] <word:times>                  => @bracket
  stage: stage [ <any:layers> ] [xX×*] <n:times>            => @bracket
  stage: stage [ <any:layers> ] <word:times>                => @bracket
the parameters of a network are in parentheses
  network: network <word> <word:key> = <rest>               => network {word}({key}={rest})
  network: network <word> [ <any:args> ]                    => network {word}({args})
  network: network <word> { <word:key> = <any:args> }       => network {word}({key}={args})
the values of a parameter follow its default
  network: network <word> ( <word:key> in [ <any> ] = <value> ) => network {word}({key}={value} in [{any}])
a stage is labelled by an argument
  statement: <word> : stage <word:block> ( <args> )         => stage {block}({args}, label={word})
a body returns the output of its last step
  step: return x|y|h|out|output|net                         => @removed
  step: >> return << <call>                                 =>
a comment starts with `#`
  step: <call> >> / * <any:words> * / <<                    => @comment
  step: <call> >> // <rest:words>                           => @comment
  entry|network|input|classes|order|use: <any> >> // <rest:words> << => @comment
use `repeat` to repeat steps
  step: <n> [x×*] ( <args> )                                => repeat {n} { {args} }
there is no `if` step; use `when`
  step: if <any:c> { <any:yes> } else { <any:no> }          => when {c} { {yes} } else { {no} }
a `skip` without a shortcut has none
  step: shortcut|downsample =? None|none|null               => @removed
stages are a table
  statement: <text> : [ <any:rows> ] ,?                     => @stage_args
  stages: stages <word> [ <any:rows> ]                      => @stage_args
  stages: stages <word> = [ <any:rows> ]                    => @stage_args
a table needs a header line, and a line for each row
  stages: stages <word> [:=]? [ <rest>         ! write `stages {word} {`, then these lines, then `}`
  stages: stages <word> [:=]? ( <rest>         ! write `stages {word} {`, then these lines, then `}`
  header: <rest>                                            => @one_line
`Input` is a statement: `input`
  statement: <word> = Input ( <args> )                      => @input_layer
  statement: <word> = <dotted> ( <args> )                   => @input_layer
this is Neural
  network: network <word> {                                 => @neural
this is a network of Caffe
  statement: layer {                                        => @caffe
this is Python
  statement: <word> = {                                     ~ Python
  statement: <text> : <any>                                 ~ Python
`def` is Python syntax
  statement: def <word> ( <args> ) :                        => @defined
  statement: def <word> ( <args> ) {                        => @defined
write no space between a number and its suffix
  expect: expect <word> <token:sign> <n> k                  => expect {word} {sign} {n}k
  expect: expect <word> <token:sign> <n> M                  => expect {word} {sign} {n}M
`expect` takes one comparison
  expect: expect <word> between <value> and <value:b>       => expect {word} >= {value}\\nexpect {word} <= {b}
  expect: expect <word> in [ <value> , <value:b> ]          => expect {word} >= {value}\\nexpect {word} <= {b}
  expect: expect <word> in ( <value> , <value:b> )          => expect {word} >= {value}\\nexpect {word} <= {b}
  expect: expect <word> in <n> -|to <n:b>                   => expect {word} >= {n}\\nexpect {word} <= {b}
  expect: expect <word> in <n>                              => @range
  expect: expect <n> <token:low> <word> <token:high> <n:b>  => @bounded
`expect` needs a comparison
  expect: expect <word> [~≈] =? <n>                         => expect {word} <= {n}
  expect: expect <word> about <n>                           => expect {word} <= {n}
  expect: expect <word>                     =>? expect {word} < 1M ;;, with the limit that you mean
`expect` applies to the whole network
  expect: expect <word> <attribute> <any>         ! remove the line, or the name before the `.`
the quantity must come first
  expect: expect <n> < <word>                               => expect {word} >= {n}
  expect: expect <n> <= <word>                              => expect {word} >= {n}
  expect: expect <n> > <word>                               => expect {word} <= {n}
  expect: expect <n> >= <word>                              => expect {word} <= {n}
`let` defines one constant
  let: let <word> , <word:b> = <value> , <value:d>          => let {word} = {value}\\nlet {b} = {d}
`let` needs `=`
  let: let <word> : =? <rest>                               => let {word} = {rest}
write no number or `:` before the block
  stage: stage <n>? : <call>                                => stage {call}
`default` takes no braces
  default: default :? { <any:args> }                        => default {args}
arguments must be in parentheses
  default: default <word> <word:key> = <rest>               => default {word}({key}={rest})
`use` imports all blocks of a file
  use: use <rest> <text>                                    => use {text}
  use: use <text> <rest>                                    => use {text}
`{word}` must be inside `train`
  statement: <word> [:=]? <rest>                            => @recipe_key
"""

_LAYERS = re.compile(r"^\s*layers\s*:", re.MULTILINE)
_STRIDE = re.compile(r",?\s*(?:/\s*(\d+)|stride\s*=?\s*(\d+)|s\s*=\s*(\d+))?")


def _stride(rest: str) -> str | None:
    """`, stride=2` for `, /2` or `, stride 2`; None for other texts."""
    found = _STRIDE.fullmatch(rest.strip())
    number = found and next(filter(None, found.groups()), "")
    return None if found is None else f", stride={number}" if number else ""


def _kernel(found: Found) -> str:
    height, width = found["kernel"], found["width"]
    sides = [*height.split("x"), *([width] if width else [])]
    return sides[0] if len(set(sides)) == 1 else "x".join(sides)


def _convolution(found: Found) -> Mistake | None:
    """`7x7, 64, /2`, `7×7 conv, 64, stride 2`."""
    stride = _stride(found["rest"])
    return None if stride is None else found.write(f"conv({found['out']}, {_kernel(found)}{stride})")


def _pool(found: Found) -> Mistake | None:
    """`3x3 max pool, /2`."""
    stride = _stride(found["rest"])
    name = "maxpool" if " max" in found.span.text else "avgpool"
    return None if stride is None else found.write(f"{name}({_kernel(found)}{stride})")


def _bracket(found: Found) -> Mistake | None:
    """`[3x3, 64; 3x3, 64] x 2`."""
    channels = re.findall(r"(?<![\dx×])(\d+)(?![\dx×])", re.sub(r"\d+\s*[x×]\s*\d+", "", found["layers"]))
    times = found["times"].lstrip("xX×")
    if not channels or not times.isdigit():
        return None
    if found.line.rule == "step":
        return found.write(f"repeat {times} {{ residual({channels[-1]}) }}", safe=False)
    return found.write(f"stage residual({channels[-1]}, repeat={times})", safe=False)


def _comment(found: Found) -> Mistake | None:
    """A comment after a step; it is removed where the line goes on behind it."""
    if found["words"][:1].isdigit():
        return None  # a division
    text = found.span.source.text
    rest = text[found.span.end : text.find("\n", found.span.end)]
    return found.write("" if rest.strip() else f"# {found['words']}")


def _removed(found: Found) -> Mistake:
    return Mistake(found.message, remove(found.span), found.span)


def _stage_args(found: Found) -> Mistake | None:
    """`'stage_args': [(8, 8, 5, False), (8, 16, 5, True)]`: input, output, blocks, and a stride of 2."""
    rows = re.findall(r"\(\s*\d+\s*,\s*(\d+)\s*,\s*(\d+)\s*,\s*(True|False)\s*\)", found["rows"])
    if not rows:
        return None
    lines = [f"  {out}  {blocks}  {2 if shrinks == 'True' else 1}" for out, blocks, shrinks in rows]
    block = found["word"] or "residual"
    return found.write("\n".join([f"stages {block} {{", "  out  repeat  stride", *lines, "}"]))


def _one_line(found: Found) -> Mistake | None:
    """`out repeat stride 16 2 1 32 2 2`, `out, repeat; 16, 2`."""
    line = found.line.tokens
    cells = [token.text for token in line if token.kind in ("NAME", "NUMBER", "SIZE")]
    header = [token.text for token in line if token.kind == "NAME"]
    values = cells[len(header) :]
    if len(header) < 2 or not values or cells[: len(header)] != header or len(values) % len(header):
        return None
    rows = [values[start : start + len(header)] for start in range(0, len(values), len(header))]
    text = "\n".join("  " + "  ".join(row) for row in (header, *rows))
    return found.write(f"\n{text}\n")


def _input_layer(found: Found) -> Mistake | None:
    """`inputs = keras.Input(shape=(32, 32, 3))`."""
    if not re.search(r"\bInput\b", found.span.text):
        return None
    own = own_shape(re.sub(r"\w+\s*=", "", found["args"]))
    return found.write(f"input {own}") if re.fullmatch(r"\d+(x\d+)*", own) else None


def _neural(found: Found) -> Mistake | None:
    """A network of Neural, whose sections end with a colon."""
    if not _LAYERS.search(found.line.source.text):
        return None
    help = "write `network NAME` without braces, and its layers in sections: `stem { conv(16, 3), relu }`"
    return Mistake(found.message, help, found.span, "Neural")


def _caffe(found: Found) -> Mistake | None:
    """A layer of Caffe, whose first key is below it."""
    if not re.match(r"layer\s*\{\s*\w+\s*:", found.line.source.text[found.span.start :]):
        return None
    return Mistake(found.message, PASTED, found.span, "Caffe")


def _defined(found: Found) -> Mistake | None:
    """`def block(out):` with its body."""
    name, given = found["word"], [part.strip() for part in found["args"].split(",")]
    if name in ("forward", "__init__", "main") or any(
        part.partition(":")[0] in ("self", "x") for part in given
    ):
        return None
    name = f"my_{name}" if name in RESERVED else name
    return found.write(f"block {name}({found['args']}) {{ … }}", safe=False)


def _recipe_key(found: Found) -> Mistake | None:
    """`epochs: 10` at the top of a file, with the lines below it that are of a recipe too."""
    if found["word"] in STATEMENTS:
        return None
    source, lines, end = found.line.source, [], found.span.start
    for text in source.text[found.span.start :].split("\n"):
        pair = re.fullmatch(r"(\w+)\s*[:=]?\s*([^{#]*?)\s*", text.partition("#")[0])
        own = recipe_line(pair[1], pair[2]) if pair and pair[1] not in STATEMENTS and pair[2] else ""
        if not own:
            break
        lines.append(own)
        end += len(text) + 1
    if not lines:
        return None
    place = Span(source, found.span.start, min(end - 1, len(source.text)))
    lines = _merged(lines)
    message, first = found.filled(found.message), place.first_line
    if train := _train(source):
        added = add_line(Span(source, train, train), "\n  ".join(lines), before=True)
        fix = Fix(f"move it into `train`: {listing(lines)}", (*remove(place).edits, *added.edits))
        return Mistake(message, fix, first, end=place.end)
    text = f"train {{ {lines[0]} }}" if len(lines) == 1 else "\n  ".join(["train {", *lines]) + "\n}"
    title = f"write `{text}`" if len(lines) == 1 else f"write `train {{ … }}` with {listing(lines)}"
    return Mistake(message, Fix(title, (Edit(place, text),)), first, end=place.end)


def _merged(lines: Sequence[str]) -> list[str]:
    """The lines with one optimizer, which has all its arguments."""
    own = [line.removeprefix("optimizer ") for line in lines if line.startswith("optimizer ")]
    if len(own) < 2:
        return list(lines)
    name = next((call for call in own if not call.startswith("sgd(")), "sgd").partition("(")[0]
    given = ", ".join(call.partition("(")[2][:-1] for call in own if "(" in call)
    return [*(line for line in lines if not line.startswith("optimizer ")), f"optimizer {name}({given})"]


def _bounded(found: Found) -> Mistake:
    """`expect 100 < params < 1000`."""
    turned = found["low"].translate(str.maketrans("<>", "><"))
    name = found["word"]
    return found.write(f"expect {name} {turned} {found['n']}\nexpect {name} {found['high']} {found['b']}")


def _range(found: Found) -> Mistake | None:
    """`expect params in 10k..20k`."""
    ends = re.fullmatch(r"(\w+)\.{2,3}(\w+)", found["n"])
    name = found["word"]
    return ends and found.write(f"expect {name} >= {ends[1]}\nexpect {name} <= {ends[2]}")


def _train(source: Source) -> int | None:
    """The end of the `train` of a file, if it is over several lines: the offset of its `}`."""
    found = tokens(source)
    for word, brace in zip(found, found[1:], strict=False):
        if (word.text, brace.text) == ("train", "{"):
            end = closing(source, brace.start)
            return end if "\n" in source.text[brace.start : end] and end < len(source.text) else None
    return None


NOTATIONS = read_table(_TABLE, globals())
