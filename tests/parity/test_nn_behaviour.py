"""Module's behaviour against PyTorch's: the same program run over both must tell the same story."""

import copy
import pickle
import warnings
from collections import OrderedDict

import numpy as np
import pytest

torch = pytest.importorskip("torch")

pytest.importorskip("torch.nn.utils.prune")

import lampas  # noqa: E402

BOTH = (lampas, torch)


def story(program):
    """What ``program(library)`` gives over both, errors included, with the libraries' names made alike."""
    results = []
    for library in BOTH:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                result = program(library)
            except Exception as error:
                result = (type(error).__name__, str(error))
        results.append(normalized(result))
    return results


class Numbers:
    """Values that are equal when they are close."""

    def __init__(self, values):
        self.values = values

    def __eq__(self, other):
        return (
            isinstance(other, Numbers)
            and self.values.shape == other.values.shape
            and np.allclose(self.values, other.values, rtol=1e-4, atol=1e-5, equal_nan=True)
        )

    def __repr__(self):
        return repr(np.round(self.values, 4).tolist())


def normalized(value):
    if hasattr(value, "detach"):
        return Numbers(value.detach().numpy().astype("float64"))
    if isinstance(value, (tuple, list)):
        return [normalized(v) for v in value]
    if isinstance(value, dict):
        return {k: normalized(v) for k, v in value.items()}
    return str(value).replace("lampas", "torch")


def same(program):
    mine, theirs = story(program)
    assert mine == theirs
    return mine


def net(library):
    nn = library.nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.BatchNorm2d(2))
            self.head = nn.Linear(8, 3)
            self.tied = self.head
            self.register_buffer("mean", library.zeros(2))
            self.register_buffer("hidden", library.zeros(2), persistent=False)
            self.scale = nn.Parameter(library.ones(1))

        def forward(self, x, extra=0):
            return self.head(self.features(x).flatten(1)) * self.scale + extra

    library.manual_seed(0)
    return Net()


def batch(library):
    return library.from_numpy(np.random.default_rng(0).standard_normal((4, 1, 4, 4)).astype("float32"))


def test_walks():
    same(lambda lib: [name for name, _ in net(lib).named_parameters()])
    same(lambda lib: [name for name, _ in net(lib).named_buffers()])
    same(lambda lib: [name for name, _ in net(lib).named_modules()])
    same(lambda lib: [name for name, _ in net(lib).named_children()])
    same(lambda lib: [n for n, _ in net(lib).named_parameters(remove_duplicate=False)])
    same(lambda lib: [n for n, _ in net(lib).named_parameters(prefix="p", recurse=False)])
    same(lambda lib: [n for n, _ in net(lib).named_modules(remove_duplicate=False)])
    same(lambda lib: repr(net(lib)))
    same(lambda lib: sorted(set(dir(net(lib))) & {"head", "mean", "scale", "forward", "features"}))


def test_state_dict_and_its_metadata():
    same(lambda lib: net(lib).state_dict())
    same(lambda lib: dict(net(lib).state_dict()._metadata))
    same(lambda lib: list(net(lib).state_dict(prefix="x.")))
    same(lambda lib: list(net(lib).state_dict(keep_vars=True)))


@pytest.mark.parametrize(
    "change",
    [
        lambda lib, s: s.pop("head.weight"),
        lambda lib, s: s.update({"other": lib.zeros(1)}),
        lambda lib, s: s.update({"head.other": lib.zeros(1), "deep.er.one": lib.zeros(1)}),
        lambda lib, s: s.update({"head.weight": lib.zeros(2, 8)}),
        lambda lib, s: (s.pop("scale"), s.update({"mean": lib.zeros(3), "more": lib.zeros(1)})),
        lambda lib, s: s.update({"head.bias": [1, 2]}),
        lambda lib, s: s.update({"head.bias": lib.ones(3)}),
    ],
)
@pytest.mark.parametrize("strict", [True, False])
def test_load_state_dict(change, strict):
    def program(lib):
        model = net(lib)
        state = OrderedDict(model.state_dict())
        change(lib, state)
        result = model.load_state_dict(state, strict=strict)
        return repr(result), model.state_dict()

    same(program)


def test_load_state_dict_assign_keeps_the_given_tensors():
    def program(lib):
        model = lib.nn.Linear(2, 1)
        given = {"weight": lib.ones(1, 2, dtype=lib.float64), "bias": lib.zeros(1, dtype=lib.float64)}
        model.load_state_dict(given, assign=True)
        return (
            str(model.weight.dtype),
            model.weight.data_ptr() == given["weight"].data_ptr(),
            model.weight.requires_grad,
        )

    assert same(program)[1] == "True"


