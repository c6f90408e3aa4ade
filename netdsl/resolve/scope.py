"""The constants of a file, and expressions from the syntax tree."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache

from netdsl.base.source import Span
from netdsl.base.values import LARGEST, Size, Symbol, Value, is_number, show
from netdsl.diagnostics import Diagnostics, Fix, Help, Label, add_line, listing, misspelt, write
from netdsl.language.argument_types import Word, signature
from netdsl.language.expressions import FUNCTIONS, IN, Const, Expr, Operator, Ref, evaluate, references
from netdsl.ops import OPERATIONS
from netdsl.other_frameworks.translation import own_argument, own_name, own_value
from netdsl.other_frameworks.untranslated import FUNCTIONS as OTHER_FUNCTIONS
from netdsl.other_frameworks.untranslated import numeral
from netdsl.resolve.bindings import FileNames
from netdsl.resolve.parameter_values import check_value
from netdsl.resolve.undefined_names import undefined_name_help
from netdsl.syntax import nodes

# The maximal depth of an expression, with the definitions that it uses. The depth of `1 + 1 + …` is its
# length.
MAX_DEPTH = 100


# Helps for names that are expected to have a meaning.
_MEANINGS = {
    "in": "move the line into a block or a section, where `in` is the size of the input, or write a number",
    "same": "write a number, or compare: `same` is only for `skip if same` and for paddings",
    "None": "leave the argument out",
}
# Words of other libraries for values.
_VALUES = {"none": "no", "valid": "0"}

# The values of parameters and constants.
_HELD = "a number, or the name of an operation or a block"


def check_name(word: nodes.Word, diagnostics: Diagnostics) -> None:
    """Rejects names that generated code can't have."""
    name = word.text
    if name in ("yes", "no"):
        diagnostics.error("NET202", f"`{name}` is a value, not a name", word.span, help="choose another name")
    if keyword.iskeyword(name) or name.startswith("__") or name == "self":
        message = f"`{name}` is reserved in Python"
        diagnostics.error("NET204", message, word.span, help="choose another name")


