from torch import nn


def freeze(module: nn.Module, what: bool | str) -> nn.Module:
    """Excludes the module's parameter of that name, or all of them, from training."""
    for name, parameter in module.named_parameters():
        if what is True or what == name:
            parameter.requires_grad_(False)
    return module