def test_load_state_dict_refuses_what_is_no_mapping():
    same(lambda lib: net(lib).load_state_dict([1])[0])


def test_extra_state():
    def program(lib):
        class Extra(lib.nn.Module):
            def get_extra_state(self):
                return {"n": 3}

            def set_extra_state(self, state):
                self.got = state

        model = Extra()
        state = model.state_dict()
        model.load_state_dict(state)
        return list(state), model.got, repr(lib.nn.Linear(1, 1).load_state_dict({"_extra_state": 1}, strict=False))

    same(program)
    same(lambda lib: lib.nn.Linear(1, 1).load_state_dict({"_extra_state": 1}))


def test_hooks_of_state_dict():
    def program(lib):
        seen = []
        model = net(lib)
        model.register_state_dict_pre_hook(lambda m, prefix, keep: seen.append(("pre", prefix, keep)))
        model.head.register_state_dict_post_hook(lambda m, s, prefix, meta: seen.append(("post", prefix, len(s))))
        model._register_state_dict_hook(lambda m, s, prefix, meta: s.__delitem__("mean"))
        model.head.register_load_state_dict_pre_hook(
            lambda m, s, prefix, *rest: seen.append(("load", prefix, len(rest)))
        )
        model.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
        state = model.state_dict()
        seen.append(repr(model.load_state_dict(state)))
        return seen, list(state)

    same(program)


def test_forward_hooks_in_order():
    def program(lib):
        seen = []
        model = net(lib).eval()
        h1 = model.register_forward_pre_hook(lambda m, args: seen.append(("pre1", len(args))))
        model.register_forward_pre_hook(lambda m, args: seen.append("pre0"), prepend=True)
        model.register_forward_pre_hook(lambda m, args, kw: (args, {**kw, "extra": 1}), with_kwargs=True)
        model.register_forward_hook(lambda m, args, out: seen.append(("post", out)))
        model.register_forward_hook(lambda m, args, kw, out: out * kw["extra"] + 1, with_kwargs=True)
        first = model(batch(lib))
        h1.remove()
        h1.remove()
        return first, model(batch(lib), extra=5), seen

    same(program)


def test_always_called_hooks_and_bad_answers():
    def program(lib):
        seen = []

        class Bad(lib.nn.Module):
            def forward(self, x):
                raise ValueError("bad")

        model = Bad()
        model.register_forward_hook(lambda m, a, o: seen.append(o), always_call=True)
        model.register_forward_hook(lambda m, a, o: seen.append("never"))
        try:
            model(1)
        except ValueError as error:
            seen.append(str(error))
        return seen

    same(program)

    def wrong(lib):
        model = lib.nn.Identity()
        model.register_forward_pre_hook(lambda m, a, k: 3, with_kwargs=True)
        model(lib.ones(1))

    same(wrong)


def test_backward_hooks():
    def program(lib):
        seen = []
        model = net(lib)
        model.head.register_full_backward_pre_hook(lambda m, go: seen.append(("pre", go[0])))
        model.head.register_full_backward_hook(lambda m, gi, go: seen.append(("full", gi[0], go[0])))
        model.features.register_full_backward_hook(lambda m, gi, go: seen.append(("features", gi[0] is None, go[0])))
        model.head.register_full_backward_hook(lambda m, gi, go: (gi[0] * 2,))
        model(batch(lib)).sum().backward()
        return seen, [p.grad for p in model.parameters()]

    same(program)

    def both_kinds(lib):
        m = lib.nn.Linear(1, 1)
        m.register_backward_hook(lambda *a: None)
        m.register_full_backward_hook(lambda *a: None)

    same(both_kinds)

    def old_kind(lib):
        seen = []
        m = lib.nn.ReLU()
        m.register_backward_hook(lambda m, gi, go: seen.append((gi[0], go[0])))
        m(lib.ones(2, requires_grad=True)).sum().backward()
        return seen

    same(old_kind)