class Scope:
    """Evaluates the expressions of a file. `keys` are those of the blocks that it knows, by name; `overrides`
    are values of constants from the command line.
    """

    def __init__(
        self,
        names: FileNames,
        keys: Mapping[str, str],
        overrides: Mapping[str, nodes.Expr],
        diagnostics: Diagnostics,
    ) -> None:
        self.names = names
        # The name that `in` has: in a repeated part that becomes a block, that of a parameter.
        self.incoming = IN.name
        self._keys = keys
        self._overrides = overrides
        self._diagnostics = diagnostics
        self._values: dict[str, Value | None] = {}
        self._open: list[str] = []
        self._depth = 0

    def otherwise(self, name: str, value: int) -> Scope:
        """The scope with another value for one constant; its errors are not reported."""
        node = nodes.Literal(value, self.names.constants[name].span)
        return Scope(self.names, self._keys, {**self._overrides, name: node}, Diagnostics())

    def written(self, name: str) -> Span:
        """The span of a constant's value, in the file or on the command line."""
        node = self.definition(name)
        return node.span if node else self.names.constants[name].span

    def definition(self, name: str) -> nodes.Expr | None:
        """The expression of a constant, in the file or on the command line."""
        return self._overrides.get(name) or self.names.constants[name].value

    def constant(self, name: str) -> Value | None:
        """The value of a constant of the file, or None after a diagnostic."""
        if name in self._open:
            self._cycle(name)
            return None
        if name in self.names.own.unknown:
            return None
        if name not in self._values:
            node, span = self.definition(name), self.names.constants[name].span
            self._open.append(name)
            with self._deeper(span) as bounded:
                expr = self.held(nodes.Word(name, span), node, constant=True) if node and bounded else None
                value = None if expr is None else evaluate(expr, {}, self._diagnostics)
                self._values[name] = value if value is not None and self._declared(name, value) else None
            self._open.pop()
        return self._values[name]

    def _declared(self, name: str, value: Value) -> bool:
        """True if a value is one of those that its parameter declares, if it does; reports another one."""
        symbol = self.names.constants[name]
        values = [known for node in symbol.values if (known := self.value(node)) is not None]
        return not values or check_value(symbol, value, values, self.written(name), self._diagnostics)

    def held(self, name: nodes.Word, node: nodes.Expr, constant: bool = False) -> Expr | None:
        """The value that is given to a name, which may be an operation or a block."""
        word = nodes.Word(*node) if isinstance(node, nodes.Name) else None
        if word and self.names.is_lost(word.text) and not self.names.callee(word):
            return None
        return self.expression(self._unquoted(name, node), constant=constant, expected=_HELD)

    def _unquoted(self, name: nodes.Word, node: nodes.Expr) -> nodes.Expr:
        """The value for a name; after a diagnostic without quotes, if it is an operation, a block or a word
        in quotes.
        """
        if not isinstance(node, nodes.Literal) or not isinstance(node.value, str):
            return node
        own = (node.value, own_name(node.value), own_value(node.value.lower()))
        meant = next((n for n in own if n in OPERATIONS or n in self._keys or n in bare_words()), "")
        if not meant:
            return node
        message = f"`{name.text}` is the text {show(node.value)}"
        help: Help = write(node.span, meant, ", without quotes")
        if meant in bare_words() - {"yes", "no"}:
            help = f"write `{meant}` in the call that needs it: a parameter can't hold a word"
        self._diagnostics.error("NET302", message, node.span, help=help)
        return (
            nodes.Name(meant, node.span) if meant not in bare_words() else node._replace(value=_word(meant))
        )

    @contextmanager
    def _deeper(self, span: Span) -> Iterator[bool]:
        """Enters an expression, and returns whether it isn't too deep."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            message = f"the expression is nested more than {MAX_DEPTH} deep"
            self._diagnostics.error("NET104", message, span, help="name parts of it with `let`")
        yield self._depth <= MAX_DEPTH
        self._depth -= 1

    def _cycle(self, name: str) -> None:
        circle = [*self._open[self._open.index(name) :], name]
        spans = [self.names.constants[part].span for part in circle[:-1]]
        also = [Label(span) for span in spans[1:]]
        shown = " → ".join(circle)
        first = self.names.constants[name].value
        title = f"give `{name}` a number, such as 16"
        help = Fix(title, write(first.span, "16").edits, safe=False) if first else title
        self._diagnostics.error("NET203", f"circular definition: {shown}", spans[0], also=also, help=help)

    def value(self, node: nodes.Expr, words: Collection[str] = (), expected: str = "") -> Value | None:
        """The value of an expression of the file's constants; `words` are bare words, `expected` the values
        that it may have, for the help of an undefined name.
        """
        expr = self.expression(node, words, constant=True, expected=expected)
        return None if expr is None else evaluate(expr, {}, self._diagnostics)

    def argument(self, node: nodes.Expr, words: Collection[str] = ()) -> Expr | None:
        """Like `expression`, but a constant if there is no local name in it, so that it can be checked."""
        expr = self.expression(node, words)
        if not isinstance(expr, Operator) or any(references(expr)):
            return expr
        value = evaluate(expr, {}, self._diagnostics)
        return None if value is None else Const(value, expr.span)

    def expression(
        self, node: nodes.Expr, words: Collection[str] = (), constant: bool = False, expected: str = ""
    ) -> Expr | None:
        """The expression with the values of constants. Parameters and names of bodies stay names, or are
        undefined if it has to be `constant`; `words` are bare words.
        """
        match node:
            case nodes.Literal(value, span):
                return self._literal(value, span)
            case nodes.Name():
                return self._name(node, words, constant, expected)
            case nodes.Unary(name, operand, span):
                return self._operator("negative" if name == "-" else name, (operand,), span, constant)
            case nodes.Binary(name, left, right, span):
                return self._operator(name, (left, right), span, constant)
            case nodes.Choose(condition, yes, no, span):
                return self._operator("if", (condition, yes, no), span, constant)
            case nodes.ListOf(items, span):
                return self._operator("list", items, span, constant)
            case nodes.Apply():
                return self._apply(node, constant)

    def _literal(self, value: Value, span: Span) -> Expr | None:
        numbers = value.lengths if isinstance(value, Size) else (value,)
        if any(is_number(n) and n > LARGEST for n in numbers):  # type: ignore[operator]
            self._diagnostics.error(
                "NET103",
                f"`{span.text[:40]}` is too large or has too many digits",
                span,
                help=f"write a number of at most {LARGEST:.0e}",
            )
            return None
        return Const(value, span)

    def _name(self, node: nodes.Name, words: Collection[str], constant: bool, expected: str) -> Expr | None:
        name, span = node
        found = self.names.find(name, span)
        if found and found.is_constant:
            value = self.constant(name)
            return None if value is None else Const(value, span, name)
        if found and not constant:
            return Ref(self.incoming if name == IN.name else name, span)
        if name in words or name in OPERATIONS or name in self._keys:
            return Const(Symbol(self._keys.get(name, name)), span)
        if name not in self.names.own.unknown:
            known = self.names.constants if constant else self.names.known_at(span)
            self._unknown(node, [*known, *words, *self._keys], words, expected)
        return None

    def _unknown(
        self, node: nodes.Name, known: Collection[str], words: Collection[str], expected: str
    ) -> None:
        unread = self.names.own.program.unread
        if self._diagnostics.full or any(found.kind == "network" for found in unread):
            return  # it may be a parameter of the network
        place = node.span
        explains = self._diagnostics.explains
        if explains and (found := undefined_name_help(node.name, node.span, self.names)):
            self._diagnostics.error(
                "NET201", found.message, found.span or place, also=found.also, help=found.help
            )
            return
        own = own_argument(node.name, known) or own_value(node.name)
        guessed = "in" in known and own not in known and bool(own_argument(node.name, ["out"]))
        if "in" in known and (own_argument(node.name, ()) == "" or guessed):
            own = own if own in known else "in"
        defined = "classes" in known or "classes" in self.names.own.unknown
        if node.name in ("num_classes", "n_classes", "nclasses") and defined:
            own, known = "classes", [*known, "classes"]
        operation = own_name(node.name)
        if (operation in OPERATIONS or operation in self._keys) and own not in known:
            own, known = operation, [*known, operation]
        own = own if own in ("yes", "no") or own in known else _VALUES.get(node.name, numeral(node.name))
        if node.name == "valid" and not re.search(r"=\s*$", place.source.text[: place.start][-99:]):
            own = "padding=0"
        if expected == _HELD:
            known = [*known, *OPERATIONS]
        if "weight" in words and node.name in ("all", "both"):  # of `freeze`
            own = "yes"
        # An operation is a value of an argument, not of a condition.
        valued = own not in OPERATIONS or re.search(r"[=(,]\s*$", place.source.text[: place.start][-99:])
        help: Help = (
            write(place, own, safe=bool(valued) and not guessed)
            if own
            else _MEANINGS.get(node.name, "") or misspelt(place, known) or ""
        )
        if node.name in ("classes", "num_classes") and not own:
            help = self._number_of_classes(place)
        otherwise = f"it must be {expected}" if expected else "choose its value, and define it with `let`"
        help = help or (f"use one of {listing(words)}" if words else otherwise)
        self._diagnostics.error("NET201", f"the name `{node.name}` is not defined here", place, help=help)

    def _number_of_classes(self, place: Span) -> Help:
        """The help for `classes` or another word for it, where the file has no number of classes."""
        above = next(
            (
                s.span
                for s in self.names.own.program.statements
                if isinstance(s, (nodes.Input, nodes.Network))
            ),
            None,
        )
        if above is None:
            return "add a line `classes 10`, with the number of classes"
        line = add_line(above, "classes 10", ", with the number of classes", safe=False)
        return replace(line, edits=(*line.edits, *write(place, "classes").edits))

    def _operator(
        self, name: str, operands: tuple[nodes.Expr, ...], span: Span, constant: bool
    ) -> Expr | None:
        with self._deeper(span) as bounded:
            if not bounded:
                return None
            exprs = [self.expression(operand, (), constant) for operand in operands]
        found = [expr for expr in exprs if expr is not None]
        return Operator(name, tuple(found), span) if len(found) == len(exprs) else None

    def _apply(self, node: nodes.Apply, constant: bool) -> Expr | None:
        name = node.function.text
        if name not in FUNCTIONS:
            help: Help = _own_function(node) or misspelt(node.function.span, FUNCTIONS) or ""
            if name in OPERATIONS or name in self._keys:
                step = "write it as a separate step: a step has no value"
                help = step if node.arguments else write(node.span, name, ", without brackets")
            help = help or f"use one of the functions {', '.join(FUNCTIONS)}"
            self._diagnostics.error(
                "undefined-function", f"there is no function `{name}`", node.function.span, help=help
            )
            return None
        low, high = FUNCTIONS[name]
        named = [argument.name for argument in node.arguments if argument.name]
        if named or not low <= len(node.arguments) <= high:
            count = str(low) if low == high else f"at least {low}"
            values = [argument.value for argument in node.arguments]
            inside = next((v.span.text.strip("[]") for v in values if isinstance(v, nodes.ListOf)), "")
            given = [value.span.text for value in values[:high]]
            inside = inside or ", ".join(given) * (len(given) >= low)
            help = write(node.span, f"{name}({inside})") if inside else "give it another number"
            message = f"`{name}` takes {count} number{'' if count == '1' else 's'}, by position"
            self._diagnostics.error("NET301", message, node.span, help=help)
            return None
        return self._operator(name, tuple(argument.value for argument in node.arguments), node.span, constant)


def _own_function(node: nodes.Apply) -> Fix | None:
    """The fix for a function of another language whose arguments are numbers and names."""
    given = [argument.value.span.text for argument in node.arguments]
    template = OTHER_FUNCTIONS.get(node.function.text, "")
    needed = 1 + max(map(int, re.findall(r"{(\d)}", template)), default=99)
    if len(given) < needed or (template.count("{") > needed and not all(map(str.isalnum, given[:needed]))):
        return None
    return write(node.span, template.format(*given))


@cache
def bare_words() -> frozenset[str]:
    """The bare words that arguments of operations take."""
    types = (parameter.type for operation in OPERATIONS.values() for parameter in signature(operation))
    found = {word for arg_type in types if isinstance(arg_type, Word) for word in arg_type.words}
    return frozenset({"yes", "no"} | found - OPERATIONS.keys())


def _word(text: str) -> Value:
    return text == "yes" if text in ("yes", "no") else Symbol(text)
