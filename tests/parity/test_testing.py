"""`torch.testing`: the same values pass, the same messages where they do not, the same random tensors."""

import numpy as np
import pytest

import lampas

torch = pytest.importorskip("torch")

CASES = r"""
T([1.,2.]), T([1.,2.])
T([1.,2.]), T([1.,2.1])
T([1.,2.]), T([1.,2.00001])
T([1.,2.,3.]), T([1.,2.])
T([1,2,3]), T([1,2,4])
T([[1,2],[3,4]]), T([[1,2],[3,5]])
T([True,False]), T([True,True])
T([1.]), T([1.], dtype=t.float64)
T([1.]), T([1.], dtype=t.float64), check_dtype=False
T([1.]), T([2.], dtype=t.float64), check_dtype=False
T(1.), T(2.)
T(1), T(2)
1, 2
1, 1.0
1., 1.0000000001
1., 1.1
1.0, 0.0
1, 1.0, check_dtype=False
1+2j, 1+3j
True, False
None, None
None, 1
"a", "a"
"a", "b"
[1,2], [1,3]
[1,2], [1,2,3]
(T([1.]),T([2.])), (T([1.]),T([3.]))
{"a":1,"b":[1,2]}, {"a":1,"b":[1,3]}
{"a":1}, {"b":1}
{"a":1,"c":2}, {"a":1}
T([1.]), [1.]
T([1.]), 1.0
T([NAN]), T([NAN])
T([NAN]), T([NAN]), equal_nan=True
T([INF,1.]), T([INF,1.])
T([INF,1.]), T([-INF,1.])
T([1.,2.]), T([1.,2.1]), rtol=1
T([1.,2.]), T([1.,2.1]), rtol=0, atol=0
T([1.,2.]), T([1.,2.1]), rtol=0.5, atol=0
T([1.,2.]), T([1.,3.1]), rtol=0.1, atol=0.1
T([1.,2.]), T([1.,3.1]), msg="custom"
T([1.,2.]), T([1.,3.1]), msg=lambda m: "pre\\n"+m
[T([1.,2.])], [T([1.,3.1])], msg=lambda m: "pre\\n"+m
T([1.,2.]).expand(2,2), T([1.,2.]).repeat(2,1), check_stride=True
np.array([1.,2.]), np.array([1.,2.])
np.array([1.,2.]), np.array([1.,3.])
np.array([1.,2.]), T([1.,2.])
np.float64(1.), np.float64(2.)
np.float64(1.), 1.0
T([1.,2.,0.]), T([1.,2.5,0.1])
T([1+1j]), T([1+2j])
T([], dtype=t.float32), T([], dtype=t.float32)
T([1.,2.]), T([1.,2.], requires_grad=True)
t.nn.Parameter(T([1.])), T([1.])
t.nn.Parameter(T([1.])), T([1.]), allow_subclasses=False
T([1.]), T([1.], device="meta")
T([1.]).half(), T([1.01]).half()
T([1.]).bfloat16(), T([1.01]).bfloat16()
T([1.]).bfloat16(), T([1.03]).bfloat16()
T([200,1], dtype=t.uint8), T([1,200], dtype=t.uint8)
[[1,[2,3]]], [[1,[2,4]]]
[1, T([1.])], (1, T([1.]))
T([[1.,2.],[3.,4.]]), T([[1.,2.],[3.,NAN]])
{1:1}, [1]
t.Size([1,2]), (1,2)
T([9.,2.]), T([0.,0.])
set(), set()
"""

TENSORS = """
3, 4, dtype=t.float32
(3, 4), dtype=t.float64
(3, 4), dtype=t.int64
(5,), dtype=t.uint8
(5,), dtype=t.int8, low=-300, high=300
(5,), dtype=t.bool
(5,), dtype=t.bool, low=1, high=2
(5,), dtype=t.complex64
(5,), dtype=t.bfloat16
(2, 3, 4, 5), dtype=t.float32, memory_format=t.channels_last
(3, 4), dtype=t.float32, noncontiguous=True
(5,), dtype=t.float32, low=2
(5,), dtype=t.int32, low=0, high=2, exclude_zero=True
(5,), dtype=t.int32, low=2, high=2
(5,), dtype=t.int32, low=1.5, high=6.5
(5,), dtype=t.float32, low=float("nan")
(5,), dtype=t.float32, low=-float("inf"), high=float("inf")
(5,), dtype=t.int64, requires_grad=True
(5,), dtype=t.float32, requires_grad=True
(), dtype=t.float32
(0, 3), dtype=t.float32
"""


def outcome(t, call):
    space = {
        "t": t,
        "T": t.tensor,
        "NAN": float("nan"),
        "INF": float("inf"),
        "np": np,
        "close": t.testing.assert_close,
        "make": t.testing.make_tensor,
    }
    try:
        return eval(call, space)
    except (TypeError, ValueError) as error:
        return type(error)
    except AssertionError as error:
        return str(error)


@pytest.mark.parametrize("case", CASES.strip().splitlines())
def test_same_verdict(case):
    assert outcome(lampas, f"close({case})") == outcome(torch, f"close({case})")


@pytest.mark.parametrize("case", TENSORS.strip().splitlines())
def test_same_random_tensor(case):
    results = []
    for t in (lampas, torch):
        t.manual_seed(3)
        made = outcome(t, f"make({case}, device='cpu')")
        if isinstance(made, t.Tensor):
            values = made.detach()
            values = values.to(t.float64) if made.dtype == t.bfloat16 else values
            made = (values.tolist(), str(made.dtype), made.stride(), made.requires_grad)
        results.append(made)
    assert results[0] == results[1]
