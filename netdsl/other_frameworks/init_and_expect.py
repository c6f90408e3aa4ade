"""Translates initialisations and properties of networks as other libraries call them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from netdsl.language.argument_types import example, signature
from netdsl.language.init_rules import RULES

_RULES = {
    **dict.fromkeys(("random_normal", "gaussian", "gauss", "randn", "msra_normal"), "normal"),
    **dict.fromkeys(("random_uniform", "rand"), "uniform"),
    **dict.fromkeys(("truncated_normal", "truncnormal", "trunc"), "trunc_normal"),
    **dict.fromkeys(("zero", "none"), "zeros"),
    **dict.fromkeys(("one",), "ones"),
    **dict.fromkeys(("const", "fill"), "constant"),
    **dict.fromkeys(("orthogonal", "sparse", "variance_scaling", "variancescaling"), "kaiming_normal"),
    **dict.fromkeys(("default", "torch"), "pytorch"),
    **dict.fromkeys(("eye", "identity", "delta"), "dirac"),
}
_FAMILIES = {"he": "kaiming", "msra": "kaiming", "glorot": "xavier", "lecun": "kaiming"}
_ARGUMENTS = {"stddev": "std", "minval": "a", "maxval": "b", "value": "val", "low": "a", "high": "b"}
# Common names of the last layer.
LAST_LAYERS = ("fc", "classifier", "output", "out", "last", "logits", "head", "final", "prediction")

_QUANTITIES = {
    **dict.fromkeys(("parameters", "param", "size", "weights", "num_params", "n_params", "count"), "params"),
    **dict.fromkeys(("mac", "madds", "multadds", "mult_adds", "multiply_adds", "operations", "ops"), "macs"),
    **dict.fromkeys(("layers", "num_layers", "levels"), "depth"),
    **dict.fromkeys(("receptive", "rf", "field_of_view", "fov"), "receptive_field"),
    **dict.fromkeys(("shape", "output_shape", "out", "output_size"), "output"),
}
FLOPS = ("flops", "flop", "gflops", "mflops")
OF_TRAINING = ("accuracy", "acc", "error", "loss", "top1", "top5", "val_acc", "test_acc", "test_accuracy")
OF_MACHINES = ("memory", "time", "speed", "latency", "throughput", "ram", "vram")


def own_rule(name: str, arguments: Iterable[tuple[str, str]]) -> str:
    """The rule that corresponds to one of another library, with the arguments that both have; empty if
    unknown. Arguments by position have an empty name.
    """
    plain = re.sub(r"init|_$|weights", "", name.lower()).strip("_")
    plain = re.sub(r"(?<=[a-z])(?=(normal|uniform)$)", "_", plain.replace("_", ""))
    family, _, kind = plain.partition("_")
    own = _FAMILIES.get(family, family)
    rule = f"{own}_{kind or 'normal'}" if own in ("kaiming", "xavier") else _RULES.get(plain, plain)
    if rule not in RULES:
        return ""
    if family == "lecun":
        return f"{rule}(nonlinearity=linear)"
    known = {"", *(parameter.name for parameter in signature(RULES[rule]))}
    renamed = ((_ARGUMENTS.get(key, key), value) for key, value in arguments)
    given = [f"{key}={value}" if key else value for key, value in renamed if key in known]
    if rule == "normal":
        given = given or ["std=0.01"]
    return f"{rule}({', '.join(given)})" if given else example(rule, RULES[rule])


def own_quantity(name: str) -> str:
    """The property that `expect` compares; empty if unknown."""
    return _QUANTITIES.get(name, "")
