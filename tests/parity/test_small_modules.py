"""`overrides`, `types`, `nn.attention`, `utils.weak`, `utils.dlpack`, `orthogonal`, `hub`: the same answers."""

import importlib

import numpy as np
import pytest

import lampas

from .one_line import every_warning, run

torch = pytest.importorskip("torch")

IMPORTS = (
    "from torch.nn.attention import SDPBackend, sdpa_kernel;; from torch.nn.attention.bias import *;; "
    "import torch.overrides as O;; from torch.utils.weak import *;; import torch.utils.dlpack as D;; "
    "import torch.nn.functional as F;; "
    "exec('class A:\\n @classmethod\\n def __torch_function__(cls, f, types, args=(), kwargs=None):\\n"
    "  return (f.__name__, len(args), types)');; "
)
LINES = """
list(SDPBackend.__members__)
SDPBackend.MATH, int(SDPBackend.FLASH_ATTENTION), str(SDPBackend.MATH)
sdpa_kernel(3).__enter__()
sdpa_kernel("MATH").__enter__()
f=sdpa_kernel(SDPBackend.MATH)(lambda: torch.backends.cuda.flash_sdp_enabled());; f()
causal_lower_right(2, 4)
causal_upper_left(2, 4)._materialize()
x=torch.arange(16.).view(1,4,4);; F.scaled_dot_product_attention(x[:,:2], x, x, attn_mask=causal_lower_right(2,4))
x=torch.arange(16.).view(1,4,4);; F.scaled_dot_product_attention(x[:,:2], x, x, attn_mask=causal_upper_left(2,4))
type(causal_lower_right(2, 4)).__name__
torch.types.Number
torch.types._dtype is torch.dtype
O.has_torch_function((1, A())), O.has_torch_function((1, torch.ones(1))), O.has_torch_function_unary(A())
O.has_torch_function((torch.nn.Parameter(torch.ones(1)),))
O.handle_torch_function(torch.add, (A(), 1), A(), 1)
O.is_tensor_like(A()), O.is_tensor_like(torch.ones(1)), O.is_tensor_like(1)
O.is_tensor_method_or_property(torch.Tensor.add), O.is_tensor_method_or_property(torch.add)
O.resolve_name(torch.Tensor.add), O.resolve_name(torch.add), O.resolve_name(F.relu), O.resolve_name(len)
O.wrap_torch_function(lambda a: (a,))(len)([1, 2])
O.wrap_torch_function(lambda a: (a,))(lambda a: 1)(A())
a=torch.ones(1);; d=WeakTensorKeyDictionary();; d[a]=1;; a in d, torch.ones(1) in d, len(d)
a=torch.ones(1);; d=WeakTensorKeyDictionary({a: 1});; del a;; len(d)
D.from_dlpack(D.to_dlpack(torch.arange(3.)))
c=D.to_dlpack(torch.arange(3.));; D.from_dlpack(c);; D.from_dlpack(c)
list(D.DLDeviceType.__members__.items())
torch.nn.utils.parametrizations.orthogonal(torch.nn.Linear(2,2), orthogonal_map="x")
torch.nn.utils.parametrizations.orthogonal(torch.nn.Linear(2,2), "bias")
torch.nn.utils.parametrizations.orthogonal(torch.nn.Linear(2,3))
torch.hub.set_dir("/tmp/x");; torch.hub.get_dir()
torch.hub.load("/tmp/no_such_repository", "model", source="local")
torch.hub.load("model", "model", source="nowhere")
torch.hub.download_url_to_file("http://127.0.0.1:9/x", "/tmp/no_such_file")
"""


@pytest.mark.parametrize("line", LINES.strip().splitlines())
def test_same_answer(line):
    before = lampas.hub._dir, torch.hub._hub_dir
    try:
        with every_warning(lampas, torch):
            ours = run_as(lampas, line)
            theirs = run_as(torch, line)
    finally:
        lampas.hub._dir, torch.hub._hub_dir = before
    assert ours == theirs


def run_as(library, line):
    """As `run`, with imports from ``torch`` meant for the library."""
    name = library.__name__
    for module in ("nn.attention", "nn.attention.bias", "overrides", "types", "utils.weak", "utils.dlpack", "hub"):
        importlib.import_module(f"{name}.{module}")
    return run(library, (IMPORTS.replace("torch.", f"{name}.") if name != "torch" else IMPORTS) + line)[0]


@pytest.mark.parametrize("trivialization", [True, False])
@pytest.mark.parametrize("map", ["matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("sizes", [(4, 4), (3, 6), (6, 3)])
def test_same_orthogonal_weight(sizes, map, trivialization):
    results = []
    for t in (lampas, torch):
        t.manual_seed(5)
        layer = t.nn.Linear(*sizes).double()
        t.nn.utils.parametrizations.orthogonal(layer, orthogonal_map=map, use_trivialization=trivialization)
        layer(t.ones(2, sizes[0], dtype=t.float64)).pow(3).sum().backward()
        state = {name: value.numpy() for name, value in layer.state_dict().items()}
        results.append((state, layer.weight.detach().numpy(), layer.parametrizations.weight.original.grad.numpy()))
    (ours, *our_arrays), (theirs, *their_arrays) = results
    assert list(ours) == list(theirs)
    for a, b in zip([*ours.values(), *our_arrays], [*theirs.values(), *their_arrays], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)
