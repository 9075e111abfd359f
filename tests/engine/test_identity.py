"""One tensor, one Python object: attributes, weak references, `is`, subclasses, and garbage collection."""

from __future__ import annotations

import copy
import gc
import weakref

import pytest

import lampas
from lampas.autograd import Function
from lampas.nn import Parameter


class Tagged(lampas.Tensor):
    """A subclass that overrides nothing."""


def leaf(*shape):
    return lampas.ones(*shape, requires_grad=True)


def collected(make):
    """Whether what make() returns a weak reference to is gone after one collection."""
    gc.collect()
    reference = make()
    gc.collect()
    return reference() is None


def test_attributes_stay():
    x = lampas.ones(2)
    x.name = "weights"
    x.extra = {"a": 1}
    assert x.name == "weights"
    assert vars(x) == {"name": "weights", "extra": {"a": 1}}
    del x.name
    with pytest.raises(AttributeError, match="name"):
        x.name


def test_in_place_and_out_return_the_same_object():
    x, out = lampas.ones(3), lampas.empty(3)
    assert x.add_(1) is x
    y = x
    y += 1
    assert y is x
    assert lampas.add(x, x, out=out) is out
    assert x.requires_grad_() is x
    assert x.detach().zero_() is not x


def test_no_copy_calls_return_self():
    x = lampas.ones(2, 3)
    assert x.contiguous() is x
    assert x.to(lampas.float32) is x
    assert x.float() is x
    assert x.cpu() is x
    assert +x is x
    assert lampas.as_tensor(x) is x


def test_grad_is_the_same_object_each_time():
    x = leaf(3)
    (x * 2).sum().backward()
    g = x.grad
    g.note = "mine"
    assert x.grad is g
    reference = weakref.ref(g)
    del g
    gc.collect()
    assert x.grad is reference()
    assert x.grad.note == "mine"


def test_base_is_the_original():
    x = lampas.arange(6)
    x.tag = 1
    assert x.view(2, 3)._base is x
    assert x[1:][1:]._base.tag == 1


def test_base_outlives_its_name():
    x = lampas.arange(6.0)
    x.tag = "base"
    v = x[2:4]
    reference = weakref.ref(x)
    del x
    gc.collect()
    assert v._base is reference()
    assert v._base.tag == "base"
    del v
    assert reference() is None


def test_grad_fn_is_one_object():
    y = leaf(2) * 2
    node = y.grad_fn
    node.metadata["key"] = "value"
    assert y.grad_fn is node
    z = y + 1
    assert z.grad_fn.next_functions[0][0] is node
    del node
    assert y.grad_fn.metadata["key"] == "value"


def test_leaf_comes_back_from_the_graph():
    x = leaf(2)
    x.label = "x"
    y = (x * 3).sum()
    accumulate = y.grad_fn.next_functions[0][0].next_functions[0][0]
    assert accumulate.name().endswith("AccumulateGrad")
    assert accumulate.variable is x
    reference = weakref.ref(x)
    del x
    gc.collect()
    assert accumulate.variable is reference()
    assert accumulate.variable.label == "x"


def test_saved_tensors_are_the_same_objects():
    x = leaf(2)
    y = x * x
    assert y.grad_fn._saved_self is x


