"""Vectors scaled to length one, classes as one-hot vectors."""

from __future__ import annotations

import lampas

__all__ = ["normalize", "one_hot"]


def normalize(
    input: lampas.Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: lampas.Tensor | None = None
) -> lampas.Tensor:
    """``x / max(||x||_p, eps)`` along ``dim``.

    >>> F.normalize(lampas.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    if out is None:
        return input / input.norm(p, dim, keepdim=True).clamp_min(eps).expand_as(input)
    return lampas.div(input, input.norm(p, dim, keepdim=True).clamp_min_(eps).expand_as(input), out=out)


def one_hot(tensor: lampas.Tensor, num_classes: int = -1) -> lampas.Tensor:
    """Class numbers as rows of zeros with a one: shape ``(*, num_classes)``, int64.

    Args:
        tensor: int64 class numbers from 0.
        num_classes: -1 takes one more than the largest number.

    >>> F.one_hot(lampas.tensor([1, 0]), 3)
    tensor([[0, 1, 0],
            [1, 0, 0]])
    """
    if tensor.dtype != lampas.int64:
        raise RuntimeError(
            f"one_hot is only applicable to index tensor of type LongTensor, got {tensor.dtype}: convert it with "
            ".long()"
        )
    if tensor.numel() == 0:
        if num_classes <= 0:
            raise RuntimeError(
                "Can not infer total number of classes from empty tensor: give num_classes, a number above zero."
            )
        return lampas.empty((*tensor.shape, num_classes), dtype=lampas.int64, device=tensor.device)
    if not tensor.is_meta:
        low, high = int(tensor.min()), int(tensor.max())
        if low < 0:
            raise RuntimeError(f"Class values must be non-negative, got {low}.")
        if num_classes == -1:
            num_classes = high + 1
        elif num_classes < 1:
            raise RuntimeError(f"num_classes should be positive, got {num_classes}.")
        elif high >= num_classes:
            raise RuntimeError(
                f"Class values must be smaller than num_classes, got {high} with num_classes={num_classes}."
            )
    elif num_classes == -1:
        raise RuntimeError("Can not infer total number of classes from a meta tensor: give num_classes.")
    result = lampas.zeros((*tensor.shape, num_classes), dtype=lampas.int64, device=tensor.device)
    return result.scatter_(-1, tensor.unsqueeze(-1), 1)
