"""Custom functions."""

from . import error, leaf, name, program


def square_function(lib):
    class Square(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 2 * x

    return Square


@program
def custom_function(lib):
    x = leaf(lib)
    y = square_function(lib).apply(x)
    (y * 3).sum().backward()
    return x.grad, name(y.grad_fn), type(y.grad_fn).__name__, y.requires_grad


@program
def custom_function_twice_differentiable(lib):
    x = leaf(lib)
    (g,) = lib.autograd.grad(square_function(lib).apply(x).sum(), x, create_graph=True)
    (g2,) = lib.autograd.grad((g * g).sum(), x)
    return g.detach(), g2


@program
def custom_function_with_many_inputs_and_outputs(lib):
    class Many(lib.autograd.Function):
        @staticmethod
        def forward(ctx, a, scale, b, flag=None):
            ctx.scale = scale
            ctx.save_for_backward(a, b)
            return a * b * scale, a + b

        @staticmethod
        def backward(ctx, g1, g2):
            a, b = ctx.saved_tensors
            return g1 * b * ctx.scale + g2, None, g1 * a * ctx.scale + g2, None

    a, b = leaf(lib), leaf(lib, 4.0, 5.0, 6.0)
    first, second = Many.apply(a, 2.0, b)
    (first.sum() + (second * second).sum()).backward()
    return a.grad, b.grad, first.grad_fn is second.grad_fn


@program
def needs_input_grad(lib):
    seen = []

    class Product(lib.autograd.Function):
        @staticmethod
        def forward(ctx, a, b):
            ctx.save_for_backward(a, b)
            return a * b

        @staticmethod
        def backward(ctx, g):
            seen.append(tuple(ctx.needs_input_grad))
            return g * ctx.saved_tensors[1], None

    a, b = leaf(lib), lib.ones(3)
    Product.apply(a, b).sum().backward()
    return seen, a.grad


@program
def unused_outputs_get_zeros_or_none(lib):
    def make(materialize):
        seen = []

        class Two(lib.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.set_materialize_grads(materialize)
                return x * 1, x * 2

            @staticmethod
            def backward(ctx, g1, g2):
                seen.append(g2 if g2 is None else g2.clone())
                return g1 + (0 if g2 is None else g2)

        x = leaf(lib)
        Two.apply(x)[0].sum().backward()
        return seen, x.grad

    return make(True), make(False)


@program
def mark_dirty_and_non_differentiable(lib):
    class Double(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            x.mul_(2)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 2

    class Sorted(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            values, index = x.sort()
            ctx.mark_non_differentiable(index)
            ctx.save_for_backward(index)
            return values, index

        @staticmethod
        def backward(ctx, g, _):
            (index,) = ctx.saved_tensors
            return lib.zeros_like(g).scatter(0, index, g)

    x = leaf(lib, 3.0, 1.0, 2.0)
    y = x * 1
    z = Double.apply(y)
    values, index = Sorted.apply(z)
    (values * lib.tensor([1.0, 10.0, 100.0])).sum().backward()
    return x.grad, z is y, index.requires_grad


@program
def setup_context_apart(lib):
    class Cube(lib.autograd.Function):
        @staticmethod
        def forward(x, power):
            return x**power

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, ctx.power = inputs
            ctx.save_for_backward(x)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * ctx.power * x ** (ctx.power - 1), None

    x = leaf(lib)
    Cube.apply(x, 3).sum().backward()
    return x.grad


@program
def once_differentiable(lib):
    from importlib import import_module

    once = import_module(f"{lib.__name__}.autograd.function").once_differentiable

    class Square(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once
        def backward(ctx, g):
            return g * 2 * ctx.saved_tensors[0]

    x = leaf(lib)
    Square.apply(x).sum().backward()
    return x.grad


@program
def straight_through_estimator(lib):
    class Round(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.round()

        @staticmethod
        def backward(ctx, g):
            return g

    x = leaf(lib, 0.2, 1.7)
    (Round.apply(x) * x).sum().backward()
    return x.grad


@program
def function_without_inputs_that_need_grad(lib):
    y = square_function(lib).apply(lib.ones(3))
    return y, y.grad_fn


@error()
def function_returns_too_few_gradients(lib):
    class Bad(lib.autograd.Function):
        @staticmethod
        def forward(ctx, a, b):
            return a * b

        @staticmethod
        def backward(ctx, g):
            return g

    Bad.apply(leaf(lib), leaf(lib)).sum().backward()


@error()
def function_returns_a_gradient_of_another_shape(lib):
    class Bad(lib.autograd.Function):
        @staticmethod
        def forward(ctx, a):
            return a * 2

        @staticmethod
        def backward(ctx, g):
            return lib.ones(7)

    Bad.apply(leaf(lib)).sum().backward()


@error()
def function_without_backward(lib):
    class Bad(lib.autograd.Function):
        @staticmethod
        def forward(ctx, a):
            return a * 2

    Bad.apply(leaf(lib)).sum().backward()


@error()
def function_whose_saved_tensor_was_changed(lib):
    x = leaf(lib)
    y = x * 1
    z = square_function(lib).apply(y)
    y.add_(1)
    z.sum().backward()


@error()
def function_run_backward_twice(lib):
    y = square_function(lib).apply(leaf(lib)).sum()
    y.backward()
    y.backward()
