"""Warnings about unused and hidden names, and unreachable cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from netdsl.base.source import Span
from netdsl.base.tree import bodies, nested
from netdsl.diagnostics import Diagnostics, Fix, Help, Label, remove, write
from netdsl.resolve.load_files import File
from netdsl.syntax import nodes


def warn_of_names(files: Mapping[str, File], diagnostics: Diagnostics) -> None:
    """Warns of the names in the file of a network; the names of a library are for other files."""
    _Names(files, diagnostics).run()


class _Names:
    def __init__(self, files: Mapping[str, File], diagnostics: Diagnostics) -> None:
        self._files = files
        self._file = next(iter(files.values()))
        self._statements = self._file.program.statements
        self._diagnostics = diagnostics
        self._constants: dict[str, Span] = {}
        # The number of statements that use each name.
        self._uses = Counter(name for statement in self._statements for name in set(_used(statement)))

    def run(self) -> None:
        for statement in self._statements:
            match statement:
                case nodes.Network(parameters=parameters):
                    for name, default in parameters:
                        whole = name.span.to(default.span) if default else name.span
                        self._constant(name, "the network parameter", remove(whole, safe=False))
                case nodes.Let(name, _, span):
                    self._constant(name, "the constant", remove(span))
        if not self._holds_a_block():
            self._blocks()
        for statement in self._statements:
            match statement:
                case nodes.Block(parameters=parameters, body=body):
                    self._parameters(statement)
                    self._body(body)
                case nodes.Section(body=body):
                    self._body(body)
                case nodes.Stages(rows=rows):
                    for row in rows:
                        if isinstance(row, nodes.Section):
                            self._body(row.body)

    def _unused(self, what: str, name: nodes.Word, help: Help) -> None:
        self._diagnostics.warning("NET701", f"{what} `{name.text}` is unused", name.span, help=help)

    def _constant(self, name: nodes.Word, what: str, help: Help) -> None:
        self._constants[name.text] = name.span
        if name.text not in self._uses:
            self._unused(what, name, help)

    # blocks

    def _holds_a_block(self) -> bool:
        """Whether `--set` may choose among blocks."""
        blocks = {s.name.text for s in self._statements if isinstance(s, nodes.Block)}
        parameters = (p for s in self._statements if isinstance(s, nodes.Network) for p in s.parameters)
        return any(isinstance(p.default, nodes.Name) and p.default.name in blocks for p in parameters)

    def _blocks(self) -> None:
        for statement in self._statements:
            if isinstance(statement, nodes.Block) and self._uses[statement.name.text] == 0:
                help = ("call it", remove(statement.span, safe=False))
                self._unused("the block", statement.name, help)
        for path, place in self._file.used:
            defined = {
                s.name.text for s in self._files[path].program.statements if isinstance(s, nodes.Block)
            }
            if not defined & self._uses.keys():
                fix = remove(place, "remove the `use`")
                self._diagnostics.warning("NET701", "no block of this file is used", place, help=fix)

    def _parameters(self, block: nodes.Block) -> None:
        used = set(_used(block.body))
        for parameter in reversed(block.parameters):
            if parameter.name.text not in used:
                what = f"in the block `{block.name.text}`, the parameter"
                self._unused(what, parameter.name, "use it in the body, or remove it")
            used.update(_used(parameter.default))

    # bodies

    def _body(self, body: nodes.Body) -> None:
        later: set[str] = set()
        read: set[str] = set()
        for step in reversed(body.steps):
            match step:
                case nodes.Let(name, _, span):
                    self._local(name, name.text in later, "the constant", remove(span))
                case nodes.Save(name, span):
                    if name.text not in read:
                        help = (f"read it with `from {name.text}`", remove(span, safe=False))
                        self._unused("the saved tensor", name, help)
                case nodes.Repeat(times=times, variable=name, body=inner):
                    if name is not None:
                        index = Span(name.span.source, times.span.end, name.span.end)
                        fix = Fix("remove it", write(index, "").edits)
                        self._local(name, name.text in set(_used(inner)), "the index", fix)
                    self._times(times)
                case nodes.When():
                    self._cases(step)
            for inner in bodies(step):
                self._body(inner)
            later.update(_used(step))
            read.update(back.name.text for back in nested(step, nodes.From))

    def _times(self, times: nodes.Expr) -> None:
        if isinstance(times, nodes.Literal) and times.value in (0, 1):
            how, help = (
                ("never runs", "remove it")
                if times.value == 0
                else ("runs once", "write its steps without it")
            )
            self._diagnostics.warning("NET708", f"`repeat {times.value}` {how}", times.span, help=help)

    def _local(self, name: nodes.Word, used: bool, what: str, help: Help) -> None:
        if not used:
            self._unused(what, name, help)
        elif name.text in self._constants:
            self._diagnostics.warning(
                "NET702",
                f"`{name.text}` hides the constant of the same name",
                name.span,
                also=[Label(self._constants[name.text], "this one")],
                help="choose another name",
            )

    def _cases(self, when: nodes.When) -> None:
        """Warns of constant and of duplicate conditions."""
        before: dict[str, Span] = {}
        for condition, _ in when.cases:
            text = " ".join(condition.span.text.split())
            if text in before:
                self._diagnostics.warning(
                    "NET706",
                    "unreachable case: an earlier one has the same condition",
                    condition.span,
                    also=[Label(before[text], "first here")],
                    help="remove it, or correct its condition",
                )
            elif not any(_used(condition)):
                self._diagnostics.warning(
                    "NET706",
                    "constant condition: one of the cases is unreachable",
                    condition.span,
                    help="write the steps of the other case without the `when`",
                )
            before.setdefault(text, condition.span)


def _used(node: object) -> Iterator[str]:
    """The names in the expressions and calls of a tree."""
    for found in nested(node, (nodes.Name, nodes.Call, nodes.Stages)):
        match found:
            case nodes.Name(name):
                yield name
            case nodes.Call(name=word) | nodes.Stages(block=word):
                yield word.text
