"""Hooks on tensors, nodes and modules; retained gradients."""

from . import error, leaf, program


@program
def tensor_hook_sees_and_changes(lib):
    seen = []
    x = leaf(lib)
    y = x * 2
    y.register_hook(lambda g: seen.append(g.clone()))
    y.register_hook(lambda g: g * 10)
    y.register_hook(lambda g: seen.append(g.clone()))
    x.register_hook(lambda g: g + 1)
    (y * y).sum().backward()
    return seen, x.grad


@program
def removed_hook(lib):
    x = leaf(lib)
    handle = x.register_hook(lambda g: g * 100)
    handle.remove()
    x.sum().backward()
    return x.grad


@program
def hooks_of_an_inner_tensor_run_once_with_the_whole_gradient(lib):
    seen = []
    x = leaf(lib)
    y = x * 2
    y.register_hook(lambda g: seen.append(g.clone()))
    (y.sum() + (y * y).sum() + y[0]).backward()
    return seen, x.grad


@program
def post_accumulate_grad_hook(lib):
    seen = []
    x = leaf(lib)
    x.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.clone()))
    (x * x).sum().backward()
    (x * x).sum().backward()
    return seen


@program
def node_hooks(lib):
    seen = []
    x = leaf(lib)
    y = x * 2
    y.grad_fn.register_hook(lambda gi, go: seen.append(("after", [g is None for g in gi], [g.clone() for g in go])))
    y.grad_fn.register_prehook(lambda go: (go[0] * 3,))
    y.sum().backward()
    return seen, x.grad


@program
def hook_order(lib):
    order = []
    x = leaf(lib)
    y = x.exp()
    z = y.sum()
    for tensor, label in ((z, "z"), (y, "y"), (x, "x")):
        tensor.register_hook(lambda g, label=label: order.append(label))
    z.backward()
    return order


@program
def retain_grad(lib):
    x = leaf(lib)
    y = x * 2
    y.retain_grad()
    y.retain_grad()
    z = y * y
    z.sum().backward()
    return y.grad, y.retains_grad, z.retains_grad, x.retains_grad


@program
def retain_grad_after_hooks(lib):
    x = leaf(lib)
    y = x * 2
    y.retain_grad()
    y.register_hook(lambda g: g * 5)
    y.sum().backward()
    return y.grad, x.grad


@program
def module_hooks(lib):
    seen = []
    layer = lib.nn.Linear(2, 2)
    with lib.no_grad():
        layer.weight.copy_(lib.tensor([[1.0, 2.0], [3.0, 4.0]]))
        layer.bias.zero_()
    layer.register_forward_pre_hook(lambda m, args: (args[0] * 2,))
    layer.register_forward_hook(lambda m, args, out: out + 1)
    layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi[0].clone(), go[0].clone())))
    x = lib.ones(1, 2, requires_grad=True)
    out = layer(x)
    out.sum().backward()
    return out.detach(), seen, x.grad, layer.weight.grad


@error()
def hook_on_a_tensor_without_grad(lib):
    lib.ones(3).register_hook(lambda g: g)


@error()
def hook_returns_another_shape(lib):
    x = leaf(lib)
    x.register_hook(lambda g: lib.ones(2))
    x.sum().backward()


@error()
def retain_grad_without_grad(lib):
    lib.ones(3).retain_grad()


@error("from the hook")
def exceptions_pass_through_hooks(lib):
    def hook(g):
        raise KeyError("from the hook")

    x = leaf(lib)
    x.register_hook(hook)
    x.sum().backward()
