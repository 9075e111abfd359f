"""What backward leaves in `.grad`, and how it adds up."""

from . import error, leaf, program


@program
def backward_fills_grad_of_leaves_only(lib):
    x = leaf(lib)
    y = x * 2
    z = (y * y).sum()
    z.backward()
    return x.grad, y.grad, z.grad, x.is_leaf, y.is_leaf, x.grad_fn


@program
def gradients_accumulate(lib):
    x = leaf(lib)
    (x * x).sum().backward()
    first = x.grad
    (x * 3).sum().backward()
    return x.grad, first is x.grad, first


@program
def accumulation_into_a_given_grad(lib):
    x = leaf(lib)
    x.grad = lib.ones(3) * 10
    before = x.grad
    (x * x).sum().backward()
    return x.grad, before is x.grad


@program
def accumulation_under_create_graph_makes_a_new_tensor(lib):
    x = leaf(lib)
    x.grad = lib.ones(3)
    before = x.grad
    (x * x).sum().backward(create_graph=True)
    result = x.grad.detach().clone(), before is x.grad, x.grad.requires_grad
    x.grad = None
    return result


@program
def the_same_tensor_twice(lib):
    x = leaf(lib)
    (x * x + x + x * x.exp()).sum().backward()
    return x.grad


@program
def grad_shape_follows_broadcasting(lib):
    a, b = lib.ones(3, 1, requires_grad=True), lib.ones(4, requires_grad=True)
    (a * b * lib.arange(12.0).reshape(3, 4)).sum().backward()
    return a.grad, b.grad


@program
def backward_with_gradient(lib):
    x = leaf(lib)
    (x * x).backward(lib.tensor([1.0, 0.5, 2.0]))
    return x.grad


@program
def backward_with_inputs(lib):
    x, y = leaf(lib), leaf(lib)
    (x * y).sum().backward(inputs=[x])
    return x.grad, y.grad


@program
def autograd_backward_of_several(lib):
    x = leaf(lib)
    lib.autograd.backward([x.sum(), (x * x)], [None, lib.ones(3)])
    return x.grad


@program
def grad_is_cast_to_the_leaf(lib):
    x = lib.ones(2, dtype=lib.bfloat16, requires_grad=True)
    (x.float() * 3).sum().backward()
    return x.grad


@program
def zero_grad_by_none_and_by_zero(lib):
    x = leaf(lib)
    (x * x).sum().backward()
    x.grad.zero_()
    zeros = x.grad.clone()
    x.grad = None
    return zeros, x.grad


@program
def grads_layout_of_a_transposed_leaf(lib):
    x = lib.arange(6.0).reshape(2, 3).t().requires_grad_()
    (x * 2).sum().backward()
    return x.grad, x.grad.stride()


@program
def leaf_used_through_many_paths(lib):
    x = leaf(lib, 0.5)
    y = x
    for _ in range(8):
        y = y + y
    y.backward()
    return x.grad


@error("grad")
def backward_without_grad(lib):
    lib.ones(3).sum().backward()


@error("scalar")
def backward_of_many_elements(lib):
    (leaf(lib) * 2).backward()


@error("3")
def backward_with_a_gradient_of_another_shape(lib):
    (leaf(lib) * 2).backward(lib.ones(2))


@error("retain_graph")
def backward_twice(lib):
    y = (leaf(lib) ** 2).sum()
    y.backward()
    y.backward()


@error()
def grad_of_another_shape(lib):
    leaf(lib).grad = lib.ones(2)


@error()
def grad_of_another_dtype(lib):
    leaf(lib).grad = lib.ones(3, dtype=lib.float64)


@error()
def grad_that_is_no_tensor(lib):
    leaf(lib).grad = 1.0


@error("int")
def integers_require_grad(lib):
    lib.ones(3, dtype=lib.int64).requires_grad_()


@error()
def requires_grad_off_for_an_inner_tensor(lib):
    (leaf(lib) * 2).requires_grad = False
