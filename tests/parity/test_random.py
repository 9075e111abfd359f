"""Every random function gives PyTorch's numbers for the same seed, and leaves the generator in the same state."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lampas

torch = pytest.importorskip("torch")

FLOATS = ("float32", "float64", "float16", "bfloat16")
INTS = ("uint8", "int8", "int16", "int32", "int64")
SIZES = (0, 1, 15, 16, 17, 31, 100, 1000)
ARITHMETIC = 0  # numbers made of exact arithmetic are equal to the bit
TRANSCENDENTAL = 2  # ulp: the machine's mathematics library may round otherwise than the one PyTorch was built with


def values(x: Any) -> np.ndarray:
    """Return x's numbers; a bfloat16 is a float32 with its low half zero, so nothing is lost."""
    x = x.detach()
    return (x.float() if str(x.dtype).endswith("bfloat16") else x).contiguous().numpy()


def same_numbers(ours: Any, theirs: Any, ulp: int) -> None:
    assert str(ours.dtype).split(".")[-1] == str(theirs.dtype).split(".")[-1]
    assert tuple(ours.shape) == tuple(theirs.shape)
    assert tuple(ours.stride()) == tuple(theirs.stride())
    a, b = values(ours), values(theirs)
    if ulp and a.dtype.kind == "f":
        if str(theirs.dtype) == "torch.bfloat16":
            ulp <<= 16
        np.testing.assert_array_max_ulp(a, b, maxulp=ulp)
    else:
        np.testing.assert_array_equal(a, b)


def state(lib: Any) -> bytes:
    return lib.get_rng_state().numpy().tobytes()


