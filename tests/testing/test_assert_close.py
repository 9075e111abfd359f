"""`testing.assert_close`: what passes, and the messages where it does not; `make_tensor`."""

import math

import numpy as np
import pytest

import lampas
from lampas.testing import assert_allclose, assert_close, make_tensor

T = lampas.tensor


def message(*args, **kwargs):
    with pytest.raises(AssertionError) as caught:
        assert_close(*args, **kwargs)
    return str(caught.value)


@pytest.mark.parametrize(
    ("dtype", "rtol", "atol"),
    [
        (lampas.float16, 1e-3, 1e-5),
        (lampas.bfloat16, 1.6e-2, 1e-5),
        (lampas.float32, 1.3e-6, 1e-5),
        (lampas.float64, 1e-7, 1e-7),
        (lampas.complex64, 1.3e-6, 1e-5),
        (lampas.complex128, 1e-7, 1e-7),
        (lampas.int64, 0.0, 0.0),
        (lampas.bool, 0.0, 0.0),
    ],
)
def test_tolerances_follow_the_dtype(dtype, rtol, atol):
    from lampas.testing._comparison import default_tolerances

    assert default_tolerances(dtype) == (rtol, atol)


def test_the_bound_is_absolute_plus_relative():
    expected = T([10.0, -10.0], dtype=lampas.float64)
    assert_close(expected + 1.4, expected, rtol=0.1, atol=0.5)
    assert "Mismatched elements: 2 / 2" in message(expected + 1.6, expected, rtol=0.1, atol=0.5)
    # relative to the second value, not to the first
    assert_close(T(100.0), T(110.0), rtol=0.095, atol=0)
    message(T(110.0), T(100.0), rtol=0.095, atol=0)


def test_text_for_tensors():
    text = message(T([[1.0, 2.0], [3.0, 4.0]]), T([[1.0, 2.5], [3.0, 5.0]]))
    assert text == (
        "Tensor-likes are not close!\n\n"
        "Mismatched elements: 2 / 4 (50.0%)\n"
        "Greatest absolute difference: 1.0 at index (1, 1) (up to 1e-05 allowed)\n"
        "Greatest relative difference: 0.20000000298023224 at index (0, 1) (up to 1.3e-06 allowed)"
    )
    assert message(T([1, 2]), T([1, 5])) == (
        "Tensor-likes are not equal!\n\n"
        "Mismatched elements: 1 / 2 (50.0%)\n"
        "Greatest absolute difference: 3 at index (1,)\n"
        "Greatest relative difference: 0.6000000238418579 at index (1,)"
    )


def test_text_for_numbers():
    for actual, expected in ((1.0, 1.5), (T(1.0).double(), T(1.5).double())):
        assert message(actual, expected) == (
            "Scalars are not close!\n\n"
            "Expected 1.5 but got 1.0.\n"
            "Absolute difference: 0.5 (up to 1e-07 allowed)\n"
            "Relative difference: 0.3333333333333333 (up to 1e-07 allowed)"
        )
    assert message(3, 4).startswith("Scalars are not equal!\n\nExpected 4 but got 3.\nAbsolute difference: 1\n")
    assert "Relative difference: inf" in message(1.0, 0.0)
    assert message(True, False) == "Booleans mismatch: True is not False"
    assert message(None, 1) == "None mismatch: None is not 1"


@pytest.mark.parametrize(
    ("actual", "expected", "name"),
    [
        (lampas.zeros(2), lampas.zeros(3), "shape"),
        (lampas.zeros(2), lampas.zeros(2, dtype=lampas.float64), "dtype"),
        (lampas.zeros(2), lampas.zeros(2, device="meta"), "device"),
    ],
)
def test_attributes_are_compared(actual, expected, name):
    assert f"The values for attribute '{name}' do not match: " in message(actual, expected)


def test_attributes_can_be_left_out():
    assert_close(lampas.zeros(2), lampas.zeros(2, dtype=lampas.float64), check_dtype=False)
    assert_close(1, 1.0, check_dtype=False)
    assert_close(lampas.zeros(2, 3), lampas.zeros(3, 2).t())
    assert "stride()" in message(lampas.zeros(2, 3), lampas.zeros(3, 2).t(), check_stride=True)


def test_nan_and_infinity():
    message(T([math.nan]), T([math.nan]))
    assert_close(T([math.nan, math.inf]), T([math.nan, math.inf]), equal_nan=True)
    message(T([math.inf]), T([-math.inf]))
    message(math.nan, 1.0, equal_nan=True)


