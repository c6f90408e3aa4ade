"""Random networks over the whole language, valid but for what only shapes decide.

Inside of joins height and width are kept, so that branches meet; channels go where they like.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import strategies as st

ACTIVATIONS = ["relu", "relu6", "elu", "gelu", "silu", "hardswish", "hardsigmoid", "sigmoid", "tanh", "prelu"]
ORDERS = [
    "",
    "order bn, relu, conv",
    "order conv, +, bn, relu",
    "order conv, bn, relu",
    "order groupnorm(1), silu, conv",
]
INITS = [
    "",
    "init pytorch",
    "init {\n  conv kaiming_normal(mode=fan_out)\n  bias constant(0.1)\n}",
    "init pytorch {\n  conv xavier_uniform\n  linear normal(std=0.01)\n  bn constant(0.5)\n}",
]


@dataclass(frozen=True)
class Names:
    """The names that a body can use: numbers, flags, operations, kernels, saved tensors, blocks."""

    numbers: tuple[str, ...] = ("in",)
    flags: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()
    saved: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()
    depth: int = 2
    # With a `+` in the order a skip body's only unit is its last step.
    units: bool = True
    plus: bool = False
    # Directly in a section or block.
    direct: bool = True

    def inner(self) -> Names:
        return replace(self, depth=self.depth - 1, direct=False)

    def in_skip(self) -> Names:
        return replace(self.inner(), units=self.units and not self.plus)

    def in_each(self) -> Names:
        return replace(self, depth=self.depth - 1, saved=())


@dataclass
class Counter:
    """Gives every `let`, `save`, index and label a name of its own."""

    count: int = 0
    labels: list[str] = field(default_factory=list)

    def name(self, start: str) -> str:
        self.count += 1
        return f"{start}{self.count}"


@st.composite
def numbers(draw: st.DrawFn, names: Names) -> str:
    """A small whole number of at least 1."""
    name = draw(st.sampled_from(names.numbers))
    flag = draw(st.sampled_from([*names.flags, f"{name} > 3"]))
    forms = [
        "2",
        "4",
        "6",
        f"min({name}, 8)",
        f"max({name} // 2, 1)",
        f"min({name}, 6) + 2",
        f"{name} % 3 + 1",
    ]
    forms += [
        f"if {flag} then 4 else min({name}, 5)",
        f"round_to(min({name}, 9), 4)",
        f"ceil(min({name}, 9) / 2)",
    ]
    return draw(st.sampled_from(forms))


@st.composite
def conditions(draw: st.DrawFn, names: Names) -> str:
    name = draw(st.sampled_from(names.numbers))
    forms = [f"{name} > 4", f"{name} == 2", *names.flags, *(f"not {flag}" for flag in names.flags)]
    forms += [f"{operation} == relu" for operation in names.operations]
    return draw(st.sampled_from(forms))


@st.composite
def layers(draw: st.DrawFn, names: Names, counter: Counter) -> str:
    """One operation that keeps height and width."""
    kernel = draw(st.sampled_from(["1", "3", "5", "1x3", "3x1", *names.kernels]))
    kind = draw(st.sampled_from(["conv", "conv", "unit", "other", "other", "held", "block"]))
    label = f"{counter.name('l')}: " if draw(st.integers(0, 6)) == 0 else ""
    if kind == "conv":
        more = draw(
            st.sampled_from(["", "", ", bias=no", ", dilation=2", *(f", bias={f}" for f in names.flags)])
        )
        return f"{label}conv({draw(numbers(names))}, {kernel}{more})"
    if kind == "unit" and names.units:
        return f"unit({draw(numbers(names))}, 3)"
    if kind == "held" and names.operations:
        return label + draw(st.sampled_from(names.operations))
    if kind == "block" and names.blocks:
        return label + draw(calls(names))
    simple = ["bn", "bn(affine=no)", "groupnorm(1)", "layernorm", "dropout(0.3)", "drop_path(0.4)", "lrn(3)"]
    simple += [
        "layer_scale(0.5)",
        "scale(-0.5)",
        "identity",
        "channel_shuffle(1)",
        "slice(0)",
        "leaky_relu(0.2)",
        "attention(1)",
        "attention(1, window=3, shift=1, bias=relative)",
        f"linear({draw(numbers(names))})",
    ]
    simple += [
        "maxpool(3, 1, padding=1)",
        "avgpool(3, 1, padding=1, count_padding=no)",
        f"depthwise({kernel})",
    ]
    step = draw(st.sampled_from([*simple, *ACTIVATIONS]))
    return label + step if "(" in step else step


@st.composite
def calls(draw: st.DrawFn, names: Names) -> str:
    block = draw(st.sampled_from(names.blocks))
    arguments = [draw(numbers(names))]
    if draw(st.booleans()):
        arguments.append(f"flag={draw(st.sampled_from(['yes', 'no', *names.flags]))}")
    if draw(st.booleans()):
        arguments.append(f"act={draw(st.sampled_from(['relu', 'silu', 'bn', *names.operations]))}")
    if draw(st.booleans()):
        arguments.append(f"k={draw(st.sampled_from(['1', '3', '3x1', *names.kernels]))}")
    return f"{block}({', '.join(arguments)})"


@st.composite
def bodies(draw: st.DrawFn, names: Names, counter: Counter, least: int = 0) -> str:
    steps: list[str] = []
    for _ in range(draw(st.integers(least, 3))):
        kind = draw(st.sampled_from(["step", "step", "step", "let", "save"]))
        if kind == "let":
            name = counter.name("v")
            steps.append(f"let {name} = {draw(numbers(names))}")
            names = replace(names, numbers=(*names.numbers, name))
        elif kind == "save":
            name = counter.name("s")
            steps.append(f"save {name}")
            names = replace(names, saved=(*names.saved, name))
        else:
            steps.append(draw(steps_of(names, counter)))
    return ", ".join(steps)


@st.composite
def steps_of(draw: st.DrawFn, names: Names, counter: Counter) -> str:
    """A step that keeps height and width."""
    kinds = ["layer", "skip", "same", "shortcut", "add", "concat", "mul", "repeat", "when", "from", "each"]
    kind = draw(st.sampled_from(kinds)) if names.depth else "layer"
    inner = names.inner()
    if kind == "layer":
        return draw(layers(names, counter))
    if kind == "repeat":
        index = counter.name("i")
        inner = replace(inner, numbers=(*names.numbers, f"({index} + 1)"))
        times = draw(
            st.sampled_from(["1", "2", "3", "min(in, 3)", *(f"if {f} then 2 else 1" for f in names.flags)])
        )
        if draw(st.booleans()):
            return f"repeat {times} {{ {draw(bodies(replace(inner, numbers=names.numbers), counter, 1))} }}"
        return f"repeat {times} as {index} {{ {draw(bodies(inner, counter, 1))} }}"
    if kind == "when":
        first, second = draw(bodies(inner, counter)), draw(bodies(inner, counter))
        third = f" else when {draw(conditions(names))} {{ {draw(bodies(inner, counter))} }}"
        middle = third if draw(st.booleans()) else ""
        otherwise = f" else {{ {second} }}" if draw(st.booleans()) else ""
        return f"when {draw(conditions(names))} {{ {first} }}{middle}{otherwise}"
    if kind == "from" and names.saved:
        saved = draw(st.sampled_from(names.saved))
        return f"concat {{ | identity | from {saved}, {draw(layers(names, counter))} }}"
    out = draw(st.sampled_from(["2", "4"]))
    if kind == "each" and names.direct:
        one, other = counter.name("s"), counter.name("s")
        body = f"{draw(bodies(names.in_each(), counter))}, conv({out}, 3)"
        saved = f"conv({out}, 1), save {one}, conv({out}, 3), save {other}"
        return f"{saved}, each {one}, {other} {{ {body} }}, concat {{ | identity | from {one} }}"
    inner = names.in_skip() if kind in ("same", "skip", "shortcut") else inner
    first, second = draw(bodies(inner, counter)), draw(bodies(inner, counter))
    drop = draw(st.sampled_from(["", "", "(drop_path=0.3)"]))
    if kind == "same":
        return f"skip if same{drop} {{ {first}, conv({draw(numbers(names))}, 1) }}"
    if kind == "skip":
        return f"conv({out}, 1), skip{drop} {{ {first}, conv({out}, 3) }}"
    if kind == "shortcut" and draw(st.booleans()):
        return f"skip{drop} {{ {first}, unit({out}, 3) }} shortcut {{ {second}, conv({out}, 1) }}"
    if kind == "shortcut":
        return f"skip{drop} {{ {first}, conv({out}, 3) }} shortcut {{ conv({out}, 1) }}"
    if kind == "concat":
        return f"concat {{ | {first} | {second} | conv({out}, 1) }}"
    if kind == "mul":
        return f"conv({out}, 1), mul {{ | identity | {first}, global_avgpool, conv({out}, 1), sigmoid }}"
    return f"add {{ | {first}, conv({out}, 1) | {second}, conv({out}, 3) }}"


@st.composite
def networks(draw: st.DrawFn) -> str:
    """The text of a network on small images, with blocks, stages and sections."""
    counter = Counter()
    blocks: tuple[str, ...] = ()
    texts = []
    order, init = draw(st.sampled_from(ORDERS)), draw(st.sampled_from(INITS))
    plus = not order or "+" in order
    for _ in range(draw(st.integers(1, 2))):
        name = counter.name("b")
        own = Names(("in", "n"), ("flag",), ("act",), ("k",), (), blocks, plus=plus)
        default = draw(st.sampled_from(["", "default conv(bias=no)\n  "]))
        body = draw(bodies(own, counter, 1))
        texts.append(f"block {name}(n, flag=no, act=relu, k=3) {{ {default}{body}, act }}")
        blocks = (*blocks, name)
    names = Names(("in", "w"), ("deep",), (), (), (), blocks, plus=plus)
    parts = [f"stem {{ {draw(bodies(names, counter, 1))} }}"]
    for _ in range(draw(st.integers(1, 2))):
        staged = replace(names, numbers=("in", "w", "(index + 1)", "(block_index + 1)"))
        parts.append(
            f"stage {draw(calls(staged))[:-1]}, repeat={draw(st.integers(1, 4))})".replace("(, ", "(")
        )
        parts.append(f"layers {{ {draw(bodies(names, counter))}, maxpool(3, 2, padding=1) }}")
    head = "head { bn, global_avgpool, flatten, linear(classes) }"
    start = "network n(w=4, deep=yes)\ninput 3x6x5\nclasses 3"
    return "\n".join([start, order, *texts, *parts, head, init]) + "\n"