def check(draw: Callable[[Any], Any], ulp: int = ARITHMETIC, seed: int = 0, times: int = 2) -> None:
    """Draw from both libraries after the same seed, several times, comparing numbers and states each time."""
    drawn = {}
    for lib in (lampas, torch):
        lib.manual_seed(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            drawn[lib] = [(draw(lib), state(lib)) for _ in range(times)]
    for (ours, our_state), (theirs, their_state) in zip(drawn[lampas], drawn[torch], strict=True):
        same_numbers(ours, theirs, ulp)
        assert our_state == their_state


def empty(lib: Any, shape: Any, dtype: str) -> Any:
    return lib.empty(shape, dtype=getattr(lib, dtype))


def on_both(array: np.ndarray, dtype: str) -> dict[Any, Any]:
    return {lib: lib.tensor(array.tolist()).to(getattr(lib, dtype)) for lib in (lampas, torch)}


# ---------------------------------------------------------------- uniform and normal


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("n", SIZES)
def test_rand(n, dtype):
    check(lambda lib: lib.rand(n, dtype=getattr(lib, dtype)), seed=n)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("bounds", [(-1, 1), (-0.3, 0.7), (2.3, 9.71), (1000, 1001), (3, 3)])
def test_uniform_(bounds, dtype):
    check(lambda lib: empty(lib, 5000, dtype).uniform_(*bounds))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("n", SIZES)
def test_randn(n, dtype):
    check(lambda lib: lib.randn(n, dtype=getattr(lib, dtype)), TRANSCENDENTAL, seed=n, times=3)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("n", [7, 16, 1001])
@pytest.mark.parametrize("parameters", [(0.3, 0.017), (-2.5, 3.1), (1, 0)])
def test_normal_(parameters, n, dtype):
    check(lambda lib: empty(lib, n, dtype).normal_(*parameters), TRANSCENDENTAL)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("op", ["rand", "randn"])
@pytest.mark.parametrize("n", [3, 40])
def test_complex(n, op, dtype):
    check(lambda lib: lib.view_as_real(getattr(lib, op)(n, dtype=getattr(lib, dtype))), TRANSCENDENTAL)


FORMS = {
    "tensor tensor": lambda lib, m, s: lib.normal(m, s),
    "tensor float": lambda lib, m, s: lib.normal(m, 0.7),
    "float tensor": lambda lib, m, s: lib.normal(-1.5, s),
    "float float": lambda lib, m, s: lib.normal(-1.5, 0.7, (40,)),
    "broadcast": lambda lib, m, s: lib.normal(m[:, None], s[:5]),
    "out": lambda lib, m, s: lib.normal(m, s, out=lib.empty(40, dtype=m.dtype)),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_normal_forms(dtype, form):
    mean = on_both(np.linspace(-2, 2, 40), dtype)
    std = on_both(np.linspace(0, 3, 40), dtype)
    check(lambda lib: FORMS[form](lib, mean[lib], std[lib]), 0 if form == "float float" else TRANSCENDENTAL)


LAYOUTS = {
    "transposed": lambda x: x.t(),
    "every second": lambda x: x[:, ::2],
    "column": lambda x: x[:, 0],
    "permuted": lambda x: x.view(4, 5, 10).permute(2, 0, 1),
    "offset": lambda x: x.view(-1)[3:],
    "channels last": lambda x: x.view(2, 5, 5, 4).permute(0, 3, 1, 2),
}
FILLS = {
    "uniform_": lambda x: x.uniform_(-1, 1),
    "normal_": lambda x: x.normal_(1, 2),
    "random_": lambda x: x.random_(0, 100),
    "bernoulli_": lambda x: x.bernoulli_(0.4),
    "exponential_": lambda x: x.exponential_(1.3),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("fill", FILLS)
def test_layouts(fill, layout):
    check(lambda lib: FILLS[fill](LAYOUTS[layout](lib.zeros(10, 20))), TRANSCENDENTAL)


@pytest.mark.parametrize("op", ["rand_like", "randn_like", "randint_like"])
def test_like_keeps_the_layout(op):
    more = (100,) if op == "randint_like" else ()
    check(lambda lib: getattr(lib, op)(lib.zeros(5, 7).t(), *more), TRANSCENDENTAL)


def test_bernoulli_with_layouts():
    def transposed(lib: Any) -> Any:
        return lib.full((4, 5), 0.5).t()

    check(lambda lib: lib.bernoulli(transposed(lib)))
    check(lambda lib: lib.zeros(4, 5).t().bernoulli_(transposed(lib)))
    check(lambda lib: lib.zeros(5, 4).bernoulli_(transposed(lib)))
    check(lambda lib: lib.zeros(4, 5).t().bernoulli_(lib.full((4,), 0.5)))


@pytest.mark.parametrize("replacement", [False, True])
def test_multinomial_with_layouts(replacement):
    weights = on_both(np.random.default_rng(1).random((6, 8)), "float32")
    for layout in (lambda w: w.t(), lambda w: w[:, ::2], lambda w: w[2], lambda w: w[:1].expand(3, 8)):
        check(lambda lib, layout=layout: lib.multinomial(layout(weights[lib]), 3, replacement))


# ---------------------------------------------------------------- integers

RANGES = [
    (0, 1), (0, 2), (0, 10), (-5, 7), (0, 256), (-128, 128), (-1000, 30000), (0, 2**24 + 2), (5, 2**25 + 3),
    (0, 2**28 - 1), (0, 2**28), (0, 2**32 - 1), (0, 2**32), (-(2**40), 2**50 + 7), (0, 2**53 + 3),
    (-(2**63), 2**63 - 1), (2**60 + 1, 2**63 - 1),
]  # fmt: skip


# PyTorch warns where a float dtype cannot hold every integer of the range, and goes on.
@pytest.mark.filterwarnings("ignore:.*out of bounds.*:UserWarning")
@pytest.mark.parametrize("dtype", (*INTS, *FLOATS, "bool"))
@pytest.mark.parametrize("bounds", RANGES)
def test_random_range(bounds, dtype):
    def draw(lib: Any) -> Any:
        return empty(lib, 300, dtype).random_(*bounds)

    try:
        draw(torch)
    except RuntimeError:
        with pytest.raises(RuntimeError, match=r"out of bounds|less than"):
            draw(lampas)
    else:
        check(draw)


@pytest.mark.parametrize("dtype", (*INTS, *FLOATS, "bool"))
def test_random_full(dtype):
    check(lambda lib: empty(lib, 300, dtype).random_())


@pytest.mark.parametrize("dtype", ["int64", "float64", "float32", "bfloat16"])
@pytest.mark.parametrize("start", [0, 5, -(2**63)])
def test_random_from(start, dtype):
    check(lambda lib: empty(lib, 300, dtype).random_(start, None))


@pytest.mark.parametrize("dtype", [*INTS, *FLOATS])
def test_randint(dtype):
    check(lambda lib: lib.randint(3, 100, (5, 7), dtype=getattr(lib, dtype)))
    check(lambda lib: lib.randint(100, (9,), dtype=getattr(lib, dtype)))
    check(lambda lib: lib.randint_like(lib.zeros(6, 2, dtype=getattr(lib, dtype)), 50))


@pytest.mark.parametrize("dtype", [*INTS, *FLOATS])
@pytest.mark.parametrize("n", [0, 1, 2, 100, 127])
def test_randperm(n, dtype):
    check(lambda lib: lib.randperm(n, dtype=getattr(lib, dtype)))


@pytest.mark.parametrize("n", [1000, 100_003])
def test_randperm_large(n):
    check(lambda lib: lib.randperm(n))


# ---------------------------------------------------------------- bernoulli, dropout, multinomial


@pytest.mark.parametrize("dtype", (*INTS, *FLOATS, "bool"))
@pytest.mark.parametrize("p", [0, 0.3, 0.5, 1])
def test_bernoulli_scalar(p, dtype):
    check(lambda lib: empty(lib, 1003, dtype).bernoulli_(p))


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "int64", "bool"])
@pytest.mark.parametrize("p_dtype", FLOATS)
def test_bernoulli_in_place_tensor(p_dtype, dtype):
    p = on_both(np.linspace(0, 1, 101), p_dtype)
    check(lambda lib: empty(lib, 101, dtype).bernoulli_(p[lib]))


@pytest.mark.parametrize("dtype", FLOATS)
def test_bernoulli_function(dtype):
    p = on_both(np.linspace(0, 1, 101), dtype)
    check(lambda lib: lib.bernoulli(p[lib]))
    check(lambda lib: lib.bernoulli(p[lib], 0.2))
    check(lambda lib: empty(lib, (4, 101), dtype).bernoulli_(p[lib]))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 1.0])
