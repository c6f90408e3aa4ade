"""Known mistakes in lines of recipes, tables and initialisations."""

from __future__ import annotations

import re

from netdsl.base.source import Span
from netdsl.diagnostics import Edit, Fix
from netdsl.language.expressions import FUNCTIONS
from netdsl.language.recipe import KEYS
from netdsl.ops import OPERATIONS
from netdsl.other_frameworks.recipe_lines import own_choice, recipe_line
from netdsl.other_frameworks.translation import own_name, own_value
from netdsl.syntax.errors.token_patterns import Found, Line, Mistake, mistake_of, read_table
from netdsl.syntax.tokens import closing, tokens

# Messages about rows of tables; `resolve` reports the same mistakes where a row can be parsed.
NEEDS_LAYERS = "steps between the rows of a table must be in `layers { … }`"
NO_SPACE = "in a table, write no space between a function and its `(`"

_TABLE = f"""
each key must be on its own line
  entry: <word> [:=] <value> , <word:b> [:=] <rest>            => @keys
write no `{{sign}}` between key and value
  entry: -? <word> <[:=]:sign> <any:given>                     => @entry
  entry: -? <bare> <[:=]:sign> <any:given>                     => @entry
separate augmentations by commas
  entry: augment <rest:given>                                  => @augment
`{{word}}` is a number of images, not a percentage
  entry: <validation|images:word> <n> %        => {{word}} {{n|images}} ;;, of CIFAR's 50,000
a path must be inside `folder(…)`
  entry: data <rest>                                           => data folder("{{rest|folder}}")
no `,` at the end of a line
  entry: <word> <any:value> ,                                  => {{word}} {{value}}
there is no key `{{word}}`
  entry: <batch:word> size [:=]? <n>                           => {{word}} {{n}}
arguments must be in parentheses
  entry: <word> <word:choice> ,? <pairs>                       => {{word}} {{choice|choice}}({{pairs,given}})
  entry: <word> <word:choice> <text:pairs>                     => {{word}} {{choice}}({{pairs}})
it has another name in netdsl
  entry: <word> <call>                                         => @choice
write names with `_`, and commas between arguments
  entry: <word> <rest>                                         => @choice
a word must not be in quotes
  entry: <word> <bare>                                         => {{word}} {{bare}}
  entry: <word> <bare> ( <args> )                              => {{word}} {{bare}}({{args}})
no `;` at the end of a line
  entry: <word> <any:value> ;                                  => {{word}} {{value}}
the key must come first
  entry: <n> <{'|'.join(KEYS)}:word>                           => {{word}} {{n}}
a row of a table has no names
  header: -? <word> : <value> <any>                            => @named_rows
a table needs a header line, and a line for each row
  header: <names> <numbers>       ! write `{{names}}` on the line after the `{{`, and `{{numbers}}` below it
separate the columns by spaces
  header: <columns>                                            => @columns
no line between the header and the rows
  row: <dashes>                                                => @removed
{NO_SPACE}
  row: <any> {'|'.join(FUNCTIONS)} ( <any:rest>                => @apart
an expression in a table must be in parentheses
  row: <any:before> >> <if:word> <any:c> then <any:yes> else <value> << <any:after> => @conditional
{NEEDS_LAYERS}
  row: [{{|]? <rest> }}?                                         => @transition
separate the cells by spaces
  row: <cells>                                                 => {{cells;cell}}
  row: [ <args> ] ,?                                           => {{args;cell}}
an expression in a table must be in parentheses
  row: <sums>                                                  => @sums
cells have no names: the header names the columns
  row: <keyed>                                                 => {{keyed;assigned}}
a rule must be a word
  init_rule: <word> [:=]? 0|0.0                                => {{word}} zeros
  init_rule: <word> [:=]? 1|1.0                                => {{word}} ones
  init_rule: <word> [:=]? <n>                                  => {{word}} constant({{n}})
no `{{part}}` after `{{word}}`: a rule applies to the weights
  init_rule: <word> <.weight|.kernel|.gamma:part> [:=]? <call> => {{word}} {{call}}
one rule applies to all biases
  init_rule: <word> .bias|.beta [:=]? <call>                   => bias {{call}}
write no `{{sign}}` between key and rule
  init_rule: <dotted> <[:=]:sign> <call>                       => {{dotted}} {{call}}
"""


def _keys(found: Found) -> Mistake | None:
    """`lr=0.1, momentum=0.9`."""
    if "(" in found.span.text:
        return None
    lines = [re.sub(r"\s*[=:]\s*", " ", part.strip()) for part in found.span.text.split(",")]
    return found.write("\n".join(lines))