def test_global_hooks():
    def program(lib):
        module = lib.nn.modules.module
        seen = []
        handles = [
            module.register_module_forward_pre_hook(lambda m, a: seen.append(("pre", type(m).__name__))),
            module.register_module_forward_hook(lambda m, a, o: seen.append(("post", type(m).__name__))),
            module.register_module_full_backward_hook(lambda m, gi, go: seen.append(("back", type(m).__name__))),
            module.register_module_parameter_registration_hook(lambda m, n, p: seen.append(("param", n))),
            module.register_module_module_registration_hook(lambda m, n, c: seen.append(("module", n))),
            module.register_module_buffer_registration_hook(lambda m, n, b: seen.append(("buffer", n))),
        ]
        try:
            model = net(lib)
            model(batch(lib)).sum().backward()
        finally:
            for handle in handles:
                handle.remove()
        count = len(seen)
        net(lib)(batch(lib))
        return seen, len(seen) == count

    same(program)


@pytest.mark.parametrize(
    "act",
    [
        lambda lib, m: m.register_buffer("a.b", lib.ones(1)),
        lambda lib, m: m.register_buffer("", lib.ones(1)),
        lambda lib, m: m.register_buffer("forward", lib.ones(1)),
        lambda lib, m: m.register_buffer("x", [1]),
        lambda lib, m: m.register_buffer(3, lib.ones(1)),
        lambda lib, m: m.register_parameter("a.b", None),
        lambda lib, m: m.register_parameter("head", None),
        lambda lib, m: m.add_module("a.b", None),
        lambda lib, m: m.add_module("x", 3),
        lambda lib, m: setattr(m, "scale", lib.ones(1)),
        lambda lib, m: setattr(m, "head", 3),
        lambda lib, m: setattr(m, "mean", 3),
        lambda lib, m: setattr(m, "head", None) or list(m.state_dict()),
        lambda lib, m: setattr(m, "scale", None) or list(m.state_dict()),
        lambda lib, m: setattr(m, "mean", None) or list(m.state_dict()),
        lambda lib, m: setattr(m, "mean", lib.ones(3)) or m.state_dict()["mean"],
        lambda lib, m: setattr(m, "mean", lib.nn.Parameter(lib.ones(3))) or list(m.state_dict()),
        lambda lib, m: setattr(m, "extra", lib.nn.Buffer(lib.ones(3))) or list(m.state_dict()),
        lambda lib, m: setattr(m, "extra", lib.nn.Buffer(lib.ones(3), persistent=False)) or list(m.state_dict()),
        lambda lib, m: delattr(m, "head") or list(m.state_dict()),
        lambda lib, m: delattr(m, "nothing"),
        lambda lib, m: m.nothing,
        lambda lib, m: m.get_submodule("features.2") is m.features[2],
        lambda lib, m: m.get_submodule("features.9"),
        lambda lib, m: m.get_submodule("mean"),
        lambda lib, m: m.get_parameter("head.weight") is m.head.weight,
        lambda lib, m: m.get_parameter("head.none"),
        lambda lib, m: m.get_buffer("features.2.running_mean"),
        lambda lib, m: m.get_buffer("head.weight"),
        lambda lib, m: m.set_submodule("features.1", lib.nn.Tanh()) or repr(m),
        lambda lib, m: m.set_submodule("", lib.nn.Tanh()),
        lambda lib, m: m.set_submodule("features.x", lib.nn.Tanh(), strict=True),
        lambda lib, m: m.train(3),
        lambda lib, m: m.to(lib.int64),
        lambda lib, m: [str(v.dtype) for v in m.to(lib.float64).state_dict().values()],
        lambda lib, m: [str(v.dtype) for v in m.half().state_dict().values()],
        lambda lib, m: [str(v.dtype) for v in m.bfloat16().state_dict().values()],
        lambda lib, m: [str(v.device) for v in m.to("meta").state_dict().values()],
        lambda lib, m: [str(v.device) for v in m.to("meta").to_empty(device="cpu").state_dict().values()],
        lambda lib, m: [str(v.dtype) for v in m.to(lib.ones(1, dtype=lib.float64)).state_dict().values()],
        lambda lib, m: [x.training for x in m.eval().modules()],
        lambda lib, m: [p.requires_grad for p in m.requires_grad_(False).parameters()],
        lambda lib, m: type(m)(3),
        lambda lib, m: lib.nn.Module(3),
        lambda lib, m: lib.nn.Module(a=3),
        lambda lib, m: lib.nn.Module()(3),
        lambda lib, m: m.double().float().head.weight.is_leaf,
    ],
)  # fmt: skip
def test_one_act(act):
    mine, theirs = story(lambda lib: act(lib, net(lib)))
    if isinstance(theirs, list) and len(theirs) == 2 and str(theirs[0]).endswith("Error"):
        assert mine[0] == theirs[0]  # the type; our sentences are our own
    else:
        assert mine == theirs


