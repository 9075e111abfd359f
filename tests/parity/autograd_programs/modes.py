"""no_grad, enable_grad, inference mode, detach, requires_grad."""

from . import error, leaf, name, program


@program
def no_grad(lib):
    x = leaf(lib)
    with lib.no_grad():
        y = x * 2
        inside = lib.is_grad_enabled()
        z = lib.ones(2, requires_grad=True)
    return y, inside, lib.is_grad_enabled(), z.requires_grad


@program
def modes_nest(lib):
    x = leaf(lib)
    states = []
    with lib.no_grad():
        with lib.enable_grad():
            states.append((x * 2).requires_grad)
            with lib.set_grad_enabled(False):
                states.append((x * 2).requires_grad)
            states.append(lib.is_grad_enabled())
        states.append((x * 2).requires_grad)
    lib.set_grad_enabled(False)
    states.append(lib.is_grad_enabled())
    lib.set_grad_enabled(True)
    return states


@program
def modes_as_decorators(lib):
    x = leaf(lib)

    @lib.no_grad()
    def without(t):
        return t * 2

    @lib.no_grad
    def bare(t):
        return t * 2

    @lib.no_grad()
    def generator(t):
        yield (t * 2).requires_grad
        with lib.enable_grad():
            yield (t * 2).requires_grad

    @lib.enable_grad()
    def wanting(t):
        return t * 2

    with lib.no_grad():
        inner = wanting(x).requires_grad
    return without(x), bare(x), list(generator(x)), inner, without.__name__


@program
def the_mode_survives_exceptions(lib):
    try:
        with lib.no_grad():
            raise ValueError
    except ValueError:
        return lib.is_grad_enabled()


@program
def inference_mode(lib):
    x = leaf(lib)
    with lib.inference_mode():
        y = x * 2
        states = lib.is_inference_mode_enabled(), lib.is_grad_enabled(), y.requires_grad, y.is_inference()
        y.add_(1)
    outside = y + 1
    return states, y.is_inference(), outside.is_inference(), lib.is_inference_mode_enabled(), x.is_inference()


@error("inference")
def saving_an_inference_tensor(lib):
    with lib.inference_mode():
        y = lib.ones(3)
    (leaf(lib) * y).sum().backward()


@error("inference")
def in_place_on_an_inference_tensor(lib):
    with lib.inference_mode():
        y = lib.ones(3)
    y.add_(leaf(lib))


@error()
def requires_grad_of_an_inference_tensor(lib):
    with lib.inference_mode():
        y = lib.ones(3)
    y.requires_grad_()
    (y * 2).sum().backward()
    y.view(3).add_(1)


@program
def detach_shares_memory_and_version(lib):
    x = leaf(lib)
    y = x * 2
    d = y.detach()
    d.add_(1)
    return y.detach(), d.requires_grad, d.grad_fn, y._version, d._version, d.is_leaf, d.data_ptr() == y.data_ptr()


@program
def detach_in_place(lib):
    y = leaf(lib) * 2
    y.detach_()
    return y, y.grad_fn, y.is_leaf


@program
def data_shares_memory_not_version(lib):
    y = leaf(lib) * 2
    y.data.add_(1)
    return y.detach(), y._version


@program
def requires_grad_and_leaves(lib):
    x = lib.ones(2)
    same_object = x.requires_grad_() is x
    y = x * 2
    x2 = lib.ones(2).requires_grad_(True).requires_grad_(False)
    z = lib.ones(2, dtype=lib.int64)
    return (
        same_object,
        x.requires_grad,
        y.requires_grad,
        x2.requires_grad,
        z.requires_grad,
        (x > 0).requires_grad,
        x.argmax().requires_grad,
    )


@program
def clone_keeps_the_graph(lib):
    x = leaf(lib)
    y = x.clone()
    (y * y).sum().backward()
    return x.grad, name(y.grad_fn), y.is_leaf


@program
def copies_of_leaves(lib):
    import copy

    x = leaf(lib)
    x.grad = lib.ones(3)
    y = copy.deepcopy(x)
    return y, y.is_leaf, y.grad, y is x


@error()
def deepcopy_of_an_inner_tensor(lib):
    import copy

    copy.deepcopy(leaf(lib) * 2)


@error("detach")
def numpy_of_a_tensor_with_grad(lib):
    leaf(lib).numpy()


@program
def item_and_lists_of_tensors_with_grad(lib):
    x = leaf(lib)
    return x.sum().item(), x.tolist(), float(x[0]), x.detach().numpy().tolist()
