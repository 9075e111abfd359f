"""Graphs kept, graphs of graphs, `autograd.grad`, nodes and their names."""

from . import error, leaf, name, program


# ---------------------------------------------------------------- graphs kept, graphs of graphs
@program
def retain_graph(lib):
    x = leaf(lib)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    return x.grad


@program
def a_graph_without_saved_values_runs_twice(lib):
    x = leaf(lib)
    y = (x + 1).sum()
    y.backward()
    y.backward()
    return x.grad


@program
def create_graph_to_the_fourth_order(lib):
    x = leaf(lib, 0.5, -1.0, 2.0)
    y = (x**5).sum() + x.sin().sum() + (x[0] * x[1] * x[2])
    results = []
    for _ in range(4):
        (y,) = lib.autograd.grad(y.sum(), x, create_graph=True)
        results.append(y.detach())
    return results


@program
def gradient_penalty(lib):
    w = lib.tensor([[0.3, -0.2], [0.5, 0.1]], requires_grad=True)
    x = lib.tensor([[1.0, 2.0], [0.5, -1.0]], requires_grad=True)
    out = (x @ w).tanh().sum()
    (g,) = lib.autograd.grad(out, x, create_graph=True)
    ((g.norm(2, dim=1) - 1) ** 2).mean().backward()
    return w.grad, x.grad


@program
def hessian_by_rows(lib):
    x = leaf(lib)
    (g,) = lib.autograd.grad((x**3).sum() + x.prod(), x, create_graph=True)
    return [lib.autograd.grad(g[i], x, retain_graph=True)[0] for i in range(3)]


@program
def create_graph_on_backward(lib):
    x = leaf(lib)
    (x**3).sum().backward(create_graph=True)
    g = x.grad
    (second,) = lib.autograd.grad(g.sum(), x)
    x.grad = None
    return g.detach(), second, g.requires_grad, name(g.grad_fn) is not None


# ---------------------------------------------------------------- autograd.grad
@program
def grad_of_a_non_leaf(lib):
    x = leaf(lib)
    y = x * 2
    z = (y * y).sum()
    gy, gx = lib.autograd.grad(z, (y, x))
    return gy, gx, x.grad, y.grad


@program
def grad_of_itself(lib):
    x = leaf(lib)
    y = x.sum()
    return lib.autograd.grad(y, y)


@program
def grad_of_unused_allowed(lib):
    x, y = leaf(lib), leaf(lib)
    return lib.autograd.grad((x * 2).sum(), (x, y), allow_unused=True)


@program
def grad_of_unused_as_zeros(lib):
    x, y = leaf(lib), leaf(lib)
    return lib.autograd.grad((x * 2).sum(), (x, y), materialize_grads=True)


@program
def grad_of_many_outputs(lib):
    x = leaf(lib)
    return lib.autograd.grad([x.sum(), (x * x).sum()], x), lib.autograd.grad((x * x,), (x,), (lib.ones(3) * 2,))


@program
def grad_does_not_touch_dot_grad(lib):
    x = leaf(lib)
    lib.autograd.grad((x * x).sum(), x)
    return x.grad


@program
def grad_batched(lib):
    x = leaf(lib)
    return lib.autograd.grad(x * x, x, lib.eye(3), is_grads_batched=True)


@program
def grad_of_the_second_output_of_an_op(lib):
    x = lib.tensor([[3.0, 1.0], [2.0, 5.0]], requires_grad=True)
    values, indices = x.sort(dim=1)
    a, b = x.unbind(0)
    return lib.autograd.grad(values[:, 0].sum() + (b * 2).sum(), x), indices.requires_grad, a.requires_grad


@error()
def grad_of_unused(lib):
    x, y = leaf(lib), leaf(lib)
    lib.autograd.grad((x * 2).sum(), (x, y))


@error()
def grad_of_an_input_without_grad(lib):
    x = leaf(lib)
    lib.autograd.grad(x.sum(), lib.ones(3))


@error()
def grad_of_no_inputs(lib):
    lib.autograd.grad(leaf(lib).sum(), [])


@error()
def grad_of_a_view_made_before_a_write(lib):
    x = leaf(lib)
    y = x * 1
    old = y.view(3)
    y.mul_(2)
    lib.autograd.grad(y.sum(), lib.ones(3)), old


# ---------------------------------------------------------------- nodes
@program
def node_names_and_edges(lib):
    x, w = leaf(lib), leaf(lib)
    y = (x * w).sum()
    multiply = y.grad_fn.next_functions[0][0]
    edges = multiply.next_functions
    return (
        name(y.grad_fn),
        name(multiply),
        [name(n) for n, _ in edges],
        [i for _, i in edges],
        edges[0][0].variable is x,
        edges[1][0].variable is w,
        len(edges[0][0].next_functions),
        str(type(y.grad_fn).__name__),
    )


@program
def edges_to_constants_are_none(lib):
    y = leaf(lib) * lib.ones(3)
    return [(name(n), i) for n, i in y.grad_fn.next_functions]


@program
def the_node_is_the_same_object_each_time(lib):
    y = leaf(lib) * 2
    return y.grad_fn is y.grad_fn, y.grad_fn == y.grad_fn


@program
def output_numbers_in_edges(lib):
    x = lib.ones(4, requires_grad=True)
    a, b = x.split(2)
    c, d = x.reshape(2, 2).unbind(0)
    return (
        a.output_nr,
        b.output_nr,
        (b * 1).grad_fn.next_functions[0][1],
        c.output_nr,
        d.output_nr,
        name(b.grad_fn),
        name(d.grad_fn),
    )


@program
def printed_nodes(lib):
    x = leaf(lib)
    return [
        repr(t)
        for t in (
            x,
            x * 2,
            (x * x).sum(),
            x.exp().mean(),
            x.view(3, 1) @ x.view(1, 3),
            x.relu(),
            x[0],
            x.detach(),
            x.unsqueeze(0),
            -x,
            x - 1,
            1 / x,
            x**2,
        )
    ]


@program
def names_of_a_network(lib):
    model = lib.nn.Sequential(
        lib.nn.Conv2d(1, 2, 3),
        lib.nn.BatchNorm2d(2),
        lib.nn.ReLU(),
        lib.nn.MaxPool2d(2),
        lib.nn.Flatten(),
        lib.nn.Linear(18, 4),
        lib.nn.LogSoftmax(1),
    )
    x = lib.ones(2, 1, 8, 8)
    names = []
    for layer in model:
        x = layer(x)
        names.append(name(x.grad_fn))
    loss = lib.nn.functional.nll_loss(x, lib.tensor([0, 1]))
    return names, name(loss.grad_fn), name(lib.nn.functional.cross_entropy(x, lib.tensor([0, 1])).grad_fn)
