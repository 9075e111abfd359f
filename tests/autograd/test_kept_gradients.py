"""A leaf keeps a gradient that nobody else holds; one that others hold is copied."""

import numpy as np

import lampas
from lampas import Tensor, nn


def test_a_weights_gradient_is_no_view() -> None:
    layer = nn.Linear(3, 4)
    layer(lampas.ones(5, 3)).sum().backward()
    grad = layer.weight.grad
    assert grad._base is None and grad.is_leaf and not grad.requires_grad and grad.is_contiguous()
    np.testing.assert_array_equal(grad, np.full((4, 3), 5))


def test_what_a_hook_holds_does_not_change_with_the_gradient() -> None:
    layer = nn.Linear(3, 4)
    held: list[Tensor] = []
    layer.weight.register_hook(held.append)
    layer(lampas.ones(5, 3)).sum().backward()
    layer.weight.grad.zero_()
    np.testing.assert_array_equal(held[0], np.full((4, 3), 5))


def test_views_of_one_gradient_part_at_the_leaves() -> None:
    """Both leaves receive the same tensor, one of them turned."""
    a, b = lampas.zeros(3, 3, requires_grad=True), lampas.zeros(3, 3, requires_grad=True)
    (a + b.t()).backward(lampas.arange(9.0).view(3, 3))
    a.grad.add_(100)
    np.testing.assert_array_equal(b.grad, np.arange(9).reshape(3, 3).T)


def test_a_given_gradient_stays_as_it_is() -> None:
    x = lampas.zeros(2, 3, requires_grad=True)
    g = lampas.ones(3, 2)
    x.t().backward(g)
    x.grad.zero_()
    np.testing.assert_array_equal(g, np.ones((3, 2)))


def test_a_part_of_a_gradient_does_not_hold_the_whole() -> None:
    x = lampas.zeros(4, requires_grad=True)
    y = lampas.cat([x, lampas.zeros(1000)])
    (y * y.detach().exp()).sum().backward()
    assert x.grad.untyped_storage().nbytes() == 16
