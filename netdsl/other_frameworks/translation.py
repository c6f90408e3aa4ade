"""Translates layers, arguments and values of other libraries into the language."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from functools import cache

from netdsl.base.named_tuple import NamedTuple
from netdsl.other_frameworks.untranslated import ACTIVATIONS, no_step

# A name elsewhere, ours, and what its arguments by position are; `-` are those that the language works out
# by itself, or doesn't have.
_CALLS = """
Conv2d                 conv             - out kernel stride padding dilation groups bias
ConvTranspose2d        conv_transpose   - out kernel stride padding output_padding groups bias dilation
Linear                 linear           - out bias
BatchNorm1d            bn               - eps momentum affine
BatchNorm2d            bn               - eps momentum affine
GroupNorm              groupnorm        groups - eps
LayerNorm              layernorm        - eps
InstanceNorm2d         instancenorm     - eps momentum affine
LocalResponseNorm      lrn              size alpha beta k
ReLU                   relu             -
ReLU6                  relu6            -
LeakyReLU              leaky_relu       slope -
ELU                    elu              - -
GELU                   gelu             -
SiLU                   silu             -
Hardswish              hardswish        -
Hardsigmoid            hardsigmoid      -
Sigmoid                sigmoid
Tanh                   tanh
PReLU                  prelu            - -
MaxPool2d              maxpool          kernel stride padding - - ceil
AvgPool2d              avgpool          kernel stride padding ceil count_padding
AdaptiveAvgPool2d      adaptive_avgpool size
AdaptiveMaxPool2d      global_maxpool   -
Flatten                flatten          - -
Dropout                dropout          p -
Dropout2d              dropout          p -
StochasticDepth        drop_path        p -
ChannelShuffle         channel_shuffle  groups
Upsample               upsample         - factor mode
ZeroPad2d              pad              n
Identity               identity

Conv2D                 conv             out kernel stride padding
DepthwiseConv2D        depthwise        kernel stride padding
Conv2DTranspose        conv_transpose   out kernel stride padding
Dense                  linear           out -
BatchNormalization     bn               - momentum eps
LayerNormalization     layernorm        - eps
GroupNormalization     groupnorm        groups - eps
MaxPooling2D           maxpool          kernel stride padding
AveragePooling2D       avgpool          kernel stride padding
GlobalAveragePooling2D global_avgpool
GlobalMaxPooling2D     global_maxpool
SpatialDropout2D       dropout          p
UpSampling2D           upsample         factor
ZeroPadding2D          pad              n

convolution            conv             out kernel stride padding
convolutional          conv             out kernel stride padding
dwconv                 depthwise        kernel stride padding
deconv                 conv_transpose   out kernel stride padding
fc                     linear           out
fully_connected        linear           out
innerproduct           linear           out
batchnorm              bn               -
norm                   bn               -
swish                  silu
hswish                 hardswish
hsigmoid               hardsigmoid
leaky                  leaky_relu       slope
lrelu                  leaky_relu       slope
maxpooling             maxpool          kernel stride
pool                   maxpool          kernel stride
averagepool            avgpool          kernel stride
gap                    global_avgpool
global_pool            global_avgpool
BasicBlock             residual         - out stride
ResidualBlock          residual         out stride
ResBlock               residual         out stride

