"""Module: attributes, walks, hooks, state, errors."""

import copy
import gc
import pickle
import re
import types
import weakref

import numpy as np
import pytest

import lampas
import lampas.nn as nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
        self.head = nn.Linear(8, 3)
        self.register_buffer("mean", lampas.zeros(2))
        self.register_buffer("scratch", lampas.zeros(2), persistent=False)

    def forward(self, x):
        return self.head(self.features(x).flatten(1))


def test_assignment_registers_by_kind():
    net = Net()
    assert [n for n, _ in net.named_parameters()] == [
        "features.0.weight",
        "features.0.bias",
        "head.weight",
        "head.bias",
    ]
    assert [n for n, _ in net.named_buffers()] == ["mean", "scratch"]
    assert list(net.state_dict()) == ["mean", "features.0.weight", "features.0.bias", "head.weight", "head.bias"]
    net.plain = lampas.ones(1)
    assert "plain" not in net.state_dict()
    net.plain = nn.Parameter(lampas.ones(1))
    assert "plain" in net.state_dict() and "plain" not in net.__dict__


def test_shared_parameters_and_modules_are_listed_once():
    layer = nn.Linear(2, 2)
    both = nn.Sequential(layer, layer)
    assert len(list(both.parameters())) == 2
    assert len(list(both.named_parameters(remove_duplicate=False))) == 4
    assert [n for n, _ in both.named_modules()] == ["", "0"]
    assert [n for n, _ in both.named_modules(remove_duplicate=False)] == ["", "0", "1"]
    other = nn.Linear(2, 2)
    other.weight = layer.weight
    assert [n for n, _ in nn.Sequential(layer, other).named_parameters()] == ["0.weight", "0.bias", "1.bias"]


def test_printed_form():
    assert repr(Net()) == (
        "Net(\n"
        "  (features): Sequential(\n"
        "    (0): Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1))\n"
        "    (1): ReLU()\n"
        "  )\n"
        "  (head): Linear(in_features=8, out_features=3, bias=True)\n"
        ")"
    )
    assert repr(nn.Parameter(lampas.zeros(2))).startswith("Parameter containing:\ntensor([0., 0.]")


def test_missing_attribute_is_named():
    with pytest.raises(AttributeError, match=re.escape("'Net' object has no attribute 'nothing'")):
        Net().nothing


@pytest.mark.parametrize("value,word", [(nn.Parameter(lampas.ones(1)), "parameters"), (nn.ReLU(), "module")])
def test_assignment_before_init_is_refused(value, word):
    class Early(nn.Module):
        def __init__(self):
            self.x = value

    with pytest.raises(AttributeError, match=f"cannot assign {word} before Module.__init__\\(\\) call"):
        Early()


def test_wrong_kinds_are_refused():
    net = Net()
    with pytest.raises(TypeError, match="cannot assign 'int' as child module 'head'"):
        net.head = 3
    with pytest.raises(TypeError, match=r"cannot assign 'torch.FloatTensor' as parameter 'weight'"):
        net.head.weight = lampas.ones(1)
    with pytest.raises(TypeError, match="cannot assign 'str' as buffer 'mean'"):
        net.mean = "x"
    with pytest.raises(KeyError, match=r"buffer name can.*t contain .*got: a\.b"):
        net.register_buffer("a.b", None)
    with pytest.raises(KeyError, match="attribute 'head' already exists"):
        net.register_parameter("head", None)
    with pytest.raises(ValueError, match="Cannot assign non-leaf Tensor to parameter 'w'"):
        p = nn.Parameter(lampas.ones(1))
        p = p * 2
        p.__class__ = nn.Parameter
        net.register_parameter("w", p)


# --- errors in forward ---


def test_an_error_names_the_modules_path_once_and_what_would_fit():
    with pytest.raises(RuntimeError) as caught:
        nn.Sequential(Net())(lampas.zeros(2, 1, 5, 5))
    notes = caught.value.__notes__
    assert len(notes) == 1
    assert notes[0].startswith("in Sequential.0.head (Linear): ")
    assert "in_features=18 would fit" in notes[0]