def test_saved_for_backward_is_the_same_object():
    seen = []

    class Keep(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            seen.append(ctx.saved_tensors[0])
            return g * 2

    x = leaf(2)
    x.label = "input"
    Keep.apply(x).sum().backward()
    assert seen[0] is x
    assert seen[0].label == "input"


def test_context_is_the_node():
    class Carry(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.note = "hello"
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            assert ctx.note == "hello"
            return g

    x = leaf(2)
    y = Carry.apply(x)
    assert y.grad_fn.note == "hello"
    y.sum().backward()
    assert x.grad.tolist() == [1, 1]


def test_containers_give_back_the_same_object():
    x = leaf(2)
    x.tag = 5
    for box in ([x], (x,), {"x": x}, {x}):
        values = box.values() if isinstance(box, dict) else box
        assert next(iter(values)) is x
    assert x in {x}
    assert {x: 1}[x] == 1
    assert hash(x) == hash(x)


def test_tensors_are_dictionary_keys_by_identity():
    a, b = lampas.ones(2), lampas.ones(2)
    table = {a: "a", b: "b"}
    assert table[a] == "a"
    assert table[b] == "b"


def test_hooks_receive_the_tensor_itself():
    x, seen = leaf(2), []
    x.register_post_accumulate_grad_hook(lambda t: seen.append(t is x))
    x.sum().backward()
    assert seen == [True]


def test_module_parameters_are_the_objects_given():
    layer = lampas.nn.Linear(2, 2)
    weight = layer.weight
    weight.tag = "w"
    layer(lampas.ones(1, 2)).sum().backward()
    assert layer.weight is weight
    assert next(layer.parameters()) is weight
    assert next(layer.parameters()).tag == "w"


# ---- life ----


def test_weak_references_die_with_the_last_use():
    x = lampas.ones(2)
    gone = []
    reference = weakref.ref(x, lambda r: gone.append(1))
    y = x
    del x
    assert reference() is y
    del y
    assert reference() is None
    assert gone == [1]


def test_the_graph_keeps_a_tensor_alive_and_then_lets_go():
    x = leaf(2)
    x.tag = 1
    y = (x * x).sum()
    reference = weakref.ref(x)
    del x
    assert reference() is not None
    assert reference().tag == 1
    y.backward(retain_graph=True)
    assert reference().grad.tolist() == [2, 2]
    del y
    assert reference() is None


def test_backward_frees_what_it_no_longer_needs():
    x = leaf(3)
    a = x.exp()
    y = (a * a).sum()
    reference = weakref.ref(a)
    del a
    assert reference() is not None
    y.backward()
    assert reference() is None, "the freed graph still holds a saved tensor"


def test_objects_are_not_reused_while_referenced():
    kept = [lampas.full((1,), i) for i in range(1000)]
    references = [weakref.ref(t) for t in kept]
    for _ in range(1000):
        lampas.ones(1)
    assert all(r() is t for r, t in zip(references, kept))
    assert [int(t) for t in kept] == list(range(1000))


def test_a_fresh_tensor_has_no_old_attributes():
    for i in range(300):
        t = lampas.ones(1)
        assert vars(t) == {}
        t.mark = i
        del t


# ---- subclasses ----


def test_parameter_survives_the_graph():
    p = Parameter(lampas.ones(2))
    p.extra = "kept"
    y = (p * 2).sum()
    variable = y.grad_fn.next_functions[0][0].next_functions[0][0].variable
    assert variable is p
    assert type(variable) is Parameter
    assert variable.extra == "kept"


def test_subclass_survives_saving():
    x = lampas.ones(2).as_subclass(Tagged)
    x.requires_grad_()
    seen = []

    class Keep(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.sum()

        @staticmethod
        def backward(ctx, g):
            seen.append(ctx.saved_tensors[0])
            return g.expand(2)

    Keep.apply(x).backward()
    assert seen[0] is x
    assert type(seen[0]) is Tagged


def test_ops_return_the_subclass():
    x = lampas.ones(2).as_subclass(Tagged)
    assert type(x + 1) is Tagged
    assert type(x[0]) is Tagged
    assert type(x.sum()) is Tagged
    assert type(Parameter(lampas.ones(2)) + 1) is lampas.Tensor


def test_subclass_shares_memory():
    x = lampas.ones(2)
    y = x.as_subclass(Tagged)
    y[0] = 5
    assert x.tolist() == [5, 1]
    assert type(copy.deepcopy(y)) is Tagged


def test_subclass_with_slots_and_init():
    class Named(lampas.Tensor):
        def __new__(cls, data, name):
            return lampas.Tensor._make_subclass(cls, lampas.as_tensor(data))

        def __init__(self, data, name):
            self.name = name

    t = Named([1.0, 2.0], "pair")
    assert isinstance(t, Named)
    assert t.name == "pair"
    assert t.tolist() == [1, 2]


# ---- cycles ----


def test_cycle_through_an_attribute():
    def make():
        x = lampas.ones(2)
        x.me = x
        return weakref.ref(x)

    assert collected(make)


def test_cycle_of_two():
    def make():
        a, b = lampas.ones(2), lampas.ones(2)
        a.other, b.other = b, a
        return weakref.ref(a)

    assert collected(make)


def test_cycle_through_a_view():
    def make():
        x = lampas.ones(2)
        x.view_of_me = x[0:1]
        return weakref.ref(x)

    assert collected(make)


def test_cycle_through_the_context():
    class Hold(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    def make():
        y = Hold.apply(leaf(2))
        y.grad_fn.result = y
        return weakref.ref(y)

    assert collected(make)


def test_cycle_through_saved_output():
    class Exp(Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(y)
            ctx.y = y
            return y

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0]

    def make():
        y = Exp.apply(leaf(2))
        return weakref.ref(y)

    assert collected(make)


def test_saved_output_needs_no_collector():
    """y = exp(x) keeps y for its own gradient: that is no reference cycle."""
    gc.disable()
    try:
        y = leaf(2).exp()
        reference = weakref.ref(y)
        node = weakref.ref(y.grad_fn)
        del y
        assert reference() is None
        assert node() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("register", ["register_hook", "register_post_accumulate_grad_hook"])
def test_cycle_through_a_leaf_hook(register):
    def make():
        x = leaf(2)
        getattr(x, register)(lambda g: x.sum())
        return weakref.ref(x)

    assert collected(make)


def test_cycle_through_a_hook():
    def make():
        y = leaf(2) * 2
        y.register_hook(lambda g: y.sum())
        return weakref.ref(y)

    assert collected(make)


def test_cycle_through_a_node_hook():
    def make():
        y = leaf(2) * 2
        y.grad_fn.register_hook(lambda a, b: y.sum())
        y.grad_fn.register_prehook(lambda a: y.sum())
        return weakref.ref(y)

    assert collected(make)


@pytest.mark.parametrize("inner", [False, True])
def test_cycle_through_a_handle(inner):
    def make():
        x = leaf(2)
        if inner:
            x = x * 2
        x.handle = x.register_hook(lambda g: None)
        return weakref.ref(x)

    assert collected(make)


def test_a_handle_outlives_its_tensor():
    x = leaf(2)
    handle = x.register_hook(lambda g: None)
    y = x * 2
    other = y.register_hook(lambda g: None)
    del x, y
    gc.collect()
    handle.remove()
    other.remove()
    handle.remove()


def test_retain_grad_makes_no_cycle():
    def make():
        y = leaf(2) * 2
        y.retain_grad()
        y.sum().backward()
        assert y.grad.tolist() == [1, 1]
        return weakref.ref(y)

    assert collected(make)


def test_module_with_hooks_is_collected():
    def make():
        layer = lampas.nn.Linear(2, 2)
        layer.register_forward_hook(lambda m, a, o: o)
        layer.me = [layer]
        layer(lampas.ones(1, 2)).sum().backward()
        return weakref.ref(layer.weight)

    assert collected(make)
