"""`compile` and `jit` give modules of the same classes, keys, printed forms and attributes as PyTorch's."""

import pytest

import lampas

from .one_line import every_warning, run

torch = pytest.importorskip("torch")

MODEL = "torch.manual_seed(0);; m=torch.nn.Sequential(torch.nn.Linear(2,3),torch.nn.ReLU());; x=torch.randn(1,2);; "
LINES = """
c=torch.compile(m);; type(c).__name__
c=torch.compile(m);; list(c.state_dict())
c=torch.compile(m);; c
c=torch.compile(m);; c.training, c.eval().training, m.training
c=torch.compile(m);; [n for n, _ in c.named_modules()]
c=torch.compile(m);; isinstance(c, torch.nn.Sequential), isinstance(c, torch.nn.Module)
c=torch.compile(m);; c.foo=1;; m.foo
c=torch.compile(m);; c.missing
c=torch.compile(m);; c._orig_mod is m
c=torch.compile(m);; import copy;; type(copy.deepcopy(c)).__name__
torch.compile(m, backend="eager")(x)
torch.compile(lambda x: 2 * x, backend="eager")(x)
torch.compile(m, mode="nope")
torch.compile(m, mode="default", options={})
torch.compile(3)
torch.compile(m, disable=True) is m
torch.compiler.is_compiling(), torch.compiler.is_exporting()
torch.compiler.list_backends(("debug", "experimental"))
torch._dynamo.reset()
s=torch.jit.script(m);; s
s=torch.jit.script(m);; list(s.state_dict()), s.original_name, len(s)
s=torch.jit.script(m);; s(x)
s=torch.jit.script(m);; isinstance(s, torch.jit.ScriptModule), isinstance(getattr(s, "0"), torch.jit.ScriptModule)
s=torch.jit.script(m);; s.eval().training
s=torch.jit.script(m);; [n for n, _ in s.named_modules()]
s=torch.jit.script(m);; s.double()[0].weight.dtype
s=torch.jit.trace(m, x);; s
s=torch.jit.trace(m, x);; type(s).__name__, type(getattr(s, "0")).__name__
s=torch.jit.trace(m, x);; s(x)
f=torch.jit.trace(torch.mul, (x, x));; f(x, x + 1)
type(torch.jit.trace(torch.exp, x)).__name__
torch.jit.script(3)
torch.jit.trace(m)
torch.jit.freeze(m)
torch.jit.freeze(torch.jit.script(m))
torch.jit.optimize_for_inference(m)
torch.jit.is_scripting(), torch.jit.is_tracing()
torch.jit.ignore(3)
torch.jit.annotate(int, 3)
torch.jit.load("/nowhere.pt")
torch.jit.save(m, "/nowhere.pt")
"""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("line", LINES.strip().splitlines())
def test_same_answer(line):
    with every_warning(lampas, torch):
        # PyTorch 2.13 calls jit deprecated; lampas does not.
        ours, theirs = run(lampas, MODEL + line), run(torch, MODEL + line)
    assert ours[0] == theirs[0]