def test_the_path_goes_through_lists_that_are_never_called():
    class Deep(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleList([nn.ModuleDict({"fc": nn.Linear(2, 2)})])

        def forward(self, x):
            return self.blocks[0]["fc"](x)

    with pytest.raises(RuntimeError) as caught:
        Deep()(lampas.zeros(1, 3))
    assert caught.value.__notes__[0].startswith("in Deep.blocks.0.fc (Linear)")


@pytest.mark.parametrize(
    "layer,shape,hint",
    [
        (nn.Conv2d(3, 4, 3), (1, 1, 8, 8), "in_channels=1 would fit"),
        (nn.Conv2d(3, 4, 3), (8, 8), "the input has 2 dimensions"),
        (nn.BatchNorm2d(3), (2, 5, 4, 4), "num_features=5 would fit"),
        (nn.LayerNorm(4), (2, 5), "normalized_shape=(4,)"),
    ],
)
def test_hints_of_layers(layer, shape, hint):
    with pytest.raises(Exception) as caught:
        layer(lampas.zeros(shape))
    assert hint in caught.value.__notes__[0]


def test_a_users_own_error_keeps_its_type_and_message():
    class Bad(nn.Module):
        def forward(self, x):
            raise KeyError("mine")

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.bad = Bad()

        def forward(self, x):
            try:
                return self.bad(x)
            except KeyError:
                return 7

    with pytest.raises(KeyError, match="mine") as caught:
        Bad()(1)
    assert caught.value.__notes__ == ["in Bad"]
    assert Outer()(1) == 7


def test_forward_must_be_defined():
    with pytest.raises(NotImplementedError, match='Module \\[Empty\\] is missing the required "forward" function'):
        type("Empty", (nn.Module,), {})()(1)


# --- state ---


def test_load_state_dict_messages():
    net = nn.Linear(2, 1)
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict({"weight": lampas.zeros(3, 2), "other": lampas.zeros(1)})
    assert str(caught.value) == (
        "Error(s) in loading state_dict for Linear:\n"
        '\tMissing key(s) in state_dict: "bias". \n'
        '\tUnexpected key(s) in state_dict: "other". \n'
        "\tsize mismatch for weight: copying a param with shape torch.Size([3, 2]) from checkpoint, the shape in "
        "current model is torch.Size([1, 2])."
    )
    result = net.load_state_dict({"other": lampas.zeros(1)}, strict=False)
    assert result.missing_keys == ["weight", "bias"] and result.unexpected_keys == ["other"]
    assert repr(net.load_state_dict(net.state_dict())) == "<All keys matched successfully>"


def test_a_failed_load_of_one_key_leaves_the_others_loaded_and_the_shape_alone():
    net = nn.Linear(2, 1)
    with pytest.raises(RuntimeError, match="size mismatch for weight"):
        net.load_state_dict({"weight": lampas.zeros(3, 2), "bias": lampas.ones(1)})
    assert tuple(net.weight.shape) == (1, 2)


def test_load_copies_values_and_assign_takes_the_tensor():
    net = nn.Linear(2, 1)
    before = net.weight
    state = {"weight": lampas.ones(1, 2), "bias": lampas.zeros(1)}
    net.load_state_dict(state)
    assert net.weight is before and net.weight.tolist() == [[1.0, 1.0]]
    net.load_state_dict(state, assign=True)
    assert net.weight is not before and isinstance(net.weight, nn.Parameter)
    state["weight"].fill_(5)
    assert net.weight.tolist() == [[5.0, 5.0]]


def test_state_dict_shares_memory_and_has_no_history():
    net = nn.Linear(2, 1)
    state = net.state_dict()
    assert not state["weight"].requires_grad
    state["weight"].fill_(3)
    assert net.weight.tolist() == [[3.0, 3.0]]
    assert state._metadata[""] == {"version": 1}


# --- hooks ---


def test_hooks_run_in_order_and_can_be_removed():
    seen = []
    layer = nn.Identity()
    first = layer.register_forward_pre_hook(lambda m, args: seen.append("pre"))
    layer.register_forward_hook(lambda m, args, out: out + 1)
    layer.register_forward_hook(lambda m, args, out: seen.append(out.item()), prepend=True)
    assert layer(lampas.tensor(1.0)).item() == 2.0
    assert seen == ["pre", 1.0]
    first.remove()
    layer(lampas.tensor(1.0))
    assert seen == ["pre", 1.0, 1.0]
    with layer.register_forward_hook(lambda m, a, o: o * 100):
        assert layer(lampas.tensor(1.0)).item() == 200.0
    assert layer(lampas.tensor(1.0)).item() == 2.0


def test_full_backward_hooks_see_and_change_gradients():
    layer = nn.Linear(2, 1, bias=False)
    nn.init.constant_(layer.weight, 3.0)
    seen = []
    layer.register_full_backward_pre_hook(lambda m, grad_output: (grad_output[0] * 2,))
    layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi[0].tolist(), go[0].tolist())))
    layer.register_full_backward_hook(lambda m, gi, go: (gi[0] + 1,))
    x = lampas.ones(1, 2, requires_grad=True)
    layer(x).sum().backward()
    assert seen == [([[6.0, 6.0]], [[2.0]])]
    assert x.grad.tolist() == [[7.0, 7.0]]
    assert layer.weight.grad.tolist() == [[2.0, 2.0]]


def test_one_module_takes_one_kind_of_backward_hook():
    layer = nn.ReLU()
    layer.register_full_backward_hook(lambda *a: None)
    with pytest.raises(RuntimeError, match="Cannot use both regular backward hooks and full backward hooks"):
        layer.register_backward_hook(lambda *a: None)


