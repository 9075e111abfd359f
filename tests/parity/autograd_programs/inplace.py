"""In-place changes: of views, of bases, of saved values."""

from . import error, leaf, name, program


@program
def in_place_on_an_inner_tensor(lib):
    x = leaf(lib)
    y = x * 2
    y.mul_(3).add_(1)
    y[0] = 7.0
    y.exp_()
    y.sum().backward()
    return x.grad, name(y.grad_fn), y._version


@program
def in_place_under_no_grad_on_a_leaf(lib):
    x = leaf(lib)
    with lib.no_grad():
        x.add_(1)
        x[0] = 5
    return x.detach(), x._version, x.requires_grad, x.is_leaf


@program
def in_place_on_a_view_of_an_inner_tensor(lib):
    x = leaf(lib)
    y = x * 1
    view = y[1:]
    view.mul_(10)
    y.sum().backward()
    return x.grad, name(y.grad_fn), name(view.grad_fn), [name(n) for n, _ in y.grad_fn.next_functions]


@program
def in_place_on_a_base_changes_its_view(lib):
    x = leaf(lib)
    y = x * 1
    view = y[1:]
    y.mul_(x.detach() * 2)
    (view * view).sum().backward()
    return x.grad, view.detach(), name(view.grad_fn)


@program
def copy_slices_with_a_gradient_of_its_own(lib):
    x, w = leaf(lib), leaf(lib, 5.0, 7.0)
    y = x * x
    y[:2] *= w
    y[1:].copy_(w * 3)
    y.sum().backward()
    return x.grad, w.grad


@program
def writing_into_a_buffer_without_grad(lib):
    x = leaf(lib)
    buffer = lib.zeros(2, 3)
    buffer[0] = x * 2
    buffer[1].add_(x.exp())
    before = buffer.requires_grad, name(buffer.grad_fn)
    (buffer * buffer).sum().backward()
    return before, x.grad, buffer.is_leaf


@program
def chained_views_written_in_turn(lib):
    x = lib.arange(12.0).requires_grad_()
    y = (x * 1).view(3, 4)
    a = y.t()[1]
    b = y[1]
    a.mul_(2)
    b.add_(a.sum())
    y[:, 2:].zero_()
    (y * y).sum().backward()
    return x.grad, y.detach(), a.detach(), b.detach()


@program
def masked_writes(lib):
    x = leaf(lib)
    y = x * 2
    y[x > 1.5] = 0
    y.masked_fill_(lib.tensor([True, False, False]), 9.0)
    (y * y).sum().backward()
    return x.grad


@program
def relu_in_place_as_in_networks(lib):
    x = leaf(lib, -1.0, 0.0, 2.0)
    y = lib.nn.functional.relu(x * 2, inplace=True)
    (y * y).sum().backward()
    return x.grad, name(y.grad_fn)


@program
def changing_what_nobody_saved(lib):
    x = leaf(lib)
    y = x + 1  # addition saves nothing
    y.mul_(2)
    y += x
    y.sum().backward()
    return x.grad


@program
def set_item_makes_requires_grad(lib):
    target = lib.zeros(3)
    target[0] = leaf(lib)[1]
    return target, name(target.grad_fn)


@error("leaf")
def in_place_on_a_leaf(lib):
    leaf(lib).add_(1)


@error("leaf")
def writing_into_a_leaf(lib):
    leaf(lib)[0] = 1.0


@error("leaf", "view")
def in_place_on_a_view_of_a_leaf(lib):
    leaf(lib)[:2].add_(1)


@error("version")
def changing_a_saved_output(lib):
    y = leaf(lib).exp()
    y.add_(1)
    y.sum().backward()


@error("version")
def changing_a_saved_input(lib):
    x = leaf(lib)
    y = x * 2
    z = y * y
    y.add_(1)
    z.sum().backward()


@error("version")
def changing_a_saved_weight(lib):
    w, x = lib.ones(3, 3), lib.ones(2, 3, requires_grad=True)
    y = x @ w
    w.mul_(2)
    y.sum().backward()


@error("version")
def changing_a_saved_value_through_a_view(lib):
    x = leaf(lib)
    y = x * 1
    z = (y * y).sum()
    y[0] = 3.0
    z.backward()


@error()
def in_place_on_one_of_several_views(lib):
    a, b = (leaf(lib) * 1).unbind(0)[:2]
    a.add_(b)


@error()
def in_place_on_a_split(lib):
    (lib.ones(4, requires_grad=True) * 1).split(2)[0].mul_(2)


@error()
def in_place_on_a_view_made_under_no_grad(lib):
    y = leaf(lib) * 1
    with lib.no_grad():
        view = y[1:]
    view.mul_(leaf(lib, 1.0, 2.0))


@error()
def out_with_grad(lib):
    x = leaf(lib)
    lib.add(x, x, out=lib.ones(3))
