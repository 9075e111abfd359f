"""Types of elements: promotion, limits, the default, conversion."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

import lampas

NAMES = [
    "bool",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "complex64",
    "complex128",
]

# The type of a + b for tensors with dimensions: u unsigned, i integer, h half, b bfloat16, f float, c complex.
TABLE = """
        bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 complex128
bool      b1   u1   i1   i2    i4    i8    h        B       f4      f8      c8        c16
uint8     u1   u1   i2   i2    i4    i8    h        B       f4      f8      c8        c16
int8      i1   i2   i1   i2    i4    i8    h        B       f4      f8      c8        c16
int16     i2   i2   i2   i2    i4    i8    h        B       f4      f8      c8        c16
int32     i4   i4   i4   i4    i4    i8    h        B       f4      f8      c8        c16
int64     i8   i8   i8   i8    i8    i8    h        B       f4      f8      c8        c16
float16   h    h    h    h     h     h     h        f4      f4      f8      c8        c16
bfloat16  B    B    B    B     B     B     f4       B       f4      f8      c8        c16
float32   f4   f4   f4   f4    f4    f4    f4       f4      f4      f8      c8        c16
float64   f8   f8   f8   f8    f8    f8    f8       f8      f8      f8      c16       c16
complex64 c8   c8   c8   c8    c8    c8    c8       c8      c8      c16     c8        c16
complex128 c16 c16  c16  c16   c16   c16   c16      c16     c16     c16     c16       c16
"""
SHORT = {
    "b1": "bool",
    "u1": "uint8",
    "i1": "int8",
    "i2": "int16",
    "i4": "int32",
    "i8": "int64",
    "h": "float16",
    "B": "bfloat16",
    "f4": "float32",
    "f8": "float64",
    "c8": "complex64",
    "c16": "complex128",
}
ROWS = [line.split() for line in TABLE.strip().splitlines()[1:]]
PAIRS = {(row[0], name): SHORT[cell] for row in ROWS for name, cell in zip(NAMES, row[1:])}


def dtype(name):
    return getattr(lampas, name)


@pytest.fixture
def default():
    before = lampas.get_default_dtype()
    yield lampas.set_default_dtype
    lampas.set_default_dtype(before)


@pytest.mark.parametrize("a", NAMES)
@pytest.mark.parametrize("b", NAMES)
def test_promotion(a, b):
    want = dtype(PAIRS[a, b])
    x, y = lampas.ones(2, dtype=dtype(a)), lampas.ones(2, dtype=dtype(b))
    assert lampas.promote_types(dtype(a), dtype(b)) == want
    assert lampas.result_type(x, y) == want
    assert (x * y).dtype == want
    assert lampas.cat([x, y]).dtype == want
    assert lampas.where(lampas.tensor([True, False]), x, y).dtype == want
    assert (x == y).dtype == lampas.bool


def test_the_table_is_symmetric_and_agrees_with_numpy_where_it_should():
    for (a, b), c in PAIRS.items():
        assert PAIRS[b, a] == c
        floats = {"float16", "float32", "float64", "bfloat16", "complex64", "complex128"}
        if "bfloat16" in (a, b) or (a in floats) != (b in floats):
            continue  # NumPy has no bfloat16, and widens for mixes of integers and floats
        if {a, b} <= {"float16", "complex64"} or not {a, b} & floats or {a, b} <= floats:
            assert np.dtype(c) == np.promote_types(a, b), (a, b)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("number", "rank"), [(True, 0), (2, 1), (2.5, 2), (1j, 3)])
def test_promotion_with_a_number(name, number, rank):
    """A number changes the type only if it is of a higher kind."""
    own = 0 if name == "bool" else 1 if "int" in name else 2 if "float" in name else 3
    complex_of = {"float64": "complex128", "float16": "complex32"}
    if rank <= own:
        want = name
    elif rank == 3:
        want = complex_of.get(name, "complex64")
    else:
        want = {1: "int64", 2: "float32"}[rank]
    if want == "complex32":
        pytest.skip("no complex32")
    x = lampas.ones(2, dtype=dtype(name))
    assert (x * number).dtype == dtype(want)
    assert (number * x).dtype == dtype(want)
    assert lampas.result_type(x, number) == dtype(want)


@pytest.mark.parametrize(
    ("vector", "scalar", "want"),
    [
        ("int32", "int64", "int32"),
        ("uint8", "int64", "uint8"),
        ("float32", "float64", "float32"),
        ("float16", "float64", "float16"),
        ("int32", "float64", "float64"),
        ("int64", "float16", "float16"),
        ("bool", "int8", "int8"),
        ("bool", "uint8", "uint8"),
        ("float32", "complex128", "complex64"),
        ("complex64", "float64", "complex64"),
        ("bfloat16", "float32", "bfloat16"),
    ],
)
def test_promotion_with_a_tensor_without_dimensions(vector, scalar, want):
    x, s = lampas.ones(2, dtype=dtype(vector)), lampas.ones((), dtype=dtype(scalar))
    assert (x + s if want != "bool" else x | s).dtype == dtype(want)
    assert (s + x).dtype == dtype(want)
    assert (s + s).dtype == dtype(scalar)


def test_division_of_integers_is_floating():
    for name in NAMES[:6]:
        x = lampas.ones(2, dtype=dtype(name))
        assert (x / x).dtype == lampas.float32
        assert x.sum().dtype == lampas.int64
        assert x.exp().dtype == lampas.float32
    assert (lampas.tensor([7]) // 2).dtype == lampas.int64
    assert lampas.tensor([7, -7]).div(2, rounding_mode="floor").tolist() == [3, -4]
    assert lampas.tensor([7, -7]).div(2, rounding_mode="trunc").tolist() == [3, -3]


def test_in_place_keeps_the_type():
    x = lampas.ones(2, dtype=lampas.int32)
    x += 2
    assert x.dtype == lampas.int32
    for bad in (lambda: x.add_(1.5), lambda: x.div_(2), lambda: x.mul_(lampas.ones(2)), lambda: x.add_(1j)):
        with pytest.raises(RuntimeError, match="can't be cast"):
            bad()
    assert x.tolist() == [3, 3]
    y = lampas.ones(2, dtype=lampas.float16)
    y += lampas.ones(2, dtype=lampas.float64)
    assert y.dtype == lampas.float16


@pytest.mark.parametrize("name", ["float16", "float32", "float64"])
def test_finfo(name):
    ours, theirs = lampas.finfo(dtype(name)), np.finfo(name)
    for field in ("bits", "eps", "max", "min", "tiny", "smallest_normal"):
        assert getattr(ours, field) == float(getattr(theirs, field)), field
    assert math.isclose(ours.resolution, float(theirs.resolution), rel_tol=1e-3)
    assert ours.dtype == name
    assert f"eps={ours.eps:g}" in repr(ours)


def test_finfo_of_others():
    b = lampas.finfo(lampas.bfloat16)
    assert (b.bits, b.eps, b.tiny) == (16, 2.0**-7, 2.0**-126)
    assert b.max == (2 - 2.0**-7) * 2.0**127
    assert lampas.finfo(lampas.complex64).dtype == "float32"
    assert lampas.finfo(lampas.complex128).eps == np.finfo("float64").eps
    assert lampas.finfo().dtype == "float32"
    assert lampas.finfo(lampas.float32) == lampas.finfo(lampas.complex64)
    with pytest.raises(TypeError, match="iinfo"):
        lampas.finfo(lampas.int32)
    with pytest.raises(TypeError, match="str"):
        lampas.finfo("float32")


@pytest.mark.parametrize("name", NAMES[1:6])
def test_iinfo(name):
    ours, theirs = lampas.iinfo(dtype(name)), np.iinfo(name)
    assert (ours.bits, ours.min, ours.max) == (theirs.bits, theirs.min, theirs.max)
    assert str(ours.max) in repr(ours)
    with pytest.raises(TypeError, match="finfo"):
        lampas.iinfo(lampas.float32)


def test_limits_fit():
    for name in ("float16", "float32", "float64"):
        info = lampas.finfo(dtype(name))
        x = lampas.tensor([info.max, info.min, info.tiny, 1 + info.eps], dtype=dtype(name))
        assert bool(x.isfinite().all())
        assert x[3].item() > 1
    for name in NAMES[1:6]:
        info = lampas.iinfo(dtype(name))
        assert lampas.tensor([info.min, info.max], dtype=dtype(name)).tolist() == [info.min, info.max]


@pytest.mark.parametrize("name", NAMES)
def test_properties(name):
    d = dtype(name)
    size = {"bool": 1, "bfloat16": 2}.get(name) or int("".join(c for c in name if c.isdigit())) // 8
    assert d.itemsize == size
    assert lampas.ones(3, dtype=d).nbytes == 3 * size
    assert lampas.ones(3, dtype=d).element_size() == size
    assert d.is_floating_point == ("float" in name)
    assert d.is_complex == ("complex" in name)
    assert d.is_signed == (name not in ("bool", "uint8"))
    assert str(d) == f"torch.{name}"
    assert lampas.ones(1, dtype=d).dtype is d


def test_aliases():
    pairs = {
        "half": "float16",
        "float": "float32",
        "double": "float64",
        "short": "int16",
        "int": "int32",
        "long": "int64",
        "cfloat": "complex64",
        "cdouble": "complex128",
    }
    for alias, name in pairs.items():
        assert dtype(alias) is dtype(name)


def test_the_types_of_python_values():
    assert lampas.tensor(1).dtype == lampas.int64
    assert lampas.tensor(1.0).dtype == lampas.float32
    assert lampas.tensor(True).dtype == lampas.bool
    assert lampas.tensor(1j).dtype == lampas.complex64
    assert lampas.tensor([1, 2.0]).dtype == lampas.float32
    assert lampas.tensor([True, 2]).dtype == lampas.int64
    assert lampas.tensor([]).dtype == lampas.float32
    assert lampas.tensor(np.float64(1)).dtype == lampas.float64
    assert lampas.tensor(np.array([1], dtype="int16")).dtype == lampas.int16
    assert lampas.arange(3).dtype == lampas.int64
    assert lampas.arange(3.0).dtype == lampas.float32
    assert lampas.linspace(0, 1, 3).dtype == lampas.float32


def test_default_dtype(default):
    default(lampas.float64)
    assert lampas.get_default_dtype() == lampas.float64
    assert lampas.tensor(1.0).dtype == lampas.float64
    assert lampas.zeros(1).dtype == lampas.float64
    assert lampas.randn(1).dtype == lampas.float64
    assert lampas.tensor(1j).dtype == lampas.complex128
    assert (lampas.tensor([1]) * 1.5).dtype == lampas.float64
    assert (lampas.tensor([1]) / 2).dtype == lampas.float64
    assert lampas.nn.Linear(2, 2).weight.dtype == lampas.float64
    assert lampas.tensor(1).dtype == lampas.int64


@pytest.mark.parametrize("bad", [lampas.int64, lampas.bool, lampas.complex64, "float32", None])
def test_bad_defaults(default, bad):
    with pytest.raises((TypeError, RuntimeError), match="floating"):
        default(bad)
    assert lampas.get_default_dtype() == lampas.float32


@pytest.mark.parametrize("a", [n for n in NAMES if n != "bfloat16"])
@pytest.mark.parametrize("b", [n for n in NAMES if n != "bfloat16"])
def test_conversion(a, b):
    values = np.array([0, 1, 2, 100], dtype=a)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want = values.astype(b)
    got = lampas.from_numpy(values).to(dtype(b))
    assert got.dtype == dtype(b)
    np.testing.assert_array_equal(got.numpy(), want)


def test_bfloat16_rounds_to_nearest_even():
    def rounded(x):
        bits = np.float32(x).view("uint32")
        bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
        return bits.astype("uint32").view("float32")

    rng = np.random.default_rng(0)
    values = np.concatenate(
        [rng.standard_normal(1000).astype("float32") * 10.0 ** rng.integers(-30, 30, 1000), [1.00390625, 1.01171875]]
    ).astype("float32")
    np.testing.assert_array_equal(lampas.from_numpy(values).bfloat16().float().numpy(), rounded(values))
    odd = lampas.tensor([math.inf, -math.inf, math.nan, -0.0]).bfloat16().float().numpy()
    assert odd[0] == math.inf
    assert odd[1] == -math.inf
    assert math.isnan(odd[2])
    assert math.copysign(1, odd[3]) == -1


def test_half_rounds_as_numpy_does():
    rng = np.random.default_rng(0)
    values = np.concatenate(
        [rng.standard_normal(1000) * 10.0 ** rng.integers(-8, 5, 1000), [65519.9, 65520, 1e-8, 6e-8]]
    ).astype("float32")
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(lampas.from_numpy(values).half().numpy(), values.astype("float16"))


def test_integers_wrap_around():
    assert lampas.tensor([200], dtype=lampas.uint8).add(100).item() == 44
    assert lampas.tensor([127], dtype=lampas.int8).add(1).item() == -128
    assert lampas.tensor([2**63 - 1]).add(1).item() == -(2**63)
    assert lampas.tensor([-(2**63)]).neg().item() == -(2**63)
    assert lampas.tensor([-(2**63)]).abs().item() == -(2**63)


INTEGERS = ["uint8", "int8", "int16", "int32", "int64"]


@pytest.mark.parametrize("dtype", INTEGERS)
def test_sums_and_products_of_integers_wrap_around(dtype):
    limits = np.iinfo(dtype)
    a = np.full((70, 70), limits.max, dtype=dtype)
    t, to = lampas.from_numpy(a), getattr(lampas, dtype)
    np.testing.assert_array_equal(t.sum(0, dtype=to).numpy(), a.sum(0, dtype=dtype))
    np.testing.assert_array_equal(t.sum(1, dtype=to).numpy(), a.sum(1, dtype=dtype))
    np.testing.assert_array_equal(t.prod(0, dtype=to).numpy(), a.prod(0, dtype=dtype))
    np.testing.assert_array_equal(t.cumsum(1, dtype=to).numpy(), a.cumsum(1, dtype=dtype))
    np.testing.assert_array_equal(t.cumprod(0, dtype=to).numpy(), a.cumprod(0, dtype=dtype))
    np.testing.assert_array_equal((t @ t).numpy(), a @ a)
    np.testing.assert_array_equal((t * t + 3 * t - 1).numpy(), a * a + np.array(3, dtype) * a - np.array(1, dtype))
    np.testing.assert_array_equal((t**5).numpy(), a**5)
    zeros = lampas.zeros(70, dtype=lampas.int64)
    assert lampas.zeros(1, dtype=to).index_add(0, zeros, t[0]).item() == a[0].sum(dtype=dtype)
    assert lampas.zeros(1, dtype=to).scatter_add(0, zeros, t[0]).item() == a[0].sum(dtype=dtype)


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("divisor", [-1, 255])
def test_division_of_the_extremes(dtype, divisor):
    limits = np.iinfo(dtype)
    b = np.array(divisor).astype(dtype)
    a = np.array([limits.min, limits.min + 1, 0, 100, limits.max], dtype=dtype)
    t, d = lampas.from_numpy(a), lampas.tensor(b.item(), dtype=getattr(lampas, dtype))
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal((t // d).numpy(), a // b)
        np.testing.assert_array_equal((t % d).numpy(), a % b)
        np.testing.assert_array_equal(lampas.fmod(t, d).numpy(), np.fmod(a, b))
    exact = [abs(int(x)) // abs(int(b)) * (1 if (x < 0) == (b < 0) else -1) for x in a]
    wrapped = [(q - int(limits.min)) % 2 ** (8 * a.itemsize) + int(limits.min) for q in exact]
    assert lampas.div(t, d, rounding_mode="trunc").tolist() == wrapped


def test_subnormals_and_signed_zeros_are_kept():
    tiny = lampas.tensor([1e-45, -1e-45, 0.0, -0.0])
    assert (tiny * 1).tolist()[:2] == [1.401298464324817e-45, -1.401298464324817e-45]
    assert (tiny / 1 != 0).tolist() == [True, True, False, False]
    assert [math.copysign(1, v) for v in (tiny[2:] * 1).tolist()] == [1, -1]
    assert [math.copysign(1, v) for v in (-tiny[2:]).tolist()] == [-1, 1]


def test_big_integers_do_not_pass_through_floats():
    n = 2**53 + 1
    x = lampas.tensor([n, -n])
    assert (x + 0).tolist() == [n, -n]
    assert x.sum().item() == 0
    assert x.max().item() == n
    assert (x * 3).tolist() == [3 * n, -3 * n]
    assert x.clamp(min=0).tolist() == [n, 0]
    assert (x // 1).tolist() == [n, -n]
    assert x.sort().values.tolist() == [-n, n]


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1])
def test_integers_that_do_not_fit(value):
    for bad in (value, [value], [[1], [value]]):
        with pytest.raises(ValueError, match="Overflow"):
            lampas.tensor(bad)
    with pytest.raises(ValueError, match=str(value)):
        lampas.tensor(value, dtype=lampas.int64)
    assert lampas.tensor(value, dtype=lampas.float64).item() == float(value)
    with pytest.raises((RuntimeError, TypeError, OverflowError), match=str(value)):
        lampas.zeros(value)
