"""The printed form of tensors, to the character."""

import time

import pytest

import lampas

CASES = [
    (lambda: lampas.tensor([1.0, 2.5, -3.25]), "tensor([ 1.0000,  2.5000, -3.2500])"),
    (lambda: lampas.tensor([1.0, 2.0, 3.0]), "tensor([1., 2., 3.])"),
    (
        lambda: lampas.tensor([[1, 2], [30, -4]]),
        ("tensor([[ 1,  2],\n        [30, -4]])"),
    ),
    (lambda: lampas.tensor(3.14159), "tensor(3.1416)"),
    (lambda: lampas.tensor(7), "tensor(7)"),
    (lambda: lampas.tensor([True, False]), "tensor([ True, False])"),
    (lambda: lampas.tensor([1e-5, 1.0]), "tensor([1.0000e-05, 1.0000e+00])"),
    (lambda: lampas.tensor([1e9, 1.0]), "tensor([1.0000e+09, 1.0000e+00])"),
    (lambda: lampas.tensor([float("nan"), 1.0, float("inf")]), "tensor([nan, 1., inf])"),
    (lambda: lampas.tensor([float("nan"), 1.5, -float("inf")]), "tensor([   nan, 1.5000,   -inf])"),
    (lambda: lampas.tensor([]), "tensor([])"),
    (lambda: lampas.zeros(2, 0), "tensor([], size=(2, 0))"),
    (lambda: lampas.zeros(0, dtype=lampas.int64), "tensor([], dtype=torch.int64)"),
    (lambda: lampas.zeros(2, dtype=lampas.float64), "tensor([0., 0.], dtype=torch.float64)"),
    (lambda: lampas.tensor([1 + 2j, -3.5 - 0.25j]), "tensor([ 1.0000+2.0000j, -3.5000-0.2500j])"),
    (lambda: lampas.arange(1001), "tensor([   0,    1,    2,  ...,  998,  999, 1000])"),
    (
        lambda: lampas.zeros(40, 50),
        (
            "tensor([[0., 0., 0.,  ..., 0., 0., 0.],\n"
            "        [0., 0., 0.,  ..., 0., 0., 0.],\n"
            "        [0., 0., 0.,  ..., 0., 0., 0.],\n"
            "        ...,\n"
            "        [0., 0., 0.,  ..., 0., 0., 0.],\n"
            "        [0., 0., 0.,  ..., 0., 0., 0.],\n"
            "        [0., 0., 0.,  ..., 0., 0., 0.]])"
        ),
    ),
    (
        lambda: lampas.zeros(2, 2, 2),
        ("tensor([[[0., 0.],\n         [0., 0.]],\n\n        [[0., 0.],\n         [0., 0.]]])"),
    ),
    (lambda: lampas.ones(2, requires_grad=True), "tensor([1., 1.], requires_grad=True)"),
    (lambda: lampas.ones(2, requires_grad=True) * 2, "tensor([2., 2.], grad_fn=<MulBackward0>)"),
    (
        lambda: lampas.nn.functional.linear(lampas.ones(1, 2), lampas.ones(2, 2, requires_grad=True), lampas.ones(2)),
        "tensor([[3., 3.]], grad_fn=<AddmmBackward0>)",
    ),
    (lambda: lampas.ones(3, 4, device="meta"), "tensor(..., device='meta', size=(3, 4))"),
    (
        lambda: lampas.ones(3, device="meta", dtype=lampas.int32),
        "tensor(..., device='meta', size=(3,), dtype=torch.int32)",
    ),
    (lambda: lampas.tensor([0.1, 0.2], dtype=lampas.float16), "tensor([0.1000, 0.2000], dtype=torch.float16)"),
    (
        lambda: lampas.tensor([0.1, 300.0], dtype=lampas.bfloat16),
        "tensor([1.0010e-01, 3.0000e+02], dtype=torch.bfloat16)",
    ),
    (
        lambda: lampas.arange(30.0),
        (
            "tensor([ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10., 11., 12., 13.,\n"
            "        14., 15., 16., 17., 18., 19., 20., 21., 22., 23., 24., 25., 26., 27.,\n"
            "        28., 29.])"
        ),
    ),
    (lambda: lampas.tensor([-0.0, 0.0]), "tensor([-0., 0.])"),
    (lambda: lampas.zeros(3), "tensor([0., 0., 0.])"),
    (lambda: lampas.tensor([1e-10]), "tensor([1.0000e-10])"),
    (lambda: lampas.tensor([2**62, -1]), "tensor([4611686018427387904,                  -1])"),
    (
        lambda: lampas.nn.Parameter(lampas.ones(2)),
        ("Parameter containing:\ntensor([1., 1.], requires_grad=True)"),
    ),
    (
        lambda: lampas.arange(12, dtype=lampas.uint8).view(3, 4),
        ("tensor([[ 0,  1,  2,  3],\n        [ 4,  5,  6,  7],\n        [ 8,  9, 10, 11]], dtype=torch.uint8)"),
    ),
    (lambda: lampas.tensor(1 + 1j, dtype=lampas.complex128), "tensor(1.+1.j, dtype=torch.complex128)"),
    (
        lambda: lampas.tensor([[1.5, float("nan")], [1e4, 2]]),
        ("tensor([[1.5000e+00,        nan],\n        [1.0000e+04, 2.0000e+00]])"),
    ),
    (
        lambda: lampas.ones(30, dtype=lampas.float64, requires_grad=True),
        (
            "tensor([1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1.,\n"
            "        1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1.], dtype=torch.float64,\n"
            "       requires_grad=True)"
        ),
    ),
    (
        lambda: lampas.zeros(1001, 2, dtype=lampas.bool),
        (
            "tensor([[False, False],\n"
            "        [False, False],\n"
            "        [False, False],\n"
            "        ...,\n"
            "        [False, False],\n"
            "        [False, False],\n"
            "        [False, False]])"
        ),
    ),
]


