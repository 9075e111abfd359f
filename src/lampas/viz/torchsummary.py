"""torchsummary's table of a model. `lampas.summary` makes a better one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lampas

__all__ = ["summary"]

_MB = 1024**2


def _product(sizes: Any) -> int:
    """The product of all numbers in nested lists of one length; of lists that differ, the sum of their products."""
    if sizes and all(isinstance(size, (list, tuple)) for size in sizes):
        products = [_product(size) for size in sizes]
        if len({len(size) for size in sizes}) > 1:
            return sum(products)
        sizes = products
    product = 1
    for size in sizes:
        product *= int(size)
    return product


def _tensors(value: Any) -> list:
    if lampas.is_tensor(value):
        return [value]
    values = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return [tensor for part in values for tensor in _tensors(part)]


def _layer(module: Any, output: Any, batch_size: int) -> tuple[list, int, bool]:
    """Output shape, number of parameters, and whether they are trained."""
    if lampas.is_tensor(output):
        shape: list = [batch_size, *output.shape[1:]]
    else:
        shape = [[-1, *tensor.shape[1:]] for tensor in _tensors(output)]
    weight: Any = getattr(module, "weight", None)
    bias: Any = getattr(module, "bias", None)
    sizes: list[Any] = [t for t in (weight, bias) if lampas.is_tensor(t)]
    return shape, sum(t.numel() for t in sizes), lampas.is_tensor(weight) and weight.requires_grad


def summary(
    model: Any,
    input_size: tuple[int, ...] | Sequence[tuple[int, ...]],
    batch_size: int = -1,
    device: str = "cuda",
) -> None:
    """Prints a table of the layers that a random batch of two passes through, with output shapes and parameters.

    The form is torchsummary's: parameters are those called weight and bias, containers have no row, and a number
    is taken to have 4 bytes.

    Args:
        model: the module, with its parameters on `device`.
        input_size: the shape of one input without the batch, or a list of shapes for several inputs.
        batch_size: the number shown for the batch.
        device: ``"cuda"``, which means the CPU where there is no such device, or ``"cpu"``.

    Example:
        >>> from torchsummary import summary
        >>> summary(nn.Sequential(nn.Linear(8, 2)), (8,), device="cpu")
    """
    from lampas import nn

    device = str(device).lower()
    if device not in ("cuda", "cpu"):
        raise AssertionError(f"summary: device must be 'cuda' or 'cpu', but is {device!r}")
    where = device if device == "cpu" or lampas.cuda.is_available() else "cpu"
    sizes = [input_size] if isinstance(input_size, tuple) else list(input_size)
    inputs = [lampas.rand((2, *size)).to(device=where, dtype=lampas.float32) for size in sizes]

    rows: list[tuple[str, list, int, bool]] = []

    def hook(module: Any, args: Any, output: Any) -> None:
        rows.append((f"{type(module).__name__}-{len(rows) + 1}", *_layer(module, output, batch_size)))

    hooks = [
        module.register_forward_hook(hook)
        for module in _every_module(model)
        if module is not model and not isinstance(module, (nn.Sequential, nn.ModuleList))
    ]
    try:
        model(*inputs)
    finally:
        for handle in hooks:
            handle.remove()

    thin, thick = "-" * 64, "=" * 64
    lines = [thin, f"{'Layer (type)':>20}  {'Output Shape':>25} {'Param #':>15}", thick]
    lines += [f"{name:>20}  {shape!s:>25} {count:>15,}" for name, shape, count, _ in rows]
    total = sum(count for _, _, count, _ in rows)
    trained = sum(count for _, _, count, trainable in rows if trainable)
    input_mb = abs(_product(sizes) * batch_size * 4.0 / _MB)
    output_mb = abs(2.0 * sum(_product(shape) for _, shape, _, _ in rows) * 4.0 / _MB)
    params_mb = total * 4.0 / _MB
    lines += [
        thick,
        f"Total params: {total:,}",
        f"Trainable params: {trained:,}",
        f"Non-trainable params: {total - trained:,}",
        thin,
        f"Input size (MB): {input_mb:0.2f}",
        f"Forward/backward pass size (MB): {output_mb:0.2f}",
        f"Params size (MB): {params_mb:0.2f}",
        f"Estimated Total Size (MB): {params_mb + output_mb + input_mb:0.2f}",
        thin,
    ]
    print("\n".join(lines))


def _every_module(model: Any) -> list:
    """A module's children before itself, as `Module.apply` goes; a child registered twice comes twice, as there."""
    found: list = []
    model.apply(found.append)
    return found