def test_dropout(p, dtype):
    check(lambda lib: lib.nn.functional.dropout(lib.ones(40, 25, dtype=getattr(lib, dtype)), p))
    check(lambda lib: lib.nn.functional.dropout(lib.ones(40, 25, dtype=getattr(lib, dtype)).t(), p))
    check(lambda lib: lib.nn.Dropout(p)(lib.ones(1001, dtype=getattr(lib, dtype))))


@pytest.mark.parametrize("name", ["dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout", "alpha_dropout"])
def test_channel_dropout(name):
    shape = {"dropout1d": (4, 6, 5), "dropout3d": (2, 6, 2, 3, 2)}.get(name, (4, 6, 3, 2))
    check(lambda lib: getattr(lib.nn.functional, name)(lib.ones(*shape), 0.4, True), TRANSCENDENTAL)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    ("shape", "samples", "replacement"),
    [
        ((5,), 1, False),
        ((5,), 5, False),
        ((5,), 9, True),
        ((7, 30), 4, False),
        ((7, 30), 60, True),
        ((2, 1000), 5, False),
    ],
)
def test_multinomial(shape, samples, replacement, dtype):
    weights = np.random.default_rng(0).random(shape)
    weights[..., ::3] = 0
    w = on_both(weights, dtype)
    check(lambda lib: lib.multinomial(w[lib], samples, replacement))


# ---------------------------------------------------------------- other distributions

OTHERS = {
    "exponential_": (1, 7.7),
    "geometric_": (0.3, 0.9),
    "log_normal_": ((0, 1), (1, 2)),
    "cauchy_": ((0, 1), (-2, 3)),
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("n", [1, 16, 1001])
def test_other_distributions(n, dtype, name):
    for parameters in OTHERS[name]:
        given = parameters if isinstance(parameters, tuple) else (parameters,)
        check(lambda lib, given=given: getattr(empty(lib, n, dtype), name)(*given), TRANSCENDENTAL)


@pytest.mark.parametrize("dtype", INTS)
def test_geometric_integers(dtype):
    check(lambda lib: empty(lib, 1001, dtype).geometric_(0.3))


# ---------------------------------------------------------------- generators and states


@pytest.mark.parametrize("seed", [0, 5489, 2**32 + 7, 2**63 + 5, -3])
def test_state_bytes_after_seeding(seed):
    states = []
    for lib in (lampas, torch):
        lib.manual_seed(seed)
        states.append((state(lib), lib.initial_seed()))
    assert states[0] == states[1]


@pytest.mark.parametrize("drawn", [0, 1, 300, 624, 625])
@pytest.mark.parametrize("back", [False, True])
def test_states_are_interchangeable(back, drawn):
    writer, reader = (lampas, torch) if back else (torch, lampas)
    writer.manual_seed(9)
    writer.rand(drawn)
    writer.randn(3, dtype=writer.float64)  # leaves a second sample behind
    saved = writer.get_rng_state()
    expected = [writer.randn(40), writer.rand(1000), writer.randn(3)]
    end = state(writer)
    reader.manual_seed(1)
    reader.set_rng_state(reader.tensor(saved.tolist(), dtype=reader.uint8))
    assert state(reader) == saved.numpy().tobytes()
    for x, read in zip(expected, (reader.randn(40), reader.rand(1000), reader.randn(3)), strict=True):
        np.testing.assert_array_max_ulp(x.numpy(), read.numpy(), maxulp=TRANSCENDENTAL)
    assert state(reader) == end


def test_generator():
    pair = [lib.Generator() for lib in (lampas, torch)]

    def equal_states() -> None:
        assert pair[0].get_state().numpy().tobytes() == pair[1].get_state().numpy().tobytes()

    equal_states()
    assert pair[0].initial_seed() == pair[1].initial_seed()
    for g in pair:
        assert g.manual_seed(77) is g
    equal_states()
    same_numbers(lampas.randn(5, generator=pair[0]), torch.randn(5, generator=pair[1]), TRANSCENDENTAL)
    equal_states()
    copies = [g.clone_state() for g in pair]
    same_numbers(lampas.rand(5, generator=copies[0]), torch.rand(5, generator=copies[1]), ARITHMETIC)
    equal_states()
    pair[0].set_state(copies[0].get_state())
    pair[1].set_state(copies[1].get_state())
    equal_states()
    for g in pair:
        assert g.seed() == g.initial_seed()


def test_fork_rng():
    def draw(lib: Any) -> Any:
        with lib.random.fork_rng():
            lib.manual_seed(5)
            inside = lib.rand(3)
        return lib.cat([inside, lib.rand(3)])

    check(draw)


@pytest.mark.parametrize("op", ["get_offset", "set_offset"])
def test_cpu_generators_have_no_offset(op):
    for lib in (lampas, torch):
        with pytest.raises(RuntimeError, match="offset"):
            getattr(lib.Generator(), op)(*([3] if op == "set_offset" else []))
