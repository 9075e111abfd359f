"""Attention on bfloat16 operands, against the same in float64."""

from __future__ import annotations

import pytest

import lampas
from lampas import Tensor
from lampas.nn import functional as F

ROUNDING = 2**-8  # a bfloat16 number's distance from what it stands for, relative, at most

# batch and heads, queries, keys, features, features of the values
SHAPES = [
    ((2, 4), 128, 128, 64, 64),
    ((1, 2), 7, 13, 5, 3),
    ((2, 1), 49, 50, 8, 16),
    ((1, 1), 1, 1, 1, 1),
    ((2,), 100, 700, 32, 40),
    ((), 97, 1030, 33, 31),
]


def operands(batch: tuple[int, ...], queries: int, keys: int, features: int, values: int) -> list[Tensor]:
    lampas.manual_seed(keys)
    shapes = [(queries, features), (keys, features), (keys, values), (queries, values)]
    return [lampas.randn(*batch, *shape).bfloat16() for shape in shapes]


def results(dtype: lampas.dtype, given: list[Tensor], **options: object) -> list[Tensor]:
    """The output and the gradients of queries, keys and values."""
    *inputs, g = [x.to(dtype) for x in given]
    inputs = [x.detach().requires_grad_() for x in inputs]
    y = F.scaled_dot_product_attention(*inputs, **options)
    y.backward(g)
    found = [y.detach(), *(x.grad for x in inputs)]
    assert all(x.dtype == dtype for x in found)
    return [x.double() for x in found]


def distance(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm().clamp(min=1e-30))


@pytest.mark.parametrize("mask", ["none", "causal", "bool", "float32", "bfloat16"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_output_and_gradients(shape: tuple, mask: str) -> None:
    given = operands(*shape)
    options: dict[str, object] = {"is_causal": mask == "causal"}
    if mask == "bool":
        options["attn_mask"] = lampas.rand(shape[1], shape[2]) < 0.7
    elif mask != "none" and mask != "causal":
        options["attn_mask"] = lampas.randn(shape[1], shape[2]).bfloat16().to(getattr(lampas, mask))
    found = results(lampas.bfloat16, given, **options)
    if mask in ("float32", "bfloat16"):
        options["attn_mask"] = options["attn_mask"].double()
    wanted = results(lampas.float64, given, **options)
    for x, y in zip(found, wanted, strict=True):
        assert distance(x, y) < 1.5 * ROUNDING


def test_queries_that_see_nothing() -> None:
    given = operands((2,), 5, 9, 4, 6)
    seen = lampas.ones(5, 9, dtype=lampas.bool)
    seen[2] = False
    y, gq, *_ = results(lampas.bfloat16, given, attn_mask=seen)
    assert (y[:, 2] == 0).all() and (gq[:, 2] == 0).all() and (y[:, 3] != 0).all()


def test_views_and_odd_distances_between_rows() -> None:
    shape = ((3,), 20, 33, 6, 5)
    given = operands(*shape)
    wide = [lampas.zeros(*x.shape[:-1], x.shape[-1] + 3, dtype=x.dtype) for x in given]
    for x, y in zip(wide, given, strict=True):
        x[..., 1:-2] = y
    views = [x[..., 1:-2] for x in wide]
    turned = [x.mT.contiguous().mT for x in given]
    plain = results(lampas.bfloat16, given)
    for other in (views, turned):
        for x, y in zip(results(lampas.bfloat16, other), plain, strict=True):
            assert lampas.equal(x, y)


@pytest.mark.parametrize("features", [5, 6])
def test_a_nan_reaches_its_own_query_alone(features: int) -> None:
    q, k, v, _ = operands((2,), 9, 11, features, features)
    q[0, 4] = lampas.nan
    y = F.scaled_dot_product_attention(q, k, v)
    seen = lampas.zeros(2, 9, dtype=lampas.bool)
    seen[0, 4] = True
    assert lampas.equal(y.isnan().all(-1), seen) and lampas.equal(y.isnan().any(-1), seen)


def test_keys_and_values_shared_by_a_batch() -> None:
    q, k, v, _ = operands((2, 3), 10, 12, 8, 8)
    shared = F.scaled_dot_product_attention(q, k[:1, :1], v[:1, :1])
    each = F.scaled_dot_product_attention(q, k[:1, :1].repeat(2, 3, 1, 1), v[:1, :1].repeat(2, 3, 1, 1))
    assert lampas.equal(shared, each)


def test_gradient_of_the_gradient() -> None:
    def second(dtype: lampas.dtype) -> Tensor:
        q, k, v, g = [x.to(dtype) for x in operands((2,), 6, 7, 4, 4)]
        q = q.detach().requires_grad_()
        (first,) = lampas.autograd.grad(F.scaled_dot_product_attention(q, k, v), q, g, create_graph=True)
        (found,) = lampas.autograd.grad(first.square().sum(), q)
        assert found.dtype == dtype
        return found.double()

    assert distance(second(lampas.bfloat16), second(lampas.float64)) < 4 * ROUNDING
