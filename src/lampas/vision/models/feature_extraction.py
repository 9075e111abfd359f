"""Results from the inside of a model."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from lampas import Tensor, nn

__all__ = ["create_feature_extractor"]


class _FeatureExtractor(nn.Module):
    """The model's parts under their own names, run by the model's own `forward`; gives what was asked for."""

    def __init__(self, model: nn.Module, wanted: dict[str, str]) -> None:
        super().__init__()
        # The state dict keeps the model's keys: the parts are this module's, the model itself is not.
        for name, child in model.named_children():
            self.add_module(name, child)
        for name, parameter in model.named_parameters(recurse=False):
            self.register_parameter(name, parameter)
        for name, buffer in model.named_buffers(recurse=False):
            self.register_buffer(name, buffer)
        self._wanted = wanted
        self._model = [model]

    def train(self, mode: bool = True) -> _FeatureExtractor:
        self._model[0].train(mode)
        super().train(mode)
        return self

    def forward(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        calls: dict[str, int] = {}
        found: dict[str, Any] = {}

        def watch(name: str, inner: bool) -> Any:
            def hook(module: nn.Module, given: Any, result: Any) -> None:
                nth = calls[name] = calls.get(name, -1) + 1
                # a layer that is used again is name_1, name_2, ...; of a block the last use counts
                found[name if inner or nth == 0 else f"{name}_{nth}"] = result

            return hook

        model = self._model[0]
        hooks = []
        try:
            for name, module in model.named_modules():
                if name:
                    inner = any(True for _ in module.children())
                    hooks.append(module.register_forward_hook(watch(name, inner)))
            model(*args, **kwargs)
        finally:
            for handle in hooks:
                handle.remove()
        for name in self._wanted:
            if name not in found:
                raise ValueError(
                    f"node: '{name}' is not present in model: the calls of its modules are {', '.join(found)}"
                )
        return OrderedDict((result, found[name]) for name, result in self._wanted.items())


def create_feature_extractor(
    model: nn.Module,
    return_nodes: list[str] | dict[str, str] | None = None,
    train_return_nodes: list[str] | dict[str, str] | None = None,
    eval_return_nodes: list[str] | dict[str, str] | None = None,
) -> nn.Module:
    """A module that gives a dict of results from inside `model`, whose parameters it shares.

    Args:
        return_nodes: names of modules (``"layer1"``, ``"features.5"``), or a dict to names of the results.
            A layer that is used again is called ``name_1``, ``name_2``, ...
        train_return_nodes, eval_return_nodes: instead of it, one for each mode; the model's present mode decides.

    Raises:
        ValueError: nothing is asked for, both forms are, or what is asked for is no module of the model.

    Example:
        >>> body = create_feature_extractor(resnet18(), {"layer4": "features"})
        >>> body(lampas.rand(1, 3, 64, 64))["features"].shape
        torch.Size([1, 512, 2, 2])
    """
    by_mode = (train_return_nodes is not None, eval_return_nodes is not None)
    if any(by_mode) != all(by_mode) or (return_nodes is not None) == any(by_mode):
        raise ValueError("give either return_nodes, or train_return_nodes and eval_return_nodes together")
    nodes = return_nodes if return_nodes is not None else (train_return_nodes if model.training else eval_return_nodes)
    assert nodes is not None
    wanted = {str(n): str(r) for n, r in nodes.items()} if isinstance(nodes, dict) else {str(n): str(n) for n in nodes}
    modules = {name for name, _ in model.named_modules()}
    for name in wanted:
        stem, _, tail = name.rpartition("_")
        if name not in modules and not (tail.isdigit() and stem in modules):
            raise ValueError(
                f"node: '{name}' is not present in model: it is none of its modules, "
                f"such as {', '.join(sorted(modules - {''})[:5])}"
            )
    return _FeatureExtractor(model, wanted).train(model.training)