SGD                    sgd              - lr momentum - weight_decay nesterov
Adam                   adam             - lr
AdamW                  adamw            - lr
MultiStepLR            step             - at factor
MultiStep              step             at factor
CosineAnnealingLR      cosine           - -
CosineAnnealing        cosine           - -
CosineDecay            cosine           - -
OneCycleLR             onecycle         - -
RandomCrop             crop             - padding
RandomHorizontalFlip   flip             -
HorizontalFlip         flip             -
RandomFlip             flip             -
HFlip                  flip             -
CrossEntropyLoss       cross_entropy    - - - - - smoothing
SparseCategoricalCrossentropy cross_entropy
"""

# Names of arguments in other libraries, and in netdsl; the empty name drops the argument.
_ARGUMENTS = {
    **dict.fromkeys(("out_channels", "out_features", "filters", "units", "channels", "features", "num_output",
                     "num_filters", "out_planes", "planes", "width"), "out"),  # fmt: skip
    **dict.fromkeys(("kernel_size", "kernels", "pool_size", "ksize", "k", "size", "filter_size"), "kernel"),
    **dict.fromkeys(("in_channels", "in_features", "num_features", "num_channels", "normalized_shape",
                     "inplace", "input_shape", "device", "dtype", "in_planes", "params", "in", "cin",
                     "in_ch", "c_in", "input"), ""),  # fmt: skip
    **dict.fromkeys(("rate", "prob", "probability", "drop", "drop_rate", "dropout"), "p"),
    **dict.fromkeys(("strides", "step"), "stride"),
    **dict.fromkeys(("learning_rate", "base_lr", "initial_lr", "max_lr"), "lr"),
    "output_size": "size",
    "pad": "padding",
    "use_bias": "bias",
    "dilation_rate": "dilation",
    "num_groups": "groups",
    "negative_slope": "slope",
    "alpha": "slope",
    "ceil_mode": "ceil",
    "count_include_pad": "count_padding",
    "scale_factor": "factor",
    "epsilon": "eps",
    **dict.fromkeys(("stddev", "stdev", "sigma", "sd"), "std"),
    "mu": "mean",
    "milestones": "at",
    "steps": "at",
    "gamma": "factor",
    "warmup_epochs": "warmup",
    "label_smoothing": "smoothing",
    "wd": "weight_decay",
}
# Names with two translations: an operation has one of them.
_SIZES = {"kernel_size": "size", "size": "factor"}
# Synonyms among the parameters of blocks: a call with one name means the block's other name of the line.
_SYNONYMS = tuple(frozenset(line.split()) for line in """
    out filters channels width planes out_channels out_planes num_filters features dim dims units
    kernel kernel_size size k ksize filter_size
    stride strides s downsample
    reduction ratio squeeze r se_ratio reduction_ratio squeeze_ratio
    hidden bottleneck mid middle inner width_mid hidden_dim
    expand expansion expand_ratio t expansion_factor factor multiplier mult widen
    repeat repeats n times count num num_layers num_blocks layers depth
    drop drop_path drop_rate p dropout rate prob dropout_rate drop_prob
    act activation nonlinearity act_layer
    norm norm_layer normalization
    growth growth_rate
    groups num_groups cardinality
    """.strip().split("\n"))

_VALUES = {
    **dict.fromkeys(("True", "true", "TRUE", "on", "On", "Yes", "YES"), "yes"),
    **dict.fromkeys(("False", "false", "FALSE", "off", "Off", "No", "NO"), "no"),
    "None": "none",
}

# Values that are omitted, since they are the defaults of the language.
_DEFAULTS = {
    ("stride", "1"), ("dilation", "1"), ("groups", "1"), ("bias", "yes"), ("padding", "same"),
    ("affine", "yes"), ("ceil", "no"), ("count_padding", "yes"), ("padding", "none"),
}  # fmt: skip
# Arguments that are written by position.
_FIRST = ("out", "kernel", "size", "p", "slope", "n", "factor", "groups")

# The positional arguments of Keras' optimizers; PyTorch's take the parameters first.
_KERAS_OPTIMIZERS = {"sgd": ("lr", "momentum", "nesterov"), "adam": ("lr",), "adamw": ("lr", "weight_decay")}
_NUMBER = re.compile(r"\d+\.?\d*(e-?\d+)?|\.\d+(e-?\d+)?")


class _Known(NamedTuple):
    name: str
    order: tuple[str, ...]


@cache
def _known() -> tuple[dict[str, _Known], dict[str, _Known]]:
    """The table by exact names, and by names without case, underscores and dimension."""
    exact = {}
    for line in _CALLS.split("\n"):
        if line:
            name, ours, *order = line.split()
            exact[name] = _Known(ours, tuple(order))
    return exact, {_plain(name): known for name, known in reversed(exact.items())}


def _plain(name: str) -> str:
    return re.sub(r"[12]d$", "", name.lower().replace("_", ""))


def own_name(name: str) -> str:
    """The name in netdsl of an operation, block or word of a recipe; empty if unknown."""
    exact, plain = _known()
    found = exact.get(name) or plain.get(_plain(name))
    return found.name if found else ""


def own_argument(name: str, known: Iterable[str]) -> str | None:
    """The name of an argument in netdsl, if it is one of `known`; empty if the argument is to be dropped."""
    candidates = [table[name] for table in (_ARGUMENTS, _SIZES) if name in table]
    return next((found for found in candidates if not found or found in known), None)


def own_parameter(name: str, known: Iterable[str]) -> str:
    """The only parameter of a block that is a synonym of a name; empty if there is none, or several."""
    found = [other for other in known if any({name, other} <= line for line in _SYNONYMS)]
    return found[0] if len(found) == 1 else ""


def own_value(text: str) -> str:
    """A value as the language writes it: `(3, 3)` is `3`, `False` is `no`, `"same"` is `same`."""
    text = text.strip()
    if quoted := re.fullmatch(r"[\"'](\w+)[\"']", text):
        text = quoted[1].lower()
    if same := re.fullmatch(r"\[\s*(\d+)\s*,\s*\1\s*\]", text):
        return same[1]
    if pair := re.fullmatch(r"\(\s*(\d+)\s*,\s*(\d+)\s*,?\s*\)", text):
        return pair[1] if pair[1] == pair[2] else f"{pair[1]}x{pair[2]}"
    return _VALUES.get(text, text)


def own_shape(text: str) -> str:
    """`(3, 32, 32)` as the language writes it, with the channels first; another text as a value."""
    text = re.sub(r"\b(?:None|-1)\s*,", "", text.strip())
    if not re.fullmatch(r"[\d\sxX×*,()\[\]]+", text):
        return own_value(text)
    sides = re.findall(r"\d+", text)
    if len(sides) == 3 and sides[2] in ("1", "3") and int(sides[0]) > 4:
        sides = [sides[2], *sides[:2]]
    return "x".join(sides)


def split(text: str) -> list[str]:
    """The arguments of a call: the parts between commas that are outside of brackets."""
    depth, parts = 0, [""]
    for char in text:
        depth += (char in "([{") - (char in ")]}")
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts if part.strip()]


def translated(text: str) -> str:
    """A call of another library as steps of the language; empty if unknown."""
    text = re.sub(r"\)\s*\(\s*\w+\s*\)$", ")", text.strip())  # Keras: layer(…)(x)
    found = re.fullmatch(r"((?:\w+\.)*)(\w+)\s*(?:\((.*)\))?", text, re.DOTALL)
    if not found or len(text) > 1000:
        return ""
    prefix, name, inside = found[1], found[2], found[3] or ""
    if name.lower() in ACTIVATIONS and inside:
        activation = own_name(own_value(inside)) or own_value(inside)
        return "" if no_step(activation) or not activation.isidentifier() else activation
    exact, plain = _known()
    known = exact.get(name) or plain.get(_plain(name))
    functional = prefix.endswith(("F.", "functional.")) or prefix == "torch."
    if known is None or (functional and known.order[1:2] == ("out",)):
        return ""
    positional, named = _arguments(split(inside)[functional:])
    # PyTorch's convolutions take the input channels first; `Conv2d(64, 3)` was written without them.
    told = known.order[:2] == ("-", "out") and _tells_what_comes_in(positional, named, known)
    order = known.order[1:] if known.order[:2] == ("-", "out") and not told else known.order
    if positional and _NUMBER.fullmatch(positional[0]):
        order = _KERAS_OPTIMIZERS.get(known.name, order)
    values = dict(zip(order, positional, strict=False))
    for key, value in named.items():
        values[own_argument(key, order) or (key if key in order else "-")] = value
    values.pop("-", None)
    if _plain(name) == "batchnormalization" and "momentum" in values:
        values["momentum"] = _of_the_batch(values["momentum"])
        if values["momentum"] in ("", "0.1"):
            del values["momentum"]
    ours = known.name
    if ours == "relu" and (positional[:1] or [named.get("max_value", "")])[0] in ("6", "6.0"):
        ours = "relu6"
    groups = values.get("groups")
    if ours == "conv" and groups and groups == values.get("out") == _entering(positional, named):
        ours = "depthwise"
        del values["groups"], values["out"]
    unpadded = told or name in ("Conv2D", "DepthwiseConv2D")
    return _written(ours, values, "0" if unpadded else "same") + _activation(named)


def _of_the_batch(momentum: str) -> str:
    """Keras' `momentum` of a batch norm, the weight of the old mean, as PyTorch's, that of the batch."""
    old = Decimal(momentum) if _NUMBER.fullmatch(momentum) else Decimal(1)
    return str(1 - old) if old < 1 else ""


def _tells_what_comes_in(positional: list[str], named: dict[str, str], known: _Known) -> bool:
    if "in_channels" in named or "in_features" in named:
        return True
    needed = sum(key in known.order for key in ("out", "kernel"))
    given = len(positional) + sum(own_argument(key, ("out", "kernel")) in ("out", "kernel") for key in named)
    if len(positional) == 3 and known.name == "conv":  # (64, 3, 1) is more likely (out, kernel, stride)
        first, second, third = positional
        if not (first.isdigit() and second.isdigit() and third.isdigit()):
            return "x" in third and third[0].isdigit()
        return not (int(second) % 2 and int(second) < int(first) and int(third) < 3)
    return given > needed


def _entering(positional: list[str], named: dict[str, str]) -> str:
    return named.get("in_channels") or (positional[0] if positional else "")


def _arguments(parts: list[str]) -> tuple[list[str], dict[str, str]]:
    positional, named = [], {}
    last = ""
    for part in parts:
        if pair := re.fullmatch(r"(\w+)\s*=(?!=)\s*(.*)", part, re.DOTALL):
            last = pair[1]
            named[last] = own_value(pair[2])
        elif last and part.isdigit():  # `milestones=50, 75`
            named[last] = f"[{named[last].strip('[]')}, {part}]"
        elif part not in ("x", "h", "inputs"):
            positional.append(own_value(part))
    return positional, named


def _activation(named: dict[str, str]) -> str:
    name = named.get("activation", "")
    return f", {own_name(name) or name}" if name and name != "none" and not no_step(name) else ""


def _written(name: str, values: dict[str, str], padding: str) -> str:
    """The call without default arguments; `padding` is the default of a convolution."""
    if name == "conv" and values.keys() == {"out"}:
        values["kernel"] = "3"
    if name == "adaptive_avgpool" and values.get("size") in ("1", None):
        return "global_avgpool"
    if name in ("conv", "depthwise"):
        values["padding"] = _padding(values, padding)
    elif values.get("padding") in ("same", "valid", "0"):
        del values["padding"]
    if name.endswith("pool") and values.get("stride") == values.get("kernel"):
        values.pop("stride", None)
    first = {"conv": ("out", "kernel"), "groupnorm": ("groups",), "crop": ("padding",), "step": ()}.get(
        name, _FIRST
    )
    shown = []
    for key, value in values.items():
        if key in first and (name != "conv" or "out" in values):
            shown.append(value)
        elif (key, value) not in _DEFAULTS:
            shown.append(f"{key}={value}")
    return f"{name}({', '.join(shown)})" if shown else name


def _padding(values: dict[str, str], default: str) -> str:
    """The padding, as `same` where the number is equivalent."""
    given = values.get("padding", default)
    given = "0" if given == "valid" else given
    kernel, dilation = values.get("kernel", ""), values.get("dilation", "1")
    if given.isdigit() and kernel.isdigit() and dilation.isdigit():
        return "same" if 2 * int(given) == int(dilation) * (int(kernel) - 1) else given
    return given