def test_zero_grad():
    def program(lib):
        model = net(lib)
        model(batch(lib)).sum().backward()
        model.zero_grad(set_to_none=False)
        zeros = [p.grad for p in model.parameters()]
        model.zero_grad()
        return zeros, [p.grad is None for p in model.parameters()]

    same(program)


def test_copies():
    def program(lib):
        model = net(lib)
        twin = copy.deepcopy(model)
        with lib.no_grad():
            twin.scale.add_(1)
        return twin.state_dict(), model.scale, twin.tied is twin.head, type(twin.scale) is lib.nn.Parameter

    same(program)
    linear = lampas.nn.Linear(2, 3)
    again = pickle.loads(pickle.dumps(linear))
    assert repr(again) == repr(linear)
    np.testing.assert_array_equal(again.weight.detach().numpy(), linear.weight.detach().numpy())


@pytest.mark.parametrize(
    "build",
    [
        lambda nn: nn.ModuleList([nn.Linear(2, 2) for _ in range(3)] + [nn.ReLU(), nn.Linear(1, 2)]),
        lambda nn: nn.ModuleList([nn.Sequential(nn.ReLU(), nn.Tanh())] * 2),
        lambda nn: nn.ModuleList(),
        lambda nn: nn.ModuleDict({"a": nn.ReLU(), "b": nn.Tanh()}),
        lambda nn: nn.Sequential(OrderedDict(a=nn.ReLU(), b=nn.Tanh())),
        lambda nn: nn.Sequential(nn.ReLU(), nn.Tanh(), nn.ELU())[1:],
        lambda nn: nn.Sequential(nn.ReLU()) + nn.Sequential(nn.Tanh()),
        lambda nn: nn.Sequential(nn.ReLU()) * 3,
        lambda nn: nn.Sequential(nn.ReLU()).append(nn.Tanh()).insert(0, nn.ELU()).extend([nn.CELU()]),
        lambda nn: nn.ModuleList([nn.ReLU()]).append(nn.Tanh()).extend([nn.ELU()])[::2],
        lambda nn: nn.ParameterList([nn.Parameter(nn.init.ones_(nn.Linear(2, 3).weight)), 3, "x"]),
        lambda nn: nn.ParameterDict({"a": nn.Linear(2, 3).weight, "b": 4}),
        lambda nn: nn.Sequential(nn.ReLU())[4],
        lambda nn: nn.Sequential(nn.ReLU()) * 0,
        lambda nn: nn.Sequential(nn.ReLU()) + 3,
        lambda nn: nn.ModuleList([nn.ReLU()])[-2],
        lambda nn: nn.ModuleList(3),
        lambda nn: nn.ModuleDict([1]),
        lambda nn: nn.ModuleDict({"a": nn.ReLU()}).pop("a"),
    ],
)
def test_containers(build):
    mine, theirs = story(lambda lib: repr(build(lib.nn)))
    if isinstance(theirs, list):
        assert mine[0] == theirs[0]
    else:
        assert mine == theirs


@pytest.mark.parametrize(
    "fill",
    [
        lambda i, t: i.uniform_(t, -1, 2), lambda i, t: i.normal_(t, 1, 2),
        lambda i, t: i.trunc_normal_(t, 0, 1, -1, 1), lambda i, t: i.trunc_normal_(t, 0, 1, 1.5, 3),
        lambda i, t: i.xavier_uniform_(t, 2.0), lambda i, t: i.xavier_normal_(t),
        lambda i, t: i.kaiming_uniform_(t, a=0.2),
        lambda i, t: i.kaiming_normal_(t, mode="fan_out", nonlinearity="relu"),
        lambda i, t: i.orthogonal_(t), lambda i, t: i.orthogonal_(t.t(), gain=2).t(), lambda i, t: i.sparse_(t, 0.4),
        lambda i, t: i.eye_(t), lambda i, t: i.constant_(t, 3), lambda i, t: i.dirac_(t.view(2, 5, 3)),
        lambda i, t: i.dirac_(t.view(6, 5, 1), 2), lambda i, t: i.zeros_(t),
        lambda i, t: i.kaiming_normal_(t, mode="x"),
        lambda i, t: i.calculate_gain("selu"), lambda i, t: i.calculate_gain("leaky_relu", 0.3),
        lambda i, t: i.xavier_normal_(t[0]), lambda i, t: i.eye_(t[0]),
    ],
)  # fmt: skip
def test_init(fill):
    def program(lib):
        lib.manual_seed(3)
        return fill(lib.nn.init, lib.empty(6, 5))

    mine, theirs = story(program)
    if isinstance(theirs, list) and str(theirs[0]).endswith("Error"):
        assert mine[0] == theirs[0]
    else:
        assert mine == theirs


