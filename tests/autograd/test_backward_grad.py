"""backward and grad: where they start, what they return, what they refuse."""

import pytest

import lampas


def leaf(*values):
    return lampas.tensor(values, requires_grad=True)


def test_backward_adds_to_grad():
    x = leaf(1.0, 2.0, 3.0)
    (x**2).sum().backward()
    assert x.grad.tolist() == [2, 4, 6]
    lampas.autograd.backward([(x * 3).sum(), x], [None, lampas.ones(3)])
    assert x.grad.tolist() == [6, 8, 10]


def test_backward_of_chosen_inputs():
    x, y = leaf(2.0), leaf(3.0)
    (x * y).backward(lampas.ones(1), inputs=[x])
    assert x.grad.tolist() == [3] and y.grad is None
    (x * y).backward(lampas.ones(1), inputs={"y": y})
    assert y.grad.tolist() == [2]


def test_graph_is_kept_on_request():
    x = leaf(2.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [8]
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: (x * 2).backward(), "grad can be implicitly created only for scalar outputs"),
        (lambda x: (x * 2).backward(lampas.ones(3)), r"Mismatch in shape: grad_output\[0\]"),
        (lambda x: (x * 2).backward(lampas.ones(2), inputs=[]), "cannot be empty"),
        (lambda x: x.to(lampas.complex64).sum().backward(), "only for real scalar outputs"),
        (lambda x: lampas.autograd.backward([x, x], [lampas.ones(2)]), "got 2 tensors and 1 gradients"),
        (lambda x: lampas.ones(1).backward(), "does not require grad"),
        (lambda x: lampas.autograd.grad(x.sum(), [x, leaf(1.0)]), "not have been used"),
        (lambda x: lampas.autograd.grad(x * 2, x, lampas.ones(2, dtype=lampas.complex64)), "complex exactly where"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(RuntimeError, match=message):
        call(leaf(1.0, 2.0))


def test_wrong_types():
    x = leaf(1.0)
    with pytest.raises(TypeError, match="either Tensors or None, but got int"):
        lampas.autograd.backward((x,), (3,))
    with pytest.raises(RuntimeError, match="non-empty inputs"):
        lampas.autograd.grad(x.sum(), [])
    with pytest.raises(ValueError, match="allow_unused"):
        lampas.autograd.grad(x.sum(), x, allow_unused=False, materialize_grads=True)


def test_grad():
    x, z = leaf(1.0, 2.0), leaf(5.0)
    assert lampas.autograd.grad((x**3).sum(), x)[0].tolist() == [3, 12] and x.grad is None
    assert lampas.autograd.grad(x.sum(), [x, z], allow_unused=True)[1] is None
    assert lampas.autograd.grad(x.sum(), [x, z], materialize_grads=True)[1].tolist() == [0]
    found = lampas.autograd.grad((x * 2).sum(), {"x": x})
    assert list(found) == ["x"] and found["x"].tolist() == [2, 2]


def test_gradient_of_a_gradient():
    x = leaf(3.0)
    (first,) = lampas.autograd.grad((x**3).sum(), x, create_graph=True)
    (second,) = lampas.autograd.grad(first.sum(), x)
    assert first.tolist() == [27] and second.tolist() == [18]


def test_batched():
    x = leaf(1.0, 2.0, 3.0)
    (rows,) = lampas.autograd.grad(x**2, x, lampas.eye(3), is_grads_batched=True)
    assert rows.tolist() == [[2, 0, 0], [0, 4, 0], [0, 0, 6]]


def test_variable():
    v = lampas.autograd.Variable(lampas.ones(2), requires_grad=True)
    assert v.requires_grad and type(v) is lampas.Tensor and isinstance(v, lampas.autograd.Variable)
