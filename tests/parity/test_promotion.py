"""result_type, promote_types, can_cast over all pairs of dtypes, Python scalars and 0-d tensors; default dtype."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

import lampas  # noqa: E402

from .harness import ALL, Samples, dtype_name, same_outcome, tensor  # noqa: E402

SCALARS = (True, 3, 2.5, 1 + 2j)


def complex_half(value: Any) -> bool:
    return dtype_name(value) == "complex32"


def operands(lib: Any, dtype: str) -> dict[str, Any]:
    return {"tensor": tensor(lib, [1, 1], dtype), "0-d": tensor(lib, 1, dtype), "empty": tensor(lib, [], dtype)}


@pytest.mark.parametrize("first", ALL)
def test_promote_types(first: str) -> None:
    for second in ALL:
        theirs = torch.promote_types(getattr(torch, first), getattr(torch, second))
        if complex_half(theirs):
            continue
        ours = lampas.promote_types(getattr(lampas, first), getattr(lampas, second))
        assert dtype_name(ours) == dtype_name(theirs), f"{first} and {second}"


@pytest.mark.parametrize("first", ALL)
def test_can_cast(first: str) -> None:
    for second in ALL:
        theirs = torch.can_cast(getattr(torch, first), getattr(torch, second))
        ours = lampas.can_cast(getattr(lampas, first), getattr(lampas, second))
        assert ours is theirs, f"{first} to {second}"


@pytest.mark.parametrize("second", ALL)
@pytest.mark.parametrize("first", ALL)
def test_result_type_of_tensors(first: str, second: str) -> None:
    ours, theirs = (operands(lib, first) for lib in (lampas, torch))
    our_others, their_others = (operands(lib, second) for lib in (lampas, torch))
    with Samples() as samples:
        for a in theirs:
            for b in their_others:
                expected = torch.result_type(theirs[a], their_others[b])
                samples.count += 1
                if complex_half(expected):
                    continue
                with samples.sample(f"{a} {first}, {b} {second}"):
                    got = lampas.result_type(ours[a], our_others[b])
                    assert dtype_name(got) == dtype_name(expected), f"{got}, expected {expected}"


@pytest.mark.parametrize("dtype", ALL)
def test_result_type_with_scalars(dtype: str) -> None:
    ours, theirs = (operands(lib, dtype) for lib in (lampas, torch))
    with Samples() as samples:
        for kind in theirs:
            for scalar in SCALARS:
                for order in ("left", "right"):
                    pick = (lambda t: (t, scalar)) if order == "left" else (lambda t: (scalar, t))  # noqa: B023
                    expected = torch.result_type(*pick(theirs[kind]))
                    if complex_half(expected):
                        continue
                    with samples.sample(f"{kind} {dtype}, {scalar!r} ({order})"):
                        got = lampas.result_type(*pick(ours[kind]))
                        assert dtype_name(got) == dtype_name(expected), f"{got}, expected {expected}"


@pytest.mark.parametrize("default", ["float32", "float64", "float16", "bfloat16"])
def test_default_dtype_decides_for_python_numbers(default: str) -> None:
    def program(lib: Any) -> list[str]:
        lib.set_default_dtype(getattr(lib, default))
        try:
            results = [
                lib.get_default_dtype(),
                lib.tensor(1.5).dtype,
                lib.tensor([1, 2.0]).dtype,
                lib.zeros(2).dtype,
                lib.arange(3).dtype,
                lib.arange(3.0).dtype,
                (lib.ones(2, dtype=lib.int64) / 2).dtype,
                (lib.ones(2, dtype=lib.int64) + 1.5).dtype,
                lib.ones(2, dtype=lib.int32).sin().dtype,
                lib.full((2,), 1.5).dtype,
                lib.linspace(0, 1, 3).dtype,
                lib.nn.Linear(2, 2).weight.dtype,
            ]
        finally:
            lib.set_default_dtype(lib.float32)
        return [dtype_name(r) for r in results]

    assert program(lampas) == program(torch)


@pytest.mark.parametrize("bad", ["int64", "bool", "complex64"])
def test_default_dtype_must_be_floating(bad: str) -> None:
    with pytest.raises(TypeError):
        torch.set_default_dtype(getattr(torch, bad))
    with pytest.raises(TypeError, match="float"):
        lampas.set_default_dtype(getattr(lampas, bad))


@pytest.mark.parametrize("target", ALL)
def test_casts_of_awkward_numbers(target: str) -> None:
    """Truncation, wrapping, signs, NaN to bool. Out-of-range floats to integers are undefined and left out."""
    values = {
        "float32": [0.0, -0.0, 1.9, -1.9, 100.5, 0.4, float("nan") if target in ("bool", "float64") else 3.0],
        "int64": [0, 1, -1, 127, 128, 255, 256, 65535, -129, 2**31, 2**40 + 1],
        "bool": [True, False],
        "complex64": [1 + 0j, 2.5 + 0j],
        "bfloat16": [1.5, -2.0, 100.0],
    }
    with Samples() as samples:
        for source, numbers in values.items():
            if source == "float32" and target == "uint8":
                numbers = [abs(n) for n in numbers]
            if source == "bfloat16" and target == "uint8":
                numbers = [1.5, 2.0, 100.0]
            with samples.sample(source):
                cast = lambda lib: tensor(lib, numbers, source).to(getattr(lib, target))  # noqa: B023, E731
                same_outcome(lambda: cast(lampas), lambda: cast(torch), tolerance=(0, 0))  # noqa: B023


@pytest.mark.parametrize("dtype", ALL)
def test_in_place_keeps_the_dtype_or_raises(dtype: str) -> None:
    with Samples() as samples:
        for other in ALL:
            for name in ("add_", "mul_", "div_", "pow_", "copy_", "lt_"):
                run = lambda lib: getattr(tensor(lib, [1, 1], dtype), name)(tensor(lib, [1, 1], other))  # noqa: B023, E731
                with samples.sample(f"{name}({other})"):
                    same_outcome(lambda: run(lampas), lambda: run(torch))  # noqa: B023