@pytest.mark.parametrize(
    "program",
    [
        lambda lib, F, x: F.mse_loss(x, x * 2, weight=x.abs()),
        lambda lib, F, x: F.l1_loss(x, x * 2, weight=x.abs(), reduction="sum"),
        lambda lib, F, x: F.huber_loss(x, x * 3, weight=x.abs(), reduction="none"),
        lambda lib, F, x: F.mse_loss(x, x, size_average=False),
        lambda lib, F, x: F.cross_entropy(x, lib.tensor([0, 1, 2]), reduce=False),
        lambda lib, F, x: F.mse_loss(x, x, reduction="x"),
        lambda lib, F, x: F.binary_cross_entropy(x.sigmoid(), x[:2].sigmoid()),
        lambda lib, F, x: F.normalize(x, p=1, dim=0),
        lambda lib, F, x: F.one_hot(lib.tensor([[1, 0], [2, 2]])),
        lambda lib, F, x: F.one_hot(lib.tensor([1]), 5),
        lambda lib, F, x: F.one_hot(lib.tensor([7]), 5),
        lambda lib, F, x: F.one_hot(lib.tensor([-1]), 5),
        lambda lib, F, x: F.softmax(x),
        lambda lib, F, x: F.softmax(x, 0, dtype=lib.float64),
        lambda lib, F, x: F.gumbel_softmax(x, hard=True),
        lambda lib, F, x: F.gumbel_softmax(x, tau=0.5),
        lambda lib, F, x: F.dropout(x, 1.5),
        lambda lib, F, x: F.pad(x, (1, 2, -1, 0)),
        lambda lib, F, x: F.pad(x[None], (1, 2), mode="reflect"),
        lambda lib, F, x: F.interpolate(x[None, None], size=3),
        lambda lib, F, x: F.interpolate(x[None], size=3, mode="bilinear"),
        lambda lib, F, x: F.interpolate(x[None, None], scale_factor=0.5, mode="bilinear", antialias=True),
        lambda lib, F, x: F.interpolate(x[None, None], scale_factor=(0.5, 2), mode="bicubic"),
        lambda lib, F, x: F.interpolate(x[None, None]),
        lambda lib, F, x: F.interpolate(x[None, None], size=3, align_corners=True),
        lambda lib, F, x: F.affine_grid(lib.tensor([[[1.0, 0, 0], [0, 1, 0]]]), (1, 1, 2, 2), align_corners=False),
        lambda lib, F, x: F.grid_sample(x[None, None], lib.zeros(1, 2, 2, 2), align_corners=True),
        lambda lib, F, x: F.grid_sample(x[None, None], lib.zeros(1, 2, 2, 2), mode="x"),
        lambda lib, F, x: F.pdist(x),
        lambda lib, F, x: F.cosine_similarity(x, x * 2 + 1),
        lambda lib, F, x: F.linear_cross_entropy(x, lib.ones(4, 4), lib.tensor([0, 1, 2])),
        lambda lib, F, x: F.max_unpool2d(*F.max_pool2d(x[None, None], 2, return_indices=True), 2, None, 0, (3, 4)),
        lambda lib, F, x: F.max_unpool2d(*F.max_pool2d(x[None, None], 2, return_indices=True), 2, output_size=(9, 9)),
        lambda lib, F, x: F.batch_norm(x[:1], None, None, training=True),
        lambda lib, F, x: F.embedding(lib.tensor([0, 2]), x, padding_idx=-1),
        lambda lib, F, x: F.embedding(lib.tensor([0, 2]), x, padding_idx=7),
        lambda lib, F, x: F.multi_margin_loss(x, lib.tensor([0, 1, 2]), p=3),
        lambda lib, F, x: F.triplet_margin_loss(x, x + 1, x - 2, margin=0.5),
        lambda lib, F, x: F.dropout2d(x[None, None], 0.5),
        lambda lib, F, x: F.dropout1d(x[0], 0.5),
    ],
)  # fmt: skip
def test_functional(program):
    def both(lib):
        x = lib.from_numpy(np.random.default_rng(1).standard_normal((3, 4)).astype("float32"))
        lib.manual_seed(5)
        return program(lib, lib.nn.functional, x)

    mine, theirs = story(both)
    if isinstance(theirs, list) and theirs and str(theirs[0]).endswith("Error"):
        assert mine[0] == theirs[0]
    else:
        assert mine == theirs


