"""Random numbers against published vectors, NumPy's Mersenne Twister, fixed values and their distributions."""

import copy
import pickle

import numpy as np
import pytest

import lampas

STATE_BYTES = 5056


def words(seed: int, count: int) -> np.ndarray:
    """Return the generator's first 32-bit words: any 64 bits of random_ are two of them, the first one high."""
    g = lampas.Generator().manual_seed(seed)
    pairs = lampas.empty(count // 2, dtype=lampas.int64).random_(-(2**63), None, generator=g).numpy().view(np.uint64)
    return np.stack([pairs >> np.uint64(32), pairs & np.uint64(0xFFFFFFFF)], 1).reshape(-1)


def numpy_words(seed: int, count: int) -> np.ndarray:
    return np.frombuffer(np.random.RandomState(seed).bytes(4 * count), "<u4").astype(np.uint64)


# ---------------------------------------------------------------- the stream


def test_published_first_words():
    # The reference implementation's first outputs for its default seed.
    assert words(5489, 6)[:5].tolist() == [3499211612, 581869302, 3890346734, 3586334585, 545404204]


def test_published_10000th_word():
    # The value the C++ standard requires of std::mt19937 ([rand.predef]).
    assert words(5489, 10000)[-1] == 4123659995


@pytest.mark.parametrize("seed", [0, 1, 42, 2**32 - 1])
def test_words_equal_numpys_twister(seed):
    np.testing.assert_array_equal(words(seed, 4000), numpy_words(seed, 4000))


def test_only_low_32_bits_choose_the_stream():
    np.testing.assert_array_equal(words(2**40 + 7, 10), words(7, 10))


@pytest.mark.parametrize("chunks", [[1] * 1300, [623, 1, 1, 675], [624, 676], [1300]])
def test_chunks_of_any_size_give_one_stream(chunks):
    g = lampas.Generator().manual_seed(3)
    parts = lampas.cat([lampas.rand(n, generator=g) for n in chunks])
    expected = (numpy_words(3, 1300) & np.uint64(0xFFFFFF)) * 2.0**-24
    np.testing.assert_array_equal(parts.numpy(), expected.astype(np.float32))


def test_float64_uses_53_bits():
    w = numpy_words(8, 200).reshape(-1, 2)
    bits = (w[:, 0] << np.uint64(32) | w[:, 1]) & np.uint64(2**53 - 1)
    x = lampas.rand(100, dtype=lampas.float64, generator=lampas.Generator().manual_seed(8))
    np.testing.assert_array_equal(x.numpy(), bits.astype(np.float64) * 2.0**-53)


# ---------------------------------------------------------------- fixed values of manual_seed(0)


def f32(*shape):
    return lampas.empty(*shape)


FIXED = {
    "rand": (
        lambda: lampas.rand(4),
        [0.49625658988952637, 0.7682217955589294, 0.08847743272781372, 0.13203048706054688],
    ),
    "rand_f64": (
        lambda: lampas.rand(3, dtype=lampas.float64),
        [0.9700530018065531, 0.707819864399788, 0.45938294312745087],
    ),
    "rand_f16": (lambda: lampas.rand(3, dtype=lampas.float16), [0.496337890625, 0.76806640625, 0.0885009765625]),
    "randn": (
        lambda: lampas.randn(4),
        [1.5409960746765137, -0.293428897857666, -2.1787893772125244, 0.5684312582015991],
    ),
    "randn_16": (
        lambda: lampas.randn(16)[:4],
        [-1.1258398294448853, -1.152360200881958, -0.2505785822868347, -0.4338788092136383],
    ),
    "randn_20": (lambda: lampas.randn(20)[[0, 3, 4, 19]], [-1.12583983, -0.43387881, 0.59883946, 0.0537369]),
    "randn_f64": (
        lambda: lampas.randn(3, dtype=lampas.float64),
        [1.5409961082440433, -0.2934289057609464, -2.1787893820745574],
    ),
    "randn_f64_16": (
        lambda: lampas.randn(16, dtype=lampas.float64)[:3],
        [-2.310411800234176, -0.3732508612577643, -1.0608166785462863],
    ),
    "randn_bf16_16": (lambda: lampas.randn(16, dtype=lampas.bfloat16)[:3].float(), [-1.125, -1.15625, -0.25]),
    "randn_complex": (
        lambda: lampas.view_as_real(lampas.randn(2, dtype=lampas.complex64)).flatten(),
        [1.0896488428115845, -0.20748557150363922, -1.5406367778778076, 0.40194159746170044],
    ),
    "normal_transposed": (
        lambda: f32(2, 3).t().normal_().flatten(),
        [1.5409960746765137, 0.5684312582015991, -0.293428897857666, -1.0845223665237427, -2.1787893772, -1.3985954523],
    ),
    "randint": (lambda: lampas.randint(0, 10, (10,)), [4, 9, 3, 0, 3, 9, 7, 3, 7, 3]),
    "randint_wide": (lambda: lampas.randint(0, 2**40, (3,)), [741280623151, 506137267392, 291447657211]),
    "random_": (
        lambda: lampas.empty(3, dtype=lampas.int64).random_(),
        [900450186894289455, 3969543146641149120, 1895649597198586619],
    ),
    "randperm": (lambda: lampas.randperm(10), [4, 1, 7, 5, 3, 9, 0, 8, 6, 2]),
    "bernoulli_": (lambda: f32(10).bernoulli_(0.5), [0, 0, 1, 0, 0, 0, 1, 1, 0, 1]),
    "bernoulli": (lambda: lampas.bernoulli(lampas.full((10,), 0.5)), [1, 0, 1, 1, 1, 0, 1, 0, 1, 0]),
    "dropout": (lambda: lampas.nn.functional.dropout(lampas.ones(10), 0.5), [0, 0, 2, 0, 0, 0, 2, 2, 0, 2]),
    "normal_tensor_tensor": (
        lambda: lampas.normal(lampas.arange(4.0), lampas.tensor([0.1, 0.2, 0.3, 0.4])),
        [0.15409961342811584, 0.9413142204284668, 1.3463631868362427, 3.227372407913208],
    ),
    "normal_float_tensor": (
        lambda: lampas.normal(2.0, lampas.tensor([1.0, 2.0, 3.0])),
        [3.5409960746765137, 1.413142204284668, -4.536368370056152],
    ),
    "normal_tensor_float": (
        lambda: lampas.normal(lampas.tensor([1.0, 2.0, 3.0]), 0.5),
        [1.7704980373382568, 1.853285551071167, 1.9106053113937378],
    ),
    "normal_size": (
        lambda: lampas.normal(1.0, 2.0, (3,)),
        [4.081992149353027, 0.4131421744823456, -3.357578754425049],
    ),
    "uniform_": (
        lambda: f32(3).uniform_(-1, 1),
        [-0.007486820220947266, 0.5364435911178589, -0.8230451345443726],
    ),
    "exponential_": (lambda: f32(3).exponential_(2), [1.754163146018982, 0.6151923537254333, 0.3075220584869385]),
    "geometric_": (lambda: f32(5).geometric_(0.3), [1, 1, 3, 1, 2]),
    "cauchy_": (lambda: f32(3).cauchy_(), [10.597729682922363, 0.7647672891616821, -0.12829934060573578]),
    "log_normal_": (lambda: f32(3).log_normal_(), [59.2634162902832, 1.5115599632263184, 0.03481946140527725]),
    "multinomial": (lambda: lampas.multinomial(lampas.tensor([0.1, 0.2, 0.3, 0.4]), 3), [2, 1, 3]),
    "multinomial_replaced": (
        lambda: lampas.multinomial(lampas.tensor([0.1, 0.2, 0.3, 0.4]), 6, True),
        [3, 3, 2, 3, 3, 3],
    ),
}


@pytest.mark.parametrize("name", FIXED)
def test_fixed_values(name):
    draw, expected = FIXED[name]
    lampas.manual_seed(0)
    np.testing.assert_allclose(draw().numpy(), expected, rtol=5e-7)


# ---------------------------------------------------------------- distributions

N = 200_000
MOMENTS = {  # name: (draw, mean, standard deviation)
    "uniform_": (lambda g: f32(N).uniform_(-1, 3, generator=g), 1.0, 4 / 12**0.5),
    "normal_": (lambda g: f32(N).normal_(2, 3, generator=g), 2.0, 3.0),
    "normal_f64": (lambda g: lampas.empty(N, dtype=lampas.float64).normal_(2, 3, generator=g), 2.0, 3.0),
    "normal_strided": (lambda g: f32(N, 2)[:, 0].normal_(2, 3, generator=g), 2.0, 3.0),
    "bernoulli_": (lambda g: f32(N).bernoulli_(0.3, generator=g), 0.3, 0.21**0.5),
    "exponential_": (lambda g: f32(N).exponential_(2, generator=g), 0.5, 0.5),
    "geometric_": (lambda g: f32(N).geometric_(0.25, generator=g), 4.0, 12**0.5),
    "log_normal_": (lambda g: f32(N).log_normal_(0, 0.5, generator=g), np.exp(0.125), 0.604),
    "randint": (lambda g: lampas.randint(-3, 4, (N,), generator=g).float(), 0.0, 2.0),
    "random_": (lambda g: lampas.empty(N, dtype=lampas.uint8).random_(generator=g).float(), 127.5, 73.9),
}


@pytest.mark.parametrize("name", MOMENTS)
def test_mean_and_spread(name):
    draw, mean, spread = MOMENTS[name]
    x = draw(lampas.Generator().manual_seed(11)).numpy().astype(np.float64)
    assert abs(x.mean() - mean) < 5 * spread / N**0.5
    assert abs(x.std() / spread - 1) < 0.02


def test_normal_passes_kolmogorov_smirnov():
    stats = pytest.importorskip("scipy.stats")
    for dtype in (lampas.float32, lampas.float64):
        x = lampas.randn(N, dtype=dtype, generator=lampas.Generator().manual_seed(5)).numpy()
        assert stats.kstest(x, "norm").pvalue > 0.01


def test_cauchy_quartiles():
    x = f32(N).cauchy_(1, 2, generator=lampas.Generator().manual_seed(2)).numpy()
    np.testing.assert_allclose(np.quantile(x, [0.25, 0.5, 0.75]), [-1, 1, 3], atol=0.05)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_uniform_never_reaches_its_end(dtype):
    x = lampas.empty(N, dtype=getattr(lampas, dtype)).uniform_(0, 1, generator=lampas.Generator().manual_seed(1))
    assert x.min().item() >= 0
    assert x.max().item() < 1


@pytest.mark.parametrize("n", [0, 1, 2, 17, 1000, 100_000])
def test_randperm_is_a_permutation(n):
    p = lampas.randperm(n)
    assert p.dtype is lampas.int64
    np.testing.assert_array_equal(np.sort(p.numpy()), np.arange(n))


def test_randperm_shuffles_evenly():
    g = lampas.Generator().manual_seed(0)
    counts = np.zeros((4, 4))
    for _ in range(4000):
        counts[np.arange(4), lampas.randperm(4, generator=g).numpy()] += 1
    assert abs(counts - 1000).max() < 150


@pytest.mark.parametrize("replacement", [False, True])
def test_multinomial_frequencies(replacement):
    weights = lampas.tensor([1.0, 0.0, 3.0, 4.0]).expand(N // 4, 4)
    g = lampas.Generator().manual_seed(6)
    first = lampas.multinomial(weights, 2, replacement, generator=g)[:, 0].numpy()
    np.testing.assert_allclose(np.bincount(first, minlength=4) / len(first), [0.125, 0, 0.375, 0.5], atol=0.01)


def test_multinomial_without_replacement_repeats_nothing():
    picks = lampas.multinomial(lampas.ones(50, 20), 20).numpy()
    np.testing.assert_array_equal(np.sort(picks, 1), np.tile(np.arange(20), (50, 1)))


@pytest.mark.parametrize("op", ["rand", "randn"])
@pytest.mark.parametrize("shape", [(0,), (3, 0), ()])
def test_small_shapes(op, shape):
    before = lampas.get_rng_state()
    x = getattr(lampas, op)(shape)
    assert tuple(x.shape) == shape
    assert lampas.equal(before, lampas.get_rng_state()) == (x.numel() == 0)


# ---------------------------------------------------------------- generators and states


def test_default_generator_is_the_modules():
    assert lampas.manual_seed(7) is lampas.default_generator
    assert lampas.initial_seed() == 7
    assert lampas.random.default_generator is lampas.default_generator


def test_negative_seed_wraps():
    lampas.manual_seed(-3)
    assert lampas.initial_seed() == 2**64 - 3


def test_seed_is_new_each_time():
    first, second = lampas.seed(), lampas.seed()
    assert first != second
    assert lampas.initial_seed() == second


def test_a_fresh_generator_has_the_documented_seed():
    assert lampas.Generator().initial_seed() == 67280421310721
    assert lampas.Generator().device == lampas.device("cpu")


def test_given_generator_leaves_the_default_alone():
    before = lampas.get_rng_state()
    lampas.rand(10, generator=lampas.Generator())
    assert lampas.equal(before, lampas.get_rng_state())


def test_state_has_the_documented_layout():
    lampas.manual_seed(5489)
    state = lampas.get_rng_state()
    assert (state.dtype, tuple(state.shape)) == (lampas.uint8, (STATE_BYTES,))
    raw = state.numpy().tobytes()
    assert np.frombuffer(raw[:24], "<u4").tolist() == [5489, 0, 1, 1, 0, 0]  # seed, words left + 1, seeded, next
    key = np.random.RandomState(5489).get_state()[1]
    np.testing.assert_array_equal(np.frombuffer(raw[24 : 24 + 8 * 624], "<u8"), key)
    assert not any(raw[24 + 8 * 624 :])
    lampas.randn(1)  # leaves the second number of a pair behind
    raw = lampas.get_rng_state().numpy().tobytes()
    kept = np.frombuffer(raw[24 + 8 * 624 + 8 :][:8], "<f8")[0]
    assert np.float32(kept) == lampas.randn(1).item()


@pytest.mark.parametrize("drawn", [0, 1, 623, 624, 625, 1000])
def test_state_round_trip(drawn):
    lampas.manual_seed(1)
    lampas.rand(drawn)
    lampas.randn(3)
    state = lampas.get_rng_state()
    expected = [lampas.randn(5), lampas.rand(700)]
    lampas.set_rng_state(state)
    for x in expected:
        assert lampas.equal(x, lampas.randn(5) if x.numel() == 5 else lampas.rand(700))


def test_generator_copies_are_independent():
    g = lampas.Generator().manual_seed(4)
    lampas.randn(3, generator=g)
    for other in (g.clone_state(), copy.deepcopy(g), pickle.loads(pickle.dumps(g))):
        assert other is not g
        assert other.initial_seed() == 4
        assert lampas.equal(other.get_state(), g.get_state())
        lampas.rand(1, generator=other)
        assert not lampas.equal(other.get_state(), g.get_state())


@pytest.mark.parametrize("fails", [False, True])
def test_fork_rng_restores(fails):
    state = lampas.get_rng_state()
    try:
        with lampas.random.fork_rng():
            lampas.manual_seed(1)
            if fails:
                raise KeyError
    except KeyError:
        pass
    assert lampas.equal(state, lampas.get_rng_state())


def test_fork_rng_disabled_keeps_changes():
    with lampas.random.fork_rng(enabled=False):
        lampas.manual_seed(99)
    assert lampas.initial_seed() == 99


def test_thread_safe_generator_is_none_in_the_main_thread():
    assert lampas.random.thread_safe_generator() is None


# ---------------------------------------------------------------- errors

ERRORS = {
    "seed too large": (lambda: lampas.manual_seed(2**64), ValueError, "Overflow"),
    "seed text": (lambda: lampas.manual_seed("a"), ValueError, "invalid literal"),
    "state size": (lambda: lampas.set_rng_state(lampas.zeros(9, dtype=lampas.uint8)), RuntimeError, "5056.*9"),
    "state dtype": (lambda: lampas.set_rng_state(lampas.zeros(STATE_BYTES)), TypeError, "ByteTensor|uint8"),
    "state type": (lambda: lampas.set_rng_state([1]), TypeError, "list"),
    "state bytes": (
        lambda: lampas.set_rng_state(lampas.zeros(STATE_BYTES, dtype=lampas.uint8)),
        RuntimeError,
        "Invalid mt19937 state",
    ),
    "fork device": (lambda: lampas.random.fork_rng(devices=[0]).__enter__(), AssertionError, "CPU alone"),
    "uniform order": (lambda: f32(3).uniform_(2, 1), RuntimeError, r"from=2 > to=1"),
    "uniform half": (lambda: f32(3).half().uniform_(0, 1e6), RuntimeError, "to is out of bounds"),
    "uniform int": (lambda: f32(3).int().uniform_(), NotImplementedError, "uniform|int"),
    "normal std": (lambda: f32(3).normal_(0, -1), RuntimeError, "std >= 0.0, but found std -1"),
    "normal int": (lambda: f32(3).int().normal_(), NotImplementedError, "normal"),
    "normal tensor std": (
        lambda: lampas.normal(lampas.zeros(2), lampas.tensor([-1.0, 1.0])),
        RuntimeError,
        "std >= 0.0",
    ),
    "bernoulli p": (lambda: f32(3).bernoulli_(1.5), RuntimeError, r"\[0, 1\], but got p=1.5"),
    "bernoulli tensor": (lambda: lampas.bernoulli(lampas.tensor([0.5, 1.5])), RuntimeError, "p"),
    "bernoulli int": (lambda: lampas.bernoulli(lampas.tensor([1, 0])), NotImplementedError, "bernoulli"),
    "exponential": (lambda: f32(3).exponential_(0), RuntimeError, "lambda > 0.0, but found lambda=0"),
    "exponential int": (lambda: f32(3).int().exponential_(), RuntimeError, "floating"),
    "geometric": (lambda: f32(3).geometric_(1), RuntimeError, r"\(0, 1\), but got p=1"),
    "log_normal": (lambda: f32(3).log_normal_(1, 0), RuntimeError, "std > 0.0, but found std=0"),
    "cauchy": (lambda: f32(3).cauchy_(0, -1), RuntimeError, "sigma > 0.0, but found sigma=-1"),
    "randint order": (lambda: lampas.randint(5, 5, (3,)), RuntimeError, "from=5 >= to=5"),
    "randint dtype": (
        lambda: lampas.randint(0, 300, (3,), dtype=lampas.uint8),
        RuntimeError,
        "to - 1 is out of bounds",
    ),
    "randint below": (lambda: lampas.randint(-1, 3, (3,), dtype=lampas.uint8), RuntimeError, "from is out of bounds"),
    "randperm negative": (lambda: lampas.randperm(-1), RuntimeError, "negative dimension -1"),
    "randperm half": (lambda: lampas.randperm(3000, dtype=lampas.half), RuntimeError, "n cannot be greater than 2049"),
    "multinomial zero": (lambda: lampas.multinomial(lampas.zeros(2), 1), RuntimeError, "sum of probabilities <= 0"),
    "multinomial negative": (lambda: lampas.multinomial(lampas.tensor([-1.0, 1.0]), 1), RuntimeError, "element < 0"),
    "multinomial many": (lambda: lampas.multinomial(lampas.ones(3), 4), RuntimeError, "without replacement"),
    "multinomial none": (lambda: lampas.multinomial(lampas.ones(3), 0), RuntimeError, "n_sample <= 0"),
    "multinomial dims": (lambda: lampas.multinomial(lampas.ones(2, 3, 4), 1), RuntimeError, "1 or 2 dim"),
    "multinomial int": (lambda: lampas.multinomial(lampas.ones(3).int(), 1), RuntimeError, "floating-point dtypes"),
    "rand int": (lambda: lampas.rand(3, dtype=lampas.int32), NotImplementedError, "uniform|int"),
    "rand negative": (lambda: lampas.rand(-1), RuntimeError, "negative dimension"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    call, kind, message = ERRORS[name]
    state = lampas.get_rng_state()
    with pytest.raises(kind, match=message):
        call()
    if name.startswith("state"):
        assert lampas.equal(state, lampas.get_rng_state())