def _entry(found: Found) -> Mistake:
    """`epochs: 10`, `"batch": 128,`."""
    key, given = found["word"] or found["bare"], found["given"]
    if key == "augment":
        return _augmented(found, given)
    return found.write(recipe_line(key, given) or f"{key} {own_value(given.rstrip(';,'))}")


def _augment(found: Found) -> Mistake | None:
    """`augment flip crop(4)`."""
    return _augmented(found, found["given"]) if re.search(r"\s", found["given"]) else None


def _augmented(found: Found, text: str) -> Mistake:
    items = [item for item in re.findall(r"[A-Za-z]\w*(?:\([^()]*\))?", text) if item != "and"]
    mistake = found.write(f"augment {', '.join(own_choice(item) or item for item in items)}")
    return mistake._replace(message="separate augmentations by commas")


def _choice(found: Found) -> Mistake | None:
    """`schedule MultiStepLR(milestones=[6, 8])`, `optimizer sgd(lr=0.1; weight-decay=5e-4)`."""
    given = found["call"] or found["rest"]
    plain = re.sub(r"(?<=[a-z])-(?=[a-z]+\s*=)", "_", given).replace(";", ",")
    own = own_choice(plain) if "(" in plain and (plain == given) == bool(found["call"]) else ""
    return found.write(f"{found['word']} {own}") if own and own != given else None


def _removed(found: Found) -> Mistake:
    return found.says("remove it")


def _columns(found: Found) -> Mistake:
    """`out, repeat, stride`."""
    names = found.pieces("columns", "word")
    return found.write("  ".join(names), safe=len(names) == len(set(names)))


def _named_rows(found: Found) -> Mistake | None:
    """`- out: 32, stride: 1` in place of a header, and in the lines below it."""
    source, start = found.line.source, found.span.start
    end = closing(source, source.text.rfind("{", 0, start))
    rows = [re.findall(r"(\w+)\s*:\s*([^,\s]+)", line) for line in source.text[start:end].split("\n")]
    rows = [row for row in rows if row]
    names = [name for name, _ in rows[0]]
    if any([name for name, _ in row] != names for row in rows):
        return None
    lines = ["  ".join(names), *("  ".join(value for _, value in row) for row in rows)]
    place = Span(source, start, len(source.text[:end].rstrip()))
    fix = Fix(
        f"write the header `{lines[0]}`, and a row of values for each line",
        (Edit(place, "\n  ".join(lines)),),
    )
    return Mistake(found.message, fix, found.span, end=end)


def _apart(found: Found) -> Mistake | None:
    """`round_to (w, 8)`."""
    line = [token for token in tokens(found.line.source) if found.span.start <= token.start < found.span.end]
    text, moved = found.span.text, 0
    for word, bracket in zip(line, line[1:], strict=False):
        if word.text in FUNCTIONS and bracket.text == "(" and bracket.start > word.end:
            text = (
                text[: word.end - found.span.start - moved] + text[bracket.start - found.span.start - moved :]
            )
            moved += bracket.start - word.end
    return found.write(re.sub(r"\s{2,}", "  ", text)) if moved else None


def _conditional(found: Found) -> Mistake | None:
    """`if stride == 1 then 2 else 1` in a cell."""
    return None if found["before"].endswith("(") else found.write(f"({found.span.text})")


def _transition(found: Found) -> Mistake | None:
    """`bn, relu, conv(in // 2, 1)` between the rows of a table."""
    steps = found["rest"].strip(" ,}")
    first = re.match(r"\w+", steps)
    if not first or (first[0] not in OPERATIONS and not own_name(first[0])) or re.match(r"\w+\s*=", steps):
        return None
    return found.write(f"layers {{ {steps} }}")


def _sums(found: Found) -> Mistake | None:
    """`16 * k  2  1`."""
    values = set(found.pieces("sums", "value"))
    cells = [
        cell if cell in values else f"({' '.join(cell.split())})" for cell in found.pieces("sums", "sum")
    ]
    return found.write("  ".join(cells)) if not values.issuperset(cells) else None


LINE_RULES = read_table(_TABLE, globals())


def mistake_in_row(row: Span) -> Mistake | None:
    """The known mistake of a row that the grammar accepts, as more cells than are meant."""
    line = [token for token in tokens(row.source) if row.start <= token.start < row.end]
    return mistake_of(LINE_RULES, Line(row.source, line, 0, frozenset(), "row", line[0].text, [line]))
