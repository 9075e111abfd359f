"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

import lampas

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def _check_device(parameter: lampas.Tensor, device: lampas.device | None) -> lampas.device:
    if device is not None and parameter.device != device:
        raise TypeError(
            f"Found two parameters on different devices, {device} and {parameter.device}, this is currently not "
            "supported."
        )
    return parameter.device


def parameters_to_vector(parameters: Iterable[lampas.Tensor]) -> lampas.Tensor:
    """The parameters' elements in one row.

    >>> parameters_to_vector(nn.Linear(2, 1).parameters()).shape
    torch.Size([3])
    """
    device = None
    rows = []
    for parameter in parameters:
        device = _check_device(parameter, device)
        rows.append(parameter.view(-1))
    return lampas.cat(rows)


def vector_to_parameters(vec: lampas.Tensor, parameters: Iterable[lampas.Tensor]) -> None:
    """Make slices of ``vec`` the parameters' data."""
    if not isinstance(vec, lampas.Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {type(vec).__name__}")
    device = None
    position = 0
    for parameter in parameters:
        device = _check_device(parameter, device)
        end = position + parameter.numel()
        parameter.data = vec[position:end].view_as(parameter).data
        position = end