def test_hooks_survive_copying():
    layer = nn.Identity()
    layer.register_forward_hook(add_one)
    assert copy.deepcopy(layer)(lampas.tensor(1.0)).item() == 2.0
    assert pickle.loads(pickle.dumps(layer))(lampas.tensor(1.0)).item() == 2.0


def add_one(module, args, output):
    return output + 1


# --- conversions, modes, copies ---


def test_conversion_keeps_the_parameter_objects_and_integer_buffers():
    net = nn.BatchNorm1d(2)
    before = net.weight
    assert net.double() is net
    assert net.weight is before and net.weight.dtype == lampas.float64
    assert net.num_batches_tracked.dtype == lampas.int64
    with pytest.raises(TypeError, match="only accepts floating point or complex dtypes"):
        net.to(lampas.int32)
    with pytest.raises(TypeError, match="invalid combination of arguments"):
        net.to()


def test_meta_and_back():
    net = nn.Linear(2, 3, device="meta")
    assert net.weight.is_meta
    net.to_empty(device="cpu")
    assert not net.weight.is_meta and tuple(net.weight.shape) == (3, 2) and net.weight.requires_grad


def test_modes_reach_all_modules():
    net = Net()
    assert all(not m.training for m in net.eval().modules())
    assert all(m.training for m in net.train().modules())
    with pytest.raises(ValueError, match="training mode is expected to be boolean"):
        net.train("yes")


def test_deepcopy_is_independent_and_keeps_ties():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    twin = copy.deepcopy(net)
    assert twin[0].weight is twin[1].weight and twin[0].weight is not net[0].weight
    assert isinstance(twin[0].weight, nn.Parameter)


def test_a_dropped_module_is_freed():
    net = Net()
    ref = weakref.ref(net)
    net(lampas.zeros(1, 1, 4, 4))
    del net
    gc.collect()
    assert ref() is None


def test_buffers_can_be_marked():
    net = nn.Module()
    net.a = nn.Buffer(lampas.ones(1))
    net.b = nn.Buffer(lampas.ones(1), persistent=False)
    assert list(net.state_dict()) == ["a"] and [n for n, _ in net.named_buffers()] == ["a", "b"]
    assert isinstance(net.a, nn.Buffer) and not isinstance(lampas.ones(1), nn.Buffer)


def test_parameter_wants_a_tensor():
    with pytest.raises(TypeError, match="Parameter needs a tensor as data, got list"):
        nn.Parameter([1.0])


def test_parametrized_weight_is_used_in_forward():
    class Double(nn.Module):
        def forward(self, x):
            return x * 2

    layer = nn.Linear(2, 1, bias=False)
    nn.init.ones_(layer.weight)
    nn.utils.parametrize.register_parametrization(layer, "weight", Double())
    assert layer(lampas.ones(2)).item() == 4.0
    nn.utils.parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is nn.Linear and layer(lampas.ones(2)).item() == 4.0


def test_lazy_layer_waits_for_its_input():
    layer = nn.LazyLinear(3)
    with pytest.raises(RuntimeError, match="Can't access the shape of an uninitialized parameter"):
        layer.weight.shape
    assert "UninitializedParameter" in repr(layer.weight)
    layer(lampas.zeros(2, 5))
    assert type(layer) is nn.Linear and tuple(layer.weight.shape) == (3, 5)
    assert type(layer.weight) is nn.Parameter
    np.testing.assert_array_less(np.abs(layer.weight.detach().numpy()), 1 / np.sqrt(5) + 1e-6)


def test_attributes_are_found_in_the_tables_and_a_subclass_may_look_further() -> None:
    class Wrapper(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.BatchNorm1d(3)

        def __getattr__(self, name: str) -> object:
            try:
                return super().__getattr__(name)
            except AttributeError:
                return getattr(super().__getattr__("inner"), name)

    wrapper = Wrapper()
    assert wrapper.inner is wrapper._modules["inner"]
    assert wrapper.weight is wrapper.inner._parameters["weight"]
    assert wrapper.running_mean is wrapper.inner._buffers["running_mean"]
    with pytest.raises(AttributeError, match="'BatchNorm1d' object has no attribute 'wieght'"):
        _ = wrapper.wieght


def test_attributes_before_init() -> None:
    class Early(nn.Module):
        def __init__(self) -> None:
            self.first

    with pytest.raises(AttributeError, match="'Early' object has no attribute 'first'"):
        Early()


def test_tables_of_other_kinds_are_searched() -> None:
    class Named(dict):
        def __missing__(self, key: str) -> str:
            raise KeyError(key)

    module = nn.Module()
    module.__dict__["_buffers"] = types.MappingProxyType({"mean": 1})
    module.__dict__["_modules"] = Named(inner=2)
    assert (module.mean, module.inner) == (1, 2)
    with pytest.raises(AttributeError, match="no attribute 'outer'"):
        _ = module.outer
