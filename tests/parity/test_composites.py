"""Linear algebra, special functions, Fourier transforms and other ops written in Python, against PyTorch: values,
gradients and gradients of gradients.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import lampas

torch = pytest.importorskip("torch")
pytest.importorskip("torch.signal.windows")

torch.set_num_threads(1)


def tensors(value: Any) -> list[Any]:
    if isinstance(value, (tuple, list)):
        return [t for v in value for t in tensors(v)]
    return [value]


def numbers(value: Any) -> Any:
    if value is None:
        return None
    value = value.detach()
    return value.resolve_conj().resolve_neg().numpy() if isinstance(value, torch.Tensor) else value.numpy()


def run(lib: Any, function: Any, arrays: tuple, order: int) -> list[Any]:
    """Values, then gradients, then gradients of those, as far as ``order`` says."""
    leaves = [lib.tensor(a) for a in arrays]
    for x in leaves if order else []:
        if x.is_floating_point() or x.is_complex():
            x.requires_grad_()
    inputs = [x for x in leaves if x.requires_grad]
    found = tensors(function(lib, *leaves))
    collected = [[numbers(t) for t in found]]
    if order >= 1:
        loss: Any = 0
        for i, t in enumerate(found):
            if t.requires_grad:
                weight = lib.tensor(np.random.default_rng(i).standard_normal(tuple(t.shape)))
                size = t.real**2 + t.imag**2 if t.is_complex() else t * t + t
                loss = loss + (size * weight).sum()
        first = lib.autograd.grad(loss, inputs, create_graph=order > 1, allow_unused=True)
        collected.append([numbers(g) for g in first])
        if order >= 2:
            loss = sum((g.real**2 + g.imag**2 if g.is_complex() else g * g).sum() for g in first if g is not None)
            collected.append([numbers(g) for g in lib.autograd.grad(loss, inputs, allow_unused=True)])
    return collected


def agree(function: Any, *arrays: Any, order: int = 2, atol: float = 1e-8) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = run(torch, function, arrays, order)
        ours = run(lampas, function, arrays, order)
    for depth, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        for mine, other in zip(a, b, strict=True):
            if mine is None or other is None:  # unused and zero are the same statement
                assert all(x is None or np.allclose(x, 0, atol=1e-9) for x in (mine, other))
                continue
            assert mine.dtype == other.dtype and mine.shape == other.shape, (mine.dtype, other.dtype)
            np.testing.assert_allclose(mine, other, rtol=1e-6, atol=atol * 100**depth, err_msg=f"derivative {depth}")


rng = np.random.default_rng(0)


def made(*shape: int, dtype: str = "real") -> np.ndarray:
    values = rng.standard_normal(shape)
    return values + 1j * rng.standard_normal(shape) if dtype == "complex" else values


KINDS = ("real", "complex")
SHAPES = {"square": (2, 3, 3), "tall": (2, 5, 3), "wide": (2, 3, 5)}


def hermitian(x: Any) -> Any:
    return (x + x.mH) / 2


# ---------------------------------------------------------------- linear algebra

OF_SQUARE = {
    "inv": lambda lib, x: lib.linalg.inv(x),
    "det": lambda lib, x: lib.linalg.det(x),
    "slogdet": lambda lib, x: lib.linalg.slogdet(x),
    "matrix_exp": lambda lib, x: lib.linalg.matrix_exp(x),
    "cond": lambda lib, x: lib.linalg.cond(x),
    "cond 1": lambda lib, x: lib.linalg.cond(x, 1),
    "eigvals": lambda lib, x: lib.sort(lib.linalg.eigvals(x).abs(), -1)[0],
    "eig": lambda lib, x: lib.linalg.eig(x)[1].abs().sum((-1, -2)),
    "matrix_power": lambda lib, x: lib.linalg.matrix_power(x, 3),
    "matrix_power negative": lambda lib, x: lib.matrix_power(x, -2),
    "inverse": lambda lib, x: x.inverse(),
    "lu_solve": lambda lib, x: lib.linalg.lu_solve(*lib.linalg.lu_factor(x), x + 1),
    "lu_solve adjoint": lambda lib, x: lib.linalg.lu_solve(*lib.linalg.lu_factor(x), x + 1, adjoint=True),
    "lu_solve right": lambda lib, x: lib.linalg.lu_solve(*lib.linalg.lu_factor(x), x + 1, left=False),
}
OF_POSITIVE = {
    "cholesky": lambda lib, x: lib.linalg.cholesky(hermitian(x)),
    "cholesky upper": lambda lib, x: lib.cholesky(hermitian(x), upper=True),
    "eigvalsh": lambda lib, x: lib.linalg.eigvalsh(hermitian(x)),
    "eigh": lambda lib, x: [lib.linalg.eigh(hermitian(x))[0], lib.linalg.eigh(hermitian(x))[1].abs()[..., 1]],
    "pinv hermitian": lambda lib, x: lib.linalg.pinv(hermitian(x), hermitian=True),
    "logdet": lambda lib, x: lib.logdet(hermitian(x)),
}
OF_ANY = {
    "svd": lambda lib, x: [r.abs() for r in lib.linalg.svd(x, full_matrices=False)],
    "svdvals": lambda lib, x: lib.linalg.svdvals(x),
    "qr": lambda lib, x: lib.linalg.qr(x),
    "lu_factor": lambda lib, x: lib.linalg.lu_factor(x),
    "lu": lambda lib, x: lib.linalg.lu(x),
    "pinv": lambda lib, x: lib.linalg.pinv(x),
    "lu_unpack": lambda lib, x: lib.lu_unpack(*lib.linalg.lu_factor(x)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", OF_SQUARE)
def test_square_matrices(name, kind):
    x = made(2, 3, 3, dtype=kind) + 2 * np.eye(3)
    agree(OF_SQUARE[name], x, order=0 if name == "cond 1" else 2)
    if not name.startswith("lu"):
        agree(OF_SQUARE[name], x[0], order=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", OF_POSITIVE)
def test_positive_matrices(name, kind):
    x = made(2, 3, 3, dtype=kind)
    agree(OF_POSITIVE[name], x @ x.conj().swapaxes(-1, -2) + np.eye(3), order=1 if name == "logdet" else 2)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", OF_ANY)
def test_matrices(name, shape, kind):
    agree(OF_ANY[name], made(*SHAPES[shape], dtype=kind))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("order", ["fro", "nuc", float("inf"), -float("inf"), 1, -1, 2, -2])
def test_matrix_norms(order, shape):
    agree(lambda lib, x: lib.linalg.matrix_norm(x, order), made(*SHAPES[shape]), order=1)
    agree(lambda lib, x: lib.linalg.norm(x, order, (0, 2), True), made(*SHAPES[shape]), order=1)
    agree(lambda lib, x: lib.linalg.norm(x, order, dim=(2, 0)), made(*SHAPES[shape], dtype="complex"), order=1)


@pytest.mark.parametrize("kind", KINDS)
def test_equations(kind):
    a = made(2, 3, 3, dtype=kind) + 2 * np.eye(3)
    for b in (made(2, 3, 2, dtype=kind), made(2, 3, dtype=kind), made(3, 2, dtype=kind)):
        agree(lambda lib, x, y: lib.linalg.solve(x, y), a, b)
    agree(lambda lib, x, y: lib.linalg.solve(x, y, left=False), a, made(2, 4, 3, dtype=kind))
    agree(lambda lib, x, y: lib.linalg.lstsq(x, y)[0], made(2, 5, 3, dtype=kind), made(2, 5, 2, dtype=kind), order=1)
    agree(lambda lib, x, y: lib.linalg.lstsq(x, y)[:3], made(5, 3, dtype=kind), made(5, 2, dtype=kind), order=0)
    for driver in ("gels", "gelsd", "gelss"):
        whole = lambda lib, x, y: tuple(lib.linalg.lstsq(x, y, driver=driver))  # noqa: B023, E731
        agree(whole, made(2, 5, 3, dtype=kind), made(2, 5, 2, dtype=kind), order=0)
    agree(lambda lib, x: lib.linalg.tensorinv(x, ind=1), made(6, 2, 3, dtype=kind))
    agree(lambda lib, x, y: lib.linalg.tensorsolve(x, y), made(2, 3, 6, dtype=kind), made(2, 3, dtype=kind))
    symmetric = lambda lib, x, y: lib.linalg.ldl_solve(*lib.linalg.ldl_factor((x + x.mT) / 2), y)  # noqa: E731
    agree(symmetric, a, made(2, 3, 2, dtype=kind), order=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("unit", [False, True])
@pytest.mark.parametrize("upper", [False, True])
def test_triangular_equations(upper, unit, kind):
    a = made(2, 3, 3, dtype=kind) + 2 * np.eye(3)
    options = {"upper": upper, "unitriangular": unit}
    agree(lambda lib, x, y: lib.linalg.solve_triangular(x, y, **options), a, made(2, 3, 2, dtype=kind))
    agree(lambda lib, x, y: lib.linalg.solve_triangular(x, y, left=False, **options), a, made(2, 4, 3, dtype=kind))


@pytest.mark.parametrize("kind", KINDS)
def test_products(kind):
    v = made(2, 3, dtype=kind)
    agree(lambda lib, x, y: lib.linalg.cross(x, y), v, made(2, 3, dtype=kind))
    agree(lambda lib, x, y: lib.cross(x, y), v, made(2, 3, dtype=kind))
    agree(lambda lib, x, y: lib.linalg.vecdot(x, y), v, made(2, 3, dtype=kind))
    agree(lambda lib, x: lib.linalg.vander(x), v)
    agree(lambda lib, *x: lib.linalg.multi_dot(x), *(made(*s, dtype=kind) for s in ((3,), (3, 4), (4, 2))))
    agree(lambda lib, x, y: lib.kron(x, y), made(2, 3, 3, dtype=kind), v)
    agree(lambda lib, x, t: lib.linalg.householder_product(x, t), made(5, 3, dtype=kind), made(3, dtype=kind), order=1)
    agree(lambda lib, x, t, y: lib.ormqr(x, t, y), made(5, 3), made(3), made(5, 2), order=1)
    agree(lambda lib, x: lib.geqrf(x), made(2, 5, 3, dtype=kind), order=0)
    agree(lambda lib, x: lib.renorm(x, 2, 0, 1.5), made(3, 5, dtype=kind))
    agree(lambda lib, x: (x * 1).renorm_(2, 0, 1.5), made(3, 5, dtype=kind))


def test_ranks():
    x = made(4, 2) @ made(2, 5)
    agree(lambda lib, a: [lib.linalg.matrix_rank(a), lib.linalg.matrix_rank(a, atol=100.0)], x, order=0)
    agree(lambda lib, a: lib.linalg.matrix_rank(a, hermitian=True), np.eye(3), order=0)
    agree(lambda lib, a: lib.linalg.pinv(a, rtol=0.5), made(4, 3), order=0)


# ---------------------------------------------------------------- special functions

POSITIVE = ["entr", "erfcx", "gammaln", "digamma", "psi", "bessel_y0", "bessel_y1", "modified_bessel_k0"]
POSITIVE += ["modified_bessel_k1", "modified_bessel_i0", "modified_bessel_i1"]
POSITIVE += ["scaled_modified_bessel_k0", "scaled_modified_bessel_k1", "i0", "i0e", "i1", "i1e", "log_ndtr", "ndtr"]
POSITIVE += ["erf", "erfc", "expit", "exp2", "expm1", "log1p", "sinc", "bessel_j0", "bessel_j1"]
POSITIVE += ["spherical_bessel_j0"]
WITHOUT = ("bessel", "modified", "scaled", "spherical")  # PyTorch has no gradients of these


@pytest.mark.parametrize("name", POSITIVE)
def test_special_functions(name):
    order = 0 if name.startswith(WITHOUT) else 2
    agree(lambda lib, x: getattr(lib.special, name)(x), rng.uniform(0.2, 3, (4, 5)), order=order)
    agree(lambda lib, x: getattr(lib.special, name)(x.float()), rng.uniform(0.2, 3, 7), order=0, atol=1e-5)
    agree(lambda lib, x: getattr(lib.special, name)(x), rng.integers(1, 9, 7), order=0, atol=1e-5)
    if "_y" not in name and "_k" not in name and name not in ("entr", "gammaln", "digamma", "psi", "log1p", "erfcx"):
        agree(lambda lib, x: getattr(lib.special, name)(x), rng.uniform(-3, 3, (4, 5)), order=order)


@pytest.mark.parametrize("name", ["ndtri", "logit", "erfinv"])
def test_special_functions_of_probabilities(name):
    agree(lambda lib, x: getattr(lib.special, name)(x), rng.uniform(0.05, 0.95, (4, 5)))


def test_special_functions_of_two():
    x, y = rng.uniform(0.2, 3, (4, 5)), rng.uniform(0.3, 2.5, (4, 5))
    for name in ("xlogy", "xlog1py"):
        agree(lambda lib, a, b: getattr(lib.special, name)(a, b), x, y)  # noqa: B023
        agree(lambda lib, b: getattr(lib.special, name)(2.0, b), y)  # noqa: B023
    for name in ("gammainc", "gammaincc"):
        agree(lambda lib, b: getattr(lib.special, name)(lib.tensor(x), b), y)  # noqa: B023
    agree(lambda lib, b: lib.special.zeta(lib.tensor(x + 1), b), y)
    agree(lambda lib, b: lib.special.zeta(3.0, b), y)
    for n in range(4):
        agree(lambda lib, a: [lib.polygamma(n, a), a.polygamma(n)], x, atol=1e-7)  # noqa: B023
    agree(lambda lib, a: [lib.mvlgamma(a + 2, 3), lib.special.multigammaln(a + 2, 2)], x)
    agree(lambda lib, a: lib.frexp(a), x * 1000 - 500, order=0)
    agree(lambda lib, a: lib.ldexp(a, lib.tensor([1, 2, 0, -4, 5])), x, order=0)


@pytest.mark.parametrize("name", [n for n in lampas.special.__all__ if "polynomial" in n])
def test_polynomials(name):
    degrees = rng.integers(-1, 9, (4, 5)).astype(float)
    agree(lambda lib, x, n: getattr(lib.special, name)(x, n), rng.uniform(-0.9, 0.9, (4, 5)), degrees, order=0)


# ---------------------------------------------------------------- Fourier transforms

TRANSFORMS = [kind + suffix for kind in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft") for suffix in ("", "2", "n")]


@pytest.mark.parametrize("norm", [None, "ortho", "forward"])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms(name, norm):
    sizes = [None, (5, 7), (9, 10)] if name[-1] in "2n" else [None, 7, 10]
    real_only = name.startswith(("rfft", "ihfft"))
    for kind in KINDS[: 1 if real_only else 2]:
        for n in sizes:
            agree(lambda lib, x: getattr(lib.fft, name)(x, n, norm=norm), made(2, 6, 8, dtype=kind))  # noqa: B023


def test_frequencies():
    for n in (1, 4, 5):
        agree(lambda lib: [lib.fft.fftfreq(n, 0.5), lib.fft.rfftfreq(n)], order=0)  # noqa: B023
    agree(lambda lib, x: [lib.fft.fftshift(x), lib.fft.ifftshift(x, 1)], made(3, 5), order=0)


# ---------------------------------------------------------------- statistics, windows, copies


def test_statistics():
    x = made(3, 5)
    agree(lambda lib, a: lib.cov(a), x)
    agree(lambda lib, a: lib.corrcoef(a), x)
    agree(lambda lib, a: lib.cov(a), made(3, 5, dtype="complex"))

    def weighted(lib, a):
        often, much = lib.tensor([1, 2, 1, 3, 1]), lib.tensor([1.0, 2.0, 0.5, 1.0, 1.0], dtype=lib.float64)
        return [lib.cov(a, correction=c, fweights=often, aweights=much) for c in (0, 1)]

    agree(weighted, x, order=1)
    agree(lambda lib, a: [lib.pdist(a), lib.nn.functional.pdist(a, 1.5)], made(4, 3), order=1)
    for options in ({}, {"density": True}, {"range": (-1.0, 1.0)}):
        agree(lambda lib, a: tuple(lib.histogram(a, 6, **options)), made(30), order=0)  # noqa: B023
    agree(lambda lib, a: [lib.histogramdd(a, [3, 4])[0], *lib.histogramdd(a, [3, 4])[1]], made(30, 2), order=0)


def test_slopes():
    x = made(4, 5)
    agree(lambda lib, a: lib.gradient(a), x, order=1)
    agree(lambda lib, a: lib.gradient(a, dim=0, edge_order=2), x, order=1)
    agree(lambda lib, a: lib.gradient(a, spacing=[2.0, 3.0]), x, order=1)

    def coordinates(lib, a):
        places = [lib.tensor(p, dtype=lib.float64) for p in ([0.0, 1, 3, 7], [0.0, 1, 3, 4, 6])]
        return lib.gradient(a, spacing=places, edge_order=2)

    agree(coordinates, x, order=1)


@pytest.mark.parametrize("name", lampas.signal.windows.__all__)
def test_windows(name):
    options = {"general_cosine": {"a": [0.4, 0.3, 0.2]}}.get(name, {})
    for size in (0, 1, 8, 9):
        for sym in (True, False):
            agree(lambda lib: getattr(lib.signal.windows, name)(size, sym=sym, **options), order=0, atol=1e-6)  # noqa: B023
    if hasattr(lampas, name + "_window"):
        for periodic in (True, False):
            agree(lambda lib: getattr(lib, name + "_window")(8, periodic), order=0, atol=1e-6)  # noqa: B023


COPIES = {
    "narrow_copy": (1, 1, 2), "unfold_copy": (1, 2, 1), "transpose_copy": (0, 1), "t_copy": (), "view_copy": ((5, 4),),
    "select_copy": (1, 2), "slice_copy": (1, 0, 4, 2), "split_copy": (2,), "unbind_copy": (), "permute_copy": ((1, 0),),
    "expand_copy": ((2, 4, 5),), "squeeze_copy": (), "unsqueeze_copy": (0,), "diagonal_copy": (), "alias_copy": (),
    "as_strided_copy": ((2, 2), (1, 2)), "unsafe_chunk": (2,), "unsafe_split": (2,),
}  # fmt: skip


@pytest.mark.parametrize("name", COPIES)
def test_copies(name):
    agree(lambda lib, x: getattr(lib, name)(x, *COPIES[name]), made(4, 5), order=1)


# ---------------------------------------------------------------- forms, and what bad input gets


def test_in_place_and_out():
    agree(lambda lib, a, b: (a * 1).igamma_(b.detach()), *rng.uniform(0.5, 2, (2, 3)), order=0)
    agree(lambda lib, a: (a * 1).i0_(), made(4))
    agree(lambda lib, a: lib.i0(a, out=lib.empty(0, dtype=lib.float64)), made(4), order=0)
    agree(lambda lib, a: lib.kron(a, a, out=lib.empty(9, dtype=lib.complex128)), made(3), order=0)


BAD = {
    "a number": lambda lib: lib.kron(1, 2),
    "too few": lambda lib: lib.kron(lib.ones(2)),
    "too many": lambda lib: lib.linalg.inv(lib.eye(2), 3),
    "unknown name": lambda lib: lib.kron(lib.ones(2), lib.ones(2), bad=1),
    "not square": lambda lib: lib.linalg.inv(lib.ones(2, 3)),
    "integers": lambda lib: lib.linalg.det(lib.ones(2, 2, dtype=lib.int64)),
    "a vector": lambda lib: lib.linalg.svd(lib.ones(2)),
    "singular": lambda lib: lib.linalg.inv(lib.zeros(2, 2)),
    "singular in a batch": lambda lib: lib.linalg.inv(lib.stack([lib.eye(2), lib.zeros(2, 2)])),
    "no solution": lambda lib: lib.linalg.solve(lib.zeros(2, 2), lib.ones(2)),
    "not positive": lambda lib: lib.linalg.cholesky(-lib.eye(2)),
    "shapes": lambda lib: lib.linalg.solve(lib.eye(2), lib.ones(3, 1)),
    "out dtype": lambda lib: lib.kron(lib.ones(2), lib.ones(2), out=lib.ones(4, dtype=lib.int64)),
    "out with gradient": lambda lib: lib.kron(lib.ones(2, requires_grad=True), lib.ones(2), out=lib.ones(4)),
    "renorm of a vector": lambda lib: lib.renorm(lib.ones(3), 2, 0, 1),
    "norm": lambda lib: lib.linalg.matrix_norm(lib.ones(3, 3), 7),
    "mode": lambda lib: lib.linalg.qr(lib.ones(3, 3), "some"),
    "fft norm": lambda lib: lib.fft.fft(lib.ones(3), norm="bad"),
    "fft length": lambda lib: lib.fft.fft(lib.ones(3), 0),
    "rfft of complex": lambda lib: lib.fft.rfft(lib.ones(3, dtype=lib.complex64)),
    "polygamma": lambda lib: lib.polygamma(-1, lib.ones(3)),
    "vander": lambda lib: lib.vander(lib.ones(3, 3)),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    with pytest.raises((RuntimeError, TypeError, IndexError, ValueError)) as theirs:
        BAD[name](torch)
    with pytest.raises((RuntimeError, TypeError, IndexError, ValueError)) as ours:
        BAD[name](lampas)
    assert ours.type.__name__ == theirs.type.__name__, ours.value
    if "linalg" in str(theirs.value) and ours.type.__name__ == "_LinAlgError":
        assert str(ours.value) == str(theirs.value)