@pytest.fixture(autouse=True)
def usual_options():
    yield
    lampas.set_printoptions(profile="default")


@pytest.mark.parametrize(("make", "text"), CASES)
def test_text(make, text):
    assert repr(make()) == text
    assert str(make()) == text


def test_options():
    t = lampas.tensor([1.23456, 1000.0])
    lampas.set_printoptions(precision=2)
    assert repr(t) == "tensor([   1.23, 1000.00])"
    lampas.set_printoptions(sci_mode=True)
    assert repr(t) == "tensor([1.23e+00, 1.00e+03])"
    lampas.set_printoptions(profile="short")
    assert repr(t) == "tensor([   1.23, 1000.00])"
    lampas.set_printoptions(profile="default", threshold=5, edgeitems=2)
    assert repr(lampas.arange(9)) == "tensor([0, 1,  ..., 7, 8])"
    lampas.set_printoptions(edgeitems=0)
    assert repr(lampas.arange(9)) == "tensor([...], size=(9,))"
    lampas.set_printoptions(profile="full")
    assert repr(lampas.zeros(2000)).count("0.") == 2000
    lampas.set_printoptions(profile="default", linewidth=20)
    assert repr(lampas.arange(9)) == "tensor([0, 1, 2, 3,\n        4, 5, 6, 7,\n        8])"


def test_options_for_a_block():
    before = lampas.get_printoptions()
    with lampas.printoptions(precision=1):
        assert repr(lampas.tensor([0.25])) == "tensor([0.2])"
    assert lampas.get_printoptions() == before
    assert before == {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80, "sci_mode": None}


def test_default_dtype():
    try:
        lampas.set_default_dtype(lampas.float64)
        assert repr(lampas.zeros(1, dtype=lampas.float64)) == "tensor([0.])"
        assert repr(lampas.zeros(1, dtype=lampas.float32)) == "tensor([0.], dtype=torch.float32)"
        assert repr(lampas.zeros(1, dtype=lampas.complex128)) == "tensor([0.+0.j])"
    finally:
        lampas.set_default_dtype(lampas.float32)


def test_format():
    assert f"{lampas.tensor(3.14159):.2f}" == "3.14" and f"{lampas.tensor(7):04d}" == "0007"
    assert f"{lampas.tensor([1, 2])}" == "tensor([1, 2])"
    with pytest.raises(TypeError):
        format(lampas.tensor([1.0]), ".2f")


def test_format_of_a_parameter():
    parameter = lampas.nn.Parameter(lampas.tensor(2.0))
    assert f"{parameter}" == str(parameter) == "Parameter containing:\ntensor(2., requires_grad=True)"
    with pytest.raises(TypeError):
        format(parameter, ".2f")


def test_subclass():
    class Mine(lampas.Tensor):
        pass

    assert repr(lampas.ones(2).as_subclass(Mine)) == "Mine([1., 1.])"


def test_only_shown_values_are_read():
    t = lampas.zeros(1).expand(10**6, 10**6)  # nobody could read all of these
    begin = time.perf_counter()
    assert repr(t).count("0.") == 36
    assert time.perf_counter() - begin < 0.5
