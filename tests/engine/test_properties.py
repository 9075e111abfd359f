"""Random shapes, strides and types: elementwise ops, reductions and copies against NumPy."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lampas

settings.register_profile(
    "engine", max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
settings.load_profile("engine")

INTEGERS = ["uint8", "int8", "int16", "int32", "int64"]
FLOATS = ["float32", "float64"]
REAL = [*INTEGERS, *FLOATS]
ALL = ["bool", *REAL, "float16", "complex64", "complex128"]

shapes = st.lists(st.integers(0, 5), max_size=4).map(tuple)
filled = st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple)


@st.composite
def arrays(draw, dtypes, shape=shapes, small=False):
    """An array in some layout: transposed, stepped, offset, with an odd start in memory."""
    name = draw(st.sampled_from(dtypes))
    want = draw(shape)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    steps = [draw(st.integers(1, 3)) for _ in want]
    starts = [draw(st.integers(0, 2)) for _ in want]
    whole = [start + n * step for n, step, start in zip(want, steps, starts)]
    order = draw(st.permutations(range(len(want))))
    size = [whole[i] for i in order]
    count = int(np.prod(size))
    if name == "bool":
        flat = rng.integers(0, 2, count).astype(bool)
    elif "int" in name:
        low, high = (0 if name == "uint8" else -10, 11) if small else (np.iinfo(name).min, np.iinfo(name).max)
        flat = rng.integers(low, high, count, dtype=np.int64).astype(name)
    elif "complex" in name:
        flat = (rng.standard_normal(count) + 1j * rng.standard_normal(count)).astype(name)
    else:
        flat = (rng.standard_normal(count) * 3).astype(name)
        if not small and count:
            flat[rng.integers(0, count, count // 7)] = rng.choice(
                [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40], count // 7
            ).astype(name)
    array = flat.reshape(size).transpose(np.argsort(order)) if want else flat.reshape(())
    return array[(..., *(slice(start, start + n * step, step) for n, step, start in zip(want, steps, starts)))]


def same(ours, theirs, rtol=0.0, atol=0.0):
    theirs = np.asarray(theirs)
    assert tuple(ours.shape) == theirs.shape
    np.testing.assert_allclose(ours.resolve_conj().numpy(), theirs, rtol=rtol, atol=atol, equal_nan=True)


def quiet(f, *args, **kwargs):
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return f(*args, **kwargs)


@given(arrays(ALL))
def test_layouts_arrive_whole(a):
    t = lampas.from_numpy(a)
    same(t, a)
    same(t.clone(), a)
    same(t.contiguous(), np.ascontiguousarray(a).reshape(a.shape))
    assert t.contiguous().is_contiguous()
    np.testing.assert_array_equal(np.array(t.tolist(), dtype=a.dtype).reshape(a.shape), a)
    target = lampas.empty(a.shape, dtype=t.dtype)
    same(target.copy_(t), a)


@given(arrays(ALL), st.randoms(use_true_random=False))
def test_views(a, random):
    t = lampas.from_numpy(a)
    dims = list(range(a.ndim))
    random.shuffle(dims)
    same(t.permute(dims), a.transpose(dims))
    same(t.permute(dims).contiguous(), a.transpose(dims))
    same(t.permute(dims).reshape(-1), a.transpose(dims).reshape(-1))
    if a.ndim:
        d = random.randrange(a.ndim)
        same(t.flip(d), np.flip(a, d))
        same(t.roll(2, d), np.roll(a, 2, d))
        same(lampas.cat([t, t], d), np.concatenate([a, a], d))
        same(t.unsqueeze(d), np.expand_dims(a, d))
        same(lampas.stack([t, t], d), np.stack([a, a], d))


@given(arrays(ALL), st.data())
def test_slices(a, data):
    index = []
    for n in a.shape:
        start, stop = data.draw(st.integers(-6, 6)), data.draw(st.integers(-6, 6))
        index.append(
            data.draw(
                st.sampled_from(
                    [slice(None), slice(start, stop), slice(start, None, 2), slice(None, stop, 3), slice(0, n)]
                )
            )
        )
    t = lampas.from_numpy(a)
    index = tuple(index)
    same(t[index], a[index])
    b = a.copy()
    u = lampas.from_numpy(b.copy())
    b[index] = 1
    u[index] = 1
    same(u, b)


@given(arrays(REAL, filled), st.data())
def test_index_arrays_and_masks(a, data):
    t = lampas.from_numpy(a)
    n = a.shape[0]
    where = np.array(data.draw(st.lists(st.integers(-n, n - 1), max_size=6)), dtype="int64")
    same(t[lampas.from_numpy(where)], a[where])
    mask = np.random.default_rng(len(where)).integers(0, 2, a.shape).astype(bool)
    same(t[lampas.from_numpy(mask)], a[mask])
    b, u = a.copy(), t.clone()
    b[mask] = 3
    u[lampas.from_numpy(mask)] = 3
    same(u, b)
    same(lampas.where(lampas.from_numpy(mask), t, u), np.where(mask, a, b))


BINARY = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}


@pytest.mark.parametrize("name", BINARY)
@given(data=st.data())
def test_binary(name, data):
    a = data.draw(arrays(REAL))
    b = data.draw(arrays([a.dtype.name], st.just(a.shape)))
    same(getattr(lampas, name)(lampas.from_numpy(a), lampas.from_numpy(b)), quiet(BINARY[name], a, b), rtol=1e-6)


@pytest.mark.parametrize("name", ["add", "mul", "maximum", "lt"])
@given(data=st.data())
def test_broadcasting(name, data):
    shape = data.draw(filled)
    keep = data.draw(st.lists(st.booleans(), min_size=len(shape), max_size=len(shape)))
    other = tuple(n if k else 1 for n, k in zip(shape, keep))[data.draw(st.integers(0, len(shape) - 1)) :]
    a, b = data.draw(arrays(REAL, st.just(shape))), None
    b = data.draw(arrays([a.dtype.name], st.just(other)))
    f = BINARY[name]
    same(getattr(lampas, name)(lampas.from_numpy(a), lampas.from_numpy(b)), quiet(f, a, b), rtol=1e-6)
    same(getattr(lampas, name)(lampas.from_numpy(b), lampas.from_numpy(a)), quiet(f, b, a), rtol=1e-6)


@given(arrays(FLOATS), st.data())
def test_float_division(a, data):
    b = data.draw(arrays([a.dtype.name], st.just(a.shape)))
    x, y = lampas.from_numpy(a), lampas.from_numpy(b)
    same(x / y, quiet(np.divide, a, b), rtol=1e-6)
    same(lampas.fmod(x, y), quiet(np.fmod, a, b), rtol=1e-5)
    same(lampas.atan2(x, y), quiet(np.arctan2, a, b), rtol=1e-5)
    same(lampas.copysign(x, y), np.copysign(a, b))
    same(lampas.hypot(x, y), quiet(np.hypot, a, b), rtol=1e-6)


@given(arrays(INTEGERS), st.data())
def test_integer_ops(a, data):
    b = data.draw(arrays([a.dtype.name], st.just(a.shape)))
    x, y = lampas.from_numpy(a), lampas.from_numpy(b)
    same(x & y, a & b)
    same(x | y, a | b)
    same(x ^ y, a ^ b)
    same(~x, ~a)
    b = np.where((b == 0) | (b == -1), 3, b).astype(a.dtype)
    y = lampas.from_numpy(b)
    same(x // y, a // b)
    same(x % y, a % b)
    same(
        lampas.div(x, y, rounding_mode="trunc"),
        (np.fix(np.abs(a.astype(object)) // np.abs(b.astype(object)) * np.where((a < 0) ^ (b < 0), -1, 1))).astype(
            a.dtype
        )
        if a.size
        else a,
    )


@given(arrays(INTEGERS, small=True))
def test_integer_powers_and_shifts(a):
    x = lampas.from_numpy(a)
    for n in range(4):
        same(x**n, quiet(np.power, a, np.array(n, a.dtype)))
        same(x << n, a << np.array(n, a.dtype))
        same(x >> n, a >> np.array(n, a.dtype))


UNARY = {
    "neg": np.negative,
    "abs": np.abs,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.round,
    "trunc": np.trunc,
    "sign": np.sign,
    "square": np.square,
    "reciprocal": np.reciprocal,
    "expm1": np.expm1,
    "log1p": np.log1p,
    "log2": np.log2,
    "log10": np.log10,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "isnan": np.isnan,
    "isinf": np.isinf,
    "isfinite": np.isfinite,
    "signbit": np.signbit,
    "exp2": np.exp2,
    "deg2rad": np.deg2rad,
    "logical_not": np.logical_not,
}


@pytest.mark.parametrize("name", UNARY)
@settings(max_examples=25)
@given(data=st.data())
def test_unary(name, data):
    a = data.draw(arrays(FLOATS))
    # the reference in twice the precision
    want = quiet(UNARY[name], a.astype("longdouble"))
    if name == "sign":
        want = np.nan_to_num(want)  # the sign of NaN is 0
    want = quiet(np.asarray(want).astype, a.dtype if np.asarray(want).dtype != bool else bool)
    got = getattr(lampas, name)(lampas.from_numpy(a))
    same(got, want, rtol=4e-6 if a.dtype == np.float32 else 1e-13, atol=1e-37 if a.dtype == np.float32 else 1e-300)


@given(arrays(["complex64", "complex128"]))
def test_complex(a):
    t = lampas.from_numpy(a)
    tolerance = 1e-5 if a.dtype == np.complex64 else 1e-12
    same(t.abs(), np.abs(a), tolerance)
    same(t.real, a.real)
    same(t.imag, a.imag)
    same(t.conj(), a.conj())
    same(t * t.conj(), a * a.conj(), tolerance, tolerance)
    same(t.exp(), np.exp(a), tolerance)
    same(t.angle(), np.angle(a), tolerance)


REDUCTIONS = {
    "sum": np.sum,
    "prod": np.prod,
    "amax": np.max,
    "amin": np.min,
    "mean": np.mean,
    "any": np.any,
    "all": np.all,
}


@pytest.mark.parametrize("name", REDUCTIONS)
@given(data=st.data())
def test_reductions(name, data):
    shape = shapes if name not in ("amax", "amin", "mean") else filled
    a = data.draw(arrays(FLOATS if name == "mean" else REAL, shape, small=True))
    dims = data.draw(st.sets(st.integers(0, a.ndim - 1), min_size=1)) if a.ndim else set()
    keep = data.draw(st.booleans())
    t = lampas.from_numpy(a)
    f = getattr(lampas, name)
    tolerance = {"rtol": 1e-4, "atol": 1e-4} if a.dtype == np.float32 else {"rtol": 1e-11, "atol": 1e-11}
    same(
        f(t) if name not in ("amax", "amin") else f(t, dim=tuple(range(a.ndim))),
        quiet(REDUCTIONS[name], a),
        **tolerance,
    )
    if not dims:
        return
    if name == "prod":
        dims = {min(dims)}
    axis = tuple(sorted(dims))
    want = quiet(REDUCTIONS[name], a, axis=axis, keepdims=keep)
    same(f(t, dim=axis if len(axis) > 1 else axis[0], keepdim=keep), want, **tolerance)


@given(arrays(FLOATS, filled, small=True), st.data())
def test_more_reductions(a, data):
    t = lampas.from_numpy(a)
    d = data.draw(st.integers(0, a.ndim - 1))
    tolerance = {"rtol": 1e-4, "atol": 1e-4} if a.dtype == np.float32 else {"rtol": 1e-11, "atol": 1e-11}
    same(t.cumsum(d), np.cumsum(a, d), **tolerance)
    same(t.cumprod(d), np.cumprod(a, d), **tolerance)
    same(t.var(d, correction=0), np.var(a, d), **tolerance)
    same(t.std(d, correction=0), np.std(a, d), **tolerance)
    same(t.max(d).values, a.max(d))
    same(t.max(d).indices, a.argmax(d))
    same(t.argmin(d), a.argmin(d))
    same(t.sort(d).values, np.sort(a, d))
    same(t.argsort(dim=d, stable=True), np.argsort(a, d, kind="stable"))
    same(t.norm(dim=d), np.linalg.norm(a, axis=d), **tolerance)
    same(t.logsumexp(d), np.log(np.exp(a.astype("float64")).sum(d)), **tolerance)
    e = np.exp(a - a.max(d, keepdims=True))
    same(t.softmax(d), e / e.sum(d, keepdims=True), **tolerance)
    same(t.count_nonzero(d), np.count_nonzero(a, d))
    same(lampas.quantile(t, 0.3, d), np.quantile(a, 0.3, d), **tolerance)


@given(arrays(["float32", "float64"], filled))
def test_nan_wins(a):
    t = lampas.from_numpy(a)
    d = a.ndim - 1
    same(t.amax(d), quiet(np.max, a, d))
    same(t.amin(d), quiet(np.min, a, d))
    same(t.max(d).indices, a.argmax(d))
    same(t.nansum(d), quiet(np.nansum, a, d), rtol=1e-5, atol=1e-5)


@given(arrays(ALL), st.sampled_from(["float32", "float64", "complex64", "int64"]))
def test_copies_between_types(a, to):
    if "int" in to and a.dtype.kind in "fc":
        a = np.asarray(quiet(np.nan_to_num, a, posinf=9, neginf=-9))
    t = lampas.from_numpy(a)
    want = quiet(a.astype, to)
    same(t.to(getattr(lampas, to)), want)
    target = (
        lampas.zeros(a.shape[::-1], dtype=getattr(lampas, to)).permute(*reversed(range(a.ndim)))
        if a.ndim
        else lampas.zeros((), dtype=getattr(lampas, to))
    )
    same(target.copy_(t), want)


@given(
    st.integers(0, 6),
    st.integers(0, 6),
    st.integers(0, 6),
    st.sampled_from(["float32", "float64", "complex64", "int64"]),
    st.data(),
)
def test_matmul(m, k, n, name, data):
    a = data.draw(arrays([name], st.just((m, k)), small=True))
    b = data.draw(arrays([name], st.just((k, n)), small=True))
    tolerance = {"rtol": 1e-4, "atol": 1e-4}
    same(lampas.from_numpy(a) @ lampas.from_numpy(b), a @ b, **tolerance)
    same(lampas.from_numpy(b).t() @ lampas.from_numpy(a).t(), (a @ b).T, **tolerance)
    batch = data.draw(arrays([name], st.just((2, m, k)), small=True))
    same(lampas.from_numpy(batch) @ lampas.from_numpy(b), batch @ b, **tolerance)


@given(arrays(FLOATS, filled, small=True), st.data())
def test_gradient_of_a_sum_over_any_layout(a, data):
    """d/dx sum(w * sin(x)) = w cos(x), whatever the strides."""
    a = a.astype("float64")
    w = data.draw(arrays(["float64"], st.just(a.shape), small=True))
    x = lampas.from_numpy(a).detach().requires_grad_()
    (lampas.from_numpy(w) * x.sin()).sum().backward()
    same(x.grad, w * np.cos(a), rtol=1e-10)


@given(shapes, st.sampled_from(ALL))
def test_creation(shape, name):
    dtype = getattr(lampas, name)
    same(lampas.zeros(shape, dtype=dtype), np.zeros(shape, name))
    same(lampas.ones(*shape, dtype=dtype) if shape else lampas.ones((), dtype=dtype), np.ones(shape, name))
    same(lampas.full(shape, 1, dtype=dtype), np.full(shape, 1, name))
    assert (
        lampas.empty(shape, dtype=dtype).stride()
        == tuple(int(s) for s in np.cumprod([1, *[max(n, 1) for n in shape[:0:-1]]])[::-1])
        or not shape
    )


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(-9, 9).filter(bool))
def test_arange(start, stop, step):
    if (stop - start) * step < 0:
        with pytest.raises(RuntimeError):
            lampas.arange(start, stop, step)
    else:
        same(lampas.arange(start, stop, step), np.arange(start, stop, step))
    same(lampas.linspace(start, stop, 7, dtype=lampas.float64), np.linspace(start, stop, 7), rtol=1e-12, atol=1e-12)