def test_structures():
    state = {"weight": lampas.ones(2), "more": [1, (2.0, None)]}
    assert_close(state, {"weight": lampas.ones(2), "more": [1, (2.0, None)]})
    text = message(state, {"weight": lampas.ones(2), "more": [1, (2.5, None)]})
    assert text.endswith("\n\nThe failure occurred for item ['more'][1][0]")
    assert message([1, 2], [1]) == "The length of the sequences mismatch: 2 != 1"
    assert message({"a": 1, "c": 1}, {"b": 1, "c": 1}) == (
        "The keys of the mappings do not match:\n"
        "Missing keys in the actual mapping: ['b']\n"
        "Additional keys in the actual mapping: ['a']"
    )


def test_arrays():
    assert_close(np.arange(3.0), np.arange(3.0))
    assert "Mismatched elements: 1 / 3 (33.3%)" in message(np.arange(3.0), np.array([0.0, 1.0, 2.1]))
    assert_close(np.float32(1), np.float32(1))


def test_integers_do_not_wrap():
    text = message(T([200], dtype=lampas.uint8), T([255], dtype=lampas.uint8))
    assert "Greatest absolute difference: 55 at index (0,)" in text


def test_own_text():
    assert message(T([1.0]), T([2.0]), msg="weights differ") == "weights differ"
    text = message([T([1.0])], [T([2.0])], msg=lambda given: "layer 3\n" + given)
    assert text.startswith("layer 3\nTensor-likes are not close!") and text.endswith("for item [0]")


def test_what_cannot_be_compared():
    for actual, expected in (("a", "a"), (T([1.0]), [1.0]), (T([1.0]), 1.0), ({1}, {1})):
        with pytest.raises(TypeError, match=r"compare .*: give two"):
            assert_close(actual, expected)
    with pytest.raises(TypeError):
        assert_close(lampas.nn.Parameter(T([1.0])), T([1.0]), allow_subclasses=False)
    with pytest.raises(ValueError, match=r"Both 'rtol' and 'atol' must be .* got no atol"):
        assert_close(1.0, 1.0, rtol=0.1)


def test_gradients_do_not_matter():
    assert_close(T([1.0], requires_grad=True), T([1.0]))


def test_assert_allclose_warns():
    with pytest.warns(FutureWarning, match="assert_close"):
        assert_allclose([1.0, math.nan], T([1.00001, math.nan]).double())
    with pytest.warns(FutureWarning), pytest.raises(AssertionError, match="not close"):
        assert_allclose(1.0, 1.1)


# ---- make_tensor ----


@pytest.mark.parametrize("dtype", [lampas.float32, lampas.bfloat16, lampas.int64, lampas.uint8, lampas.complex64])
def test_values_lie_in_the_interval(dtype):
    x = make_tensor(50, 4, dtype=dtype, device="cpu", low=2, high=5)
    assert x.shape == (50, 4) and x.dtype == dtype and x.device.type == "cpu"
    values = lampas.view_as_real(x) if x.is_complex() else x
    assert values.min() >= 2 and values.max() <= 5 and values.unique().numel() > 2


def test_default_intervals():
    x = make_tensor((10_000,), dtype=lampas.float32, device="cpu")
    assert -9 <= x.min() < -8.9 and 8.9 < x.max() < 9
    x = make_tensor((10_000,), dtype=lampas.int32, device="cpu")
    assert (x.min(), x.max()) == (-9, 9)
    assert make_tensor(100, dtype=lampas.uint8, device="cpu").min() >= 0
    assert set(make_tensor(100, dtype=lampas.bool, device="cpu").tolist()) == {True, False}


def test_forms():
    assert make_tensor((), dtype=lampas.float32, device="cpu").shape == ()
    x = make_tensor(3, 4, dtype=lampas.float32, device="cpu", noncontiguous=True, requires_grad=True)
    assert x.shape == (3, 4) and not x.is_contiguous() and x.requires_grad and x.is_leaf
    x = make_tensor(2, 3, 4, 5, dtype=lampas.float32, device="cpu", memory_format=lampas.channels_last)
    assert x.is_contiguous(memory_format=lampas.channels_last)
    assert (make_tensor(1000, dtype=lampas.int64, device="cpu", low=0, high=2, exclude_zero=True) == 1).all()


@pytest.mark.parametrize(
    ("kwargs", "error", "text"),
    [
        ({"low": 3, "high": 2}, ValueError, "must be less than `high`"),
        ({"low": math.nan}, ValueError, "cannot be NaN"),
        ({"low": 300, "high": 400, "dtype": lampas.uint8}, ValueError, "lies outside of what torch.uint8 can hold"),
        ({"dtype": lampas.int64, "requires_grad": True}, ValueError, "not supported for boolean and integral dtypes"),
        ({"noncontiguous": True, "memory_format": lampas.channels_last}, ValueError, "mutually exclusive"),
        ({"dtype": lampas.qint8}, TypeError, "quantize a float tensor"),
    ],
)
def test_refusals_of_make_tensor(kwargs, error, text):
    with pytest.raises(error, match=text):
        make_tensor(2, **{"dtype": lampas.float32, "device": "cpu", **kwargs})
