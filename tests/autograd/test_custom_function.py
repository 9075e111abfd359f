"""Operations with gradients of one's own."""

import pytest

import lampas
from lampas.autograd import Function
from lampas.autograd.function import once_differentiable


class Exp(Function):
    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad):
        (y,) = ctx.saved_tensors
        return grad * y


class Scale(Function):
    @staticmethod
    def forward(x, factor=2.0):
        return x * factor

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.factor = inputs[1]

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.factor, None


def leaf(*values):
    return lampas.tensor(values, dtype=lampas.float64, requires_grad=True)


def test_gradients():
    x = leaf(0.1, -2.0, 1.5)
    assert lampas.autograd.gradcheck(Exp.apply, x) and lampas.autograd.gradgradcheck(Exp.apply, x)
    y = Exp.apply(x)
    assert type(y.grad_fn).__name__ == "ExpBackward" and y.requires_grad
    assert repr(y).endswith("grad_fn=<ExpBackward>)")
    assert not Exp.apply(x.detach()).requires_grad


def test_setup_context_and_defaults():
    x = leaf(1.0, 2.0)
    for args, kwargs, factor in (((), {}, 2.0), ((3.0,), {}, 3.0), ((), {"factor": 4.0}, 4.0)):
        y = Scale.apply(x, *args, **kwargs)
        assert y.tolist() == [factor, 2 * factor]
        assert lampas.autograd.grad(y.sum(), x)[0].tolist() == [factor, factor]


def test_vjp_is_another_name_for_backward():
    class Double(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def vjp(ctx, grad):
            return grad * 2

    x = leaf(1.0)
    assert lampas.autograd.grad(Double.apply(x).sum(), x)[0].tolist() == [2]
    Double.backward = staticmethod(lambda ctx, grad: grad)
    with pytest.raises(RuntimeError, match="both 'backward' and 'vjp'"):
        lampas.autograd.grad(Double.apply(x).sum(), x)


def test_needs_input_grad():
    seen = []

    class Product(Function):
        @staticmethod
        def forward(ctx, a, b, note):
            ctx.save_for_backward(a, b)
            return a * b

        @staticmethod
        def backward(ctx, grad):
            seen.append(ctx.needs_input_grad)
            _, b = ctx.saved_tensors
            return grad * b, None, None

    x = leaf(2.0)
    Product.apply(x, lampas.ones(1, dtype=lampas.float64), "note").sum().backward()
    assert seen == [(True, False, False)] and x.grad.tolist() == [1]


def test_several_outputs_and_missing_gradients():
    class Both(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, first, second):
            return first * 2 + second * 3

    x = leaf(1.0)
    _, b = Both.apply(x)
    assert lampas.autograd.grad(b.sum(), x)[0].tolist() == [3]
    assert lampas.autograd.gradcheck(Both.apply, x)


def test_outputs_that_have_no_gradient():
    class WithIndex(Function):
        @staticmethod
        def forward(ctx, x):
            index = x.argmax()
            ctx.mark_non_differentiable(index)
            return x * 1, index

        @staticmethod
        def backward(ctx, grad, _):
            return grad

    y, index = WithIndex.apply(leaf(1.0, 5.0))
    assert y.requires_grad and not index.requires_grad and index.item() == 1


def test_in_place():
    class AddOne(Function):
        @staticmethod
        def forward(ctx, x):
            x.add_(1)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, grad):
            return grad

    x = leaf(1.0)
    y = x * 3
    z = AddOne.apply(y)
    assert z is y and z.tolist() == [4]
    z.sum().backward()
    assert x.grad.tolist() == [3]


def test_once_differentiable():
    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**2

        @staticmethod
        @once_differentiable
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            return grad * 2 * x

    x = leaf(3.0)
    (g,) = lampas.autograd.grad(Square.apply(x), x, leaf(1.0), create_graph=True)
    assert g.tolist() == [6]
    with pytest.raises(RuntimeError, match="differentiate twice"):
        g.sum().backward()


def test_misuse():
    class Forgetful(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

    class Miscounting(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, grad):
            return grad, grad

    x = leaf(1.0)
    with pytest.raises(NotImplementedError, match="backward"):
        Forgetful.apply(x).sum().backward()
    with pytest.raises(RuntimeError, match="incorrect number of gradients"):
        Miscounting.apply(x).sum().backward()
    with pytest.raises(RuntimeError, match="not to be instantiated"):
        Exp()
    with pytest.raises(NotImplementedError, match="forward"):
        Function.apply(x)