def test_utils():
    def clip(lib):
        model = net(lib)
        model(batch(lib)).square().sum().backward()
        before = lib.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        after = lib.nn.utils.get_total_norm([p.grad for p in model.parameters()], 1.0)
        lib.nn.utils.clip_grad_value_(model.parameters(), 0.01)
        return before, after, [p.grad for p in model.parameters()]

    same(clip)

    def vectors(lib):
        model = lib.nn.Linear(2, 3)
        lib.nn.utils.vector_to_parameters(lib.arange(9.0), model.parameters())
        return lib.nn.utils.parameters_to_vector(model.parameters()), model.weight

    same(vectors)

    def fused(lib):
        model = net(lib).eval()
        conv = lib.nn.utils.fuse_conv_bn_eval(model.features[0], model.features[2])
        return conv(batch(lib))

    same(fused)

    def call(lib):
        model = net(lib).eval()
        model.tied = None  # PyTorch does not restore a weight that a module reached by two names
        state = {"head.weight": lib.ones(3, 8), "head.bias": lib.zeros(3)}
        out = lib.nn.utils.stateless.functional_call(model, state, (batch(lib),), {"extra": 1})
        return out, model.head.weight

    same(call)

    def norms(lib):
        lib.manual_seed(1)
        x = lib.ones(2, 3)
        out = []
        for make in (
            lambda m: lib.nn.utils.weight_norm(m),
            lambda m: lib.nn.utils.spectral_norm(m),
            lambda m: lib.nn.utils.parametrizations.weight_norm(m),
            lambda m: lib.nn.utils.parametrizations.spectral_norm(m),
        ):
            m = make(lib.nn.Linear(3, 2))
            out += [m(x), m(x), list(m.state_dict()), m.state_dict()]
        return out

    same(norms)

    def removed(lib):
        m = lib.nn.utils.parametrizations.weight_norm(lib.nn.Linear(3, 2))
        seen = [repr(m), type(m).__name__, lib.nn.utils.parametrize.is_parametrized(m)]
        lib.nn.utils.parametrize.remove_parametrizations(m, "weight")
        return seen, repr(m), type(m).__name__, list(m.state_dict())

    same(removed)
    same(lambda lib: list(lib.nn.utils.skip_init(lib.nn.Linear, 2, 3).state_dict()))
    same(lambda lib: lib.nn.utils.rnn.pad_sequence([lib.ones(2), lib.ones(3)], padding_value=-1.0))
    same(lambda lib: lib.nn.utils.rnn.unpack_sequence(lib.nn.utils.rnn.pack_sequence([lib.ones(3), lib.zeros(2)])))


def test_pruning():
    def program(lib):
        prune = lib.nn.utils.prune
        lib.manual_seed(2)
        a, b = lib.nn.Linear(4, 3), lib.nn.Conv2d(2, 4, 3)
        seen = []
        prune.l1_unstructured(a, "weight", 0.25)
        prune.random_unstructured(a, "weight", 2)
        prune.ln_structured(b, "weight", 1, n=2, dim=0)
        prune.ln_structured(b, "weight", 1, n=1, dim=0)
        seen += [list(a.state_dict()), a.weight, b.weight, a(lib.ones(4)), prune.is_pruned(a)]
        prune.remove(a, "weight")
        seen += [list(a.state_dict()), a.weight, prune.is_pruned(a)]
        c, d = lib.nn.Linear(3, 3), lib.nn.Linear(3, 2)
        prune.global_unstructured([(c, "weight"), (d, "weight")], prune.L1Unstructured, amount=0.4)
        return [*seen, c.weight, d.weight]

    assert len(same(program)) == 10
    same(lambda lib: lib.nn.utils.prune.remove(lib.nn.Linear(1, 1), "bias"))
    same(lambda lib: lib.nn.utils.prune.l1_unstructured(lib.nn.Linear(1, 1), "weight", 1.5))
    same(lambda lib: lib.nn.utils.prune.l1_unstructured(lib.nn.Linear(1, 1), "weight", 7))
