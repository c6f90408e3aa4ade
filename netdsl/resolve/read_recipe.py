"""Reads the recipe: the `train` statement and the overrides of the command line."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction
from typing import Any, cast

from netdsl.base.source import Span
from netdsl.base.values import Value, show
from netdsl.diagnostics import (
    Diagnostics,
    Fix,
    Help,
    Label,
    add_line,
    closest,
    listing,
    misspelt,
    nearest,
    remove,
    write,
)
from netdsl.language.argument_types import ArgType, Mismatch, convert, example, expected, schema, signature
from netdsl.language.detectors import losses
from netdsl.language.recipe import CHOICES, KEYS, LISTS, Part, Recipe
from netdsl.language.words import STATEMENTS
from netdsl.other_frameworks.recipe_lines import NO_KEYS, own_choice, recipe_line
from netdsl.other_frameworks.translation import own_argument, own_name, translated
from netdsl.resolve.bind_arguments import argument_values, words_of
from netdsl.resolve.scope import Scope
from netdsl.syntax import nodes

# The kinds of values of keys, if they aren't called like the key.
_KINDS = {"data": "data set", "augment": "augmentation", "groups": "group", "tta": "test-time augmentation"}


class RecipeReader:
    """Reads one recipe. A key with an error is reported and keeps its default.

    `parts` are the names of the network's parts, None if they are unknown; `detector` is the kind of detector
    that it is, or empty.
    """

    def __init__(
        self, scope: Scope, parts: Collection[str] | None, diagnostics: Diagnostics, detector: str
    ) -> None:
        self._detector = detector
        self._scope = scope
        self._parts = parts
        self._diagnostics = diagnostics

    def read(
        self, train: nodes.Train | None, overrides: Mapping[str, tuple[nodes.Expr, ...]]
    ) -> tuple[Recipe, dict[str, Span], set[str]]:
        """The recipe, the spans of its keys, and the keys with an unknown value: it is wrong, or may be in a
        line with a syntax error.
        """
        recipe = Recipe()
        seen: dict[str, Span] = {}
        places: dict[str, Span] = {}
        wrong: set[str] = set()
        entries = [entry for entry in train.entries if isinstance(entry, nodes.Entry)] if train else []
        of_optimizer = [entry for entry in entries if _argument_of_optimizer(entry)]
        lost = train is not None and len(entries) < len(train.entries)
        for entry in entries:
            key = entry.key.text
            if key not in KEYS:
                lost = True
                if entry in of_optimizer[1:]:
                    continue  # reported with the first one
                help, also = _key_help(entry, train), []
                if entry in of_optimizer:
                    help = _of_optimizer(of_optimizer, entries)
                    also = [Label(other.key.span) for other in of_optimizer[1:]]
                message = f"the recipe has no key `{key}`"
                self._diagnostics.error("NET501", message, entry.key.span, also=also, help=help)
            elif key in seen:
                self._diagnostics.error(
                    "NET501",
                    f"duplicate key `{key}`",
                    entry.key.span,
                    also=[Label(seen[key], "first here")],
                    help=remove(entry.span, "remove one", safe=False),
                )
            else:
                seen[key] = entry.key.span
                places[key] = entry.span
                changed = self._set(recipe, key, entry.values)
                recipe = changed or recipe
                if changed is None:
                    wrong.add(key)
        for path, values in overrides.items():
            if not values:  # it has a syntax error
                continue
            key = path.partition(".")[0]
            changed = self._override(recipe, path, values)
            recipe = changed or recipe
            places[key] = values[0].span
            if changed is None:
                wrong.add(key)
        return recipe, places, wrong | (set(KEYS) - places.keys() if lost else set())

    def _set(self, recipe: Recipe, key: str, values: tuple[nodes.Expr, ...]) -> Recipe | None:
        """The recipe with another value, or None after a diagnostic."""
        result: object
        if key in LISTS:
            if len(values) == 1 and isinstance(values[0], nodes.Name) and values[0].name == "none":
                return dataclasses.replace(recipe, **cast(Any, {key: ()}))
            read = self._choice if key in CHOICES else self._part
            found = [read(key, value) for value in values]
            result = None if None in found else tuple(found)
        elif len(values) != 1:
            self._diagnostics.error(
                "NET501",
                f"`{key}` takes one value",
                values[1].span,
                help=remove(values[1].span.to(values[-1].span), "remove what follows the comma", safe=False),
            )
            return None
        elif key in CHOICES:
            result = self._choice(key, values[0])
        else:
            result = self._converted(Recipe, key, key, values[0])
        return None if result is None else dataclasses.replace(recipe, **cast(Any, {key: result}))

    def _override(self, recipe: Recipe, path: str, values: tuple[nodes.Expr, ...]) -> Recipe | None:
        """`epochs`, or `optimizer.lr`: one argument of the chosen optimizer."""
        key, _, part = path.partition(".")
        if key in KEYS and not part:
            return self._set(recipe, key, values)
        chosen: Any = getattr(recipe, key, None)
        arguments = (
            [f.name for f in dataclasses.fields(chosen)] if key in CHOICES and key not in LISTS else []
        )
        if part not in arguments:
            keys = [f"{key}.{name}" for name in arguments] or list(KEYS)
            help = nearest(path, keys) or f"one of {', '.join(keys)}"
            self._diagnostics.error("NET501", f"the recipe has no key `{path}`", values[0].span, help=help)
            return None
        result = self._converted(type(chosen), part, f"{key}.{part}", values[0])
        if result is None:
            return None
        return dataclasses.replace(recipe, **cast(Any, {key: dataclasses.replace(chosen, **{part: result})}))

    def _converted(self, cls: type, field: str, shown: str, node: nodes.Expr) -> object | None:
        arg_type = _type(cls, field)
        value = self._scope.value(node, words_of(arg_type), expected(arg_type))
        if value is None:
            return None
        result = arg_type.convert(value)
        if isinstance(result, Mismatch):
            help = _whole_help(field, value, node.span) or f"it must be {result.expected}"
            self._diagnostics.error("NET501", f"`{shown}` is {show(value)}", node.span, help=help)
            return None
        return result

    def _part(self, key: str, node: nodes.Expr) -> str | None:
        """The path of a part or of a layer in one."""
        match node:
            case nodes.Name(path):
                pass
            case nodes.Literal(str(path)):
                pass
            case _:
                known = listing(self._parts or ())
                help = f"write names of parts, of {known}, or paths in quotes"
                self._diagnostics.error("NET501", f"`{key}` is {node.span.text}", node.span, help=help)
                return None
        return self._known_path(path, node.span)

    def _known_path(self, path: str, span: Span) -> str | None:
        """The path, if it is one of a part, or of something in one; `span` is all of its text."""
        part, dot, rest = path.partition(".")
        if self._parts is None or part in self._parts:
            return path
        near = closest(part, self._parts)
        if near:
            own = near if not dot and '"' not in span.text else f'"{near}{dot}{rest}"'
            fix: Help = write(span, own, safe=False)
        else:
            fix = f"use {listing(self._parts)}, or a path that begins with one, in quotes"
        self._diagnostics.error("NET501", f"the network has no part `{part}`", span, help=fix)
        return None

    def _choice(self, key: str, node: nodes.Expr) -> object | None:
        choices = CHOICES[key]
        usual = losses(self._detector) if key == "loss" else tuple(choices)
        word = node.function if isinstance(node, nodes.Apply) else None
        name = word.text if word else node.name if isinstance(node, nodes.Name) else ""
        if name not in choices:
            text = node.span.text.strip('"')
            shown = word.span if word else node.span
            own = translated(text) if own_name(name or text) in choices else ""
            if own in choices:
                own = example(own, choices[own])
            # A longer name is of another loss: `binary_cross_entropy`.
            other = key == "loss" and any(loss in name for loss in usual)
            near = None if other else misspelt(shown, usual, name or text)
            help: Help = write(node.span, own) if own else near or ""
            if isinstance(node, nodes.ListOf):
                help = write(node.span, text.strip("[]"), ", without brackets")
            if text in choices:
                help = write(node.span, text, ", without quotes")
            if key == "data" and not help:
                plain = (c for c, cls in choices.items() if not any(p.required for p in signature(cls)))
                known = listing(plain)
                help = (write(node.span, f'folder("{name or text}")', safe="/" in text), f"use {known}")
            if key == "augment" and isinstance(node, nodes.Binary):
                help = write(node.span, ", ".join(_operands(node)), ", with commas")
            if key == "augment" and not help:
                help = dataclasses.replace(
                    _left_out(node.span), title="leave it out, or use `flip`, `crop(4)` or `cutout(16)`"
                )
            help = help or _as_argument(name, node, choices)
            if key == "loss":
                help = help or write(node.span, usual[0], " instead", safe=False)
            help = help or f"use one of {listing(usual)}"
            message = f"there is no {_KINDS.get(key, key)} `{shown.text}`"
            self._diagnostics.error("NET501", message, shown, help=help)
            return None
        cls = choices[name]
        arguments = node.arguments if isinstance(node, nodes.Apply) else ()
        values = argument_values(
            name, cls, arguments, node.span, self._scope, self._diagnostics, code="NET501"
        )
        found = None if values is None else cast(object, convert(cls, values))
        if isinstance(found, Part):
            path = next(a.value.span for a in arguments if a.name is None or a.name.text == "path")
            return found if self._known_path(found.path, path) else None
        return found


def _argument_of_optimizer(entry: nodes.Entry) -> str:
    """The argument that `lr 0.1`, as a key of its own, is of the optimizer; else empty."""
    key = entry.key.text
    line = "" if key in KEYS else recipe_line(key, entry.span.text.removeprefix(key))
    return line.removeprefix("optimizer sgd(").removesuffix(")") if line.startswith("optimizer sgd(") else ""


def _of_optimizer(arguments: Sequence[nodes.Entry], entries: Sequence[nodes.Entry]) -> Fix:
    """The fix that gives the optimizer the arguments that are keys; it keeps its others."""
    given = [_argument_of_optimizer(entry) for entry in arguments]
    names = {text.partition("=")[0] for text in given}
    chosen = next((entry.values[0] for entry in entries if entry.key.text == "optimizer"), None)
    name = "sgd"
    match chosen:
        case nodes.Apply(function, others):
            name = own_name(function.text) or function.text
            given += [text for text in map(_text, others) if text.partition("=")[0] not in names]
        case nodes.Name(name):
            pass
    line = f"{name}({', '.join(given)})"
    removed = [edit for entry in arguments[chosen is None :] for edit in remove(entry.span).edits]
    if chosen is None:
        return Fix(
            f"write `optimizer {line}`", (*write(arguments[0].span, f"optimizer {line}").edits, *removed)
        )
    left = f"leave the line{'s' * (len(arguments) > 1)} out"
    return Fix(f"{left}, and write `optimizer {line}`", (*removed, *write(chosen.span, line).edits))


def _key_help(entry: nodes.Entry, train: nodes.Train | None) -> Help:
    """The help for an unknown key."""
    key = entry.key.text
    line = recipe_line(key, entry.span.text.removeprefix(key))
    if line:
        return write(entry.span, line)
    if key in STATEMENTS and train:
        start = Span(train.span.source, train.span.start, train.span.start)
        moved = add_line(start, entry.span.text, before=True)
        title = "move the line out of `train`: it is a statement"
        lines = start.source.text.split("\n")
        here = lines[start.source.position(entry.span.start)[0] - 1]
        other = sum(line.startswith(f"{key} ") for line in lines) > here.startswith(f"{key} ")
        return Fix(title, (*remove(entry.span).edits, *moved.edits), safe=not other)
    if key == "warmup" and train:
        return _of_schedule(entry, train)
    why = NO_KEYS.get(key, "")
    if why.startswith("leave the line out"):
        return remove(entry.span, why)
    left = remove(entry.span, f"leave the line out: the keys are {', '.join(KEYS)}", safe=False)
    return why or misspelt(entry.key.span, KEYS) or left


def _of_schedule(warmup: nodes.Entry, train: nodes.Train) -> Fix:
    """The fix that gives the schedule the warm-up that is a key; cosine is the usual one."""
    given = f"warmup={warmup.values[0].span.text}"
    entries = (entry for entry in train.entries if isinstance(entry, nodes.Entry))
    chosen = next((entry.values[0].span for entry in entries if entry.key.text == "schedule"), None)
    if chosen is None:
        return write(warmup.span, f"schedule cosine({given})", safe=False)
    new = f"{chosen.text[:-1]}, {given})" if chosen.text.endswith(")") else f"{chosen.text}({given})"
    edits = (*remove(warmup.span).edits, *write(chosen, new).edits)
    return Fix(f"leave the line out, and write `schedule {new}`", edits)


def _as_argument(name: str, node: nodes.Expr, choices: Mapping[str, type]) -> Help:
    """The help for an argument in place of the choice that takes it: `loss label_smoothing(0.1)`."""
    given = node.arguments if isinstance(node, nodes.Apply) else ()
    for choice, cls in choices.items():
        known = [parameter.name for parameter in signature(cls)]
        own = name if name in known else own_argument(name, known)
        if own in known and given:
            return write(node.span, f"{choice}({own}={given[0].value.span.text})")
    return ""


def _left_out(item: Span) -> Fix:
    """The fix that removes one of several augmentations, or writes `none` in place of the only one."""
    text = item.source.text
    several = text[: item.start].rstrip().endswith(",") or text[item.end :].lstrip(" ").startswith(",")
    return remove(item, safe=False) if several else write(item, "none", safe=False)


def _operands(node: nodes.Expr) -> list[str]:
    """`flip` and `crop(4)` of `flip + crop(4)`."""
    if isinstance(node, nodes.Binary):
        return [*_operands(node.left), *_operands(node.right)]
    return [own_choice(node.span.text) or node.span.text]


def _text(argument: nodes.Argument) -> str:
    value = argument.value.span.text
    return f"{argument.name.text}={value}" if argument.name else value


def _whole_help(field: str, value: Value, place: Span) -> Fix | None:
    """The fix for a fraction or a text in place of a whole number."""
    if isinstance(value, str) and value.isdigit():
        return write(place, value, ", without quotes")
    if not isinstance(value, Fraction) or value <= 0:
        return None
    if field in ("validation", "images") and value < 1:
        why = ": a number of images, of the 50,000 of CIFAR"
        return write(place, str(round(value * 50_000)), why)
    return write(place, str(round(value)), safe=False) if value >= 1 else None


def _type(cls: type, field: str) -> ArgType:
    return cast(ArgType, next(f for f in schema(cls) if f.name == field).metadata["type"])
