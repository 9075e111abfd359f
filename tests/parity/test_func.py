"""`func`: the same derivatives, structures, ``requires_grad`` and kinds of errors as PyTorch's transforms."""

import importlib

import numpy as np
import pytest

import lampas

torch = pytest.importorskip("torch")

LINES = """
grad(f)(x)
torch.no_grad()(grad(f))(x)
grad(lambda a,b:(a*b).sum(), argnums=(0,1))(x,y)
grad(lambda a,b:(a*b).sum(), argnums=(1,))(x,y)
grad(lambda a,b:(a*b).sum(), argnums=-1)(x,y)
grad(lambda a,b:(a*b).sum(), argnums=2)(x,y)
grad(lambda a,b:(a*b).sum(), argnums="a")(x,y)
grad(lambda a,b:(a*b).sum(), argnums=(0,0))(x,y)
grad(lambda a:(a.sum(), {"k":a*2,"c":"s"}), has_aux=True)(x)
grad_and_value(f)(x)
grad_and_value(lambda a:(a.sum(), a*2), has_aux=True)(x)
grad(lambda d: (d["a"]*d["b"][0]).sum())({"a":x,"b":[y]})
grad(lambda a:a)(x)
grad(lambda a:a[:1])(x)
grad(lambda a:3.)(x)
grad(f)(torch.tensor([1,2]))
grad(f)(3.)
grad(lambda a:a.sum(), has_aux=True)(x)
grad(lambda a,b:a.sum(), argnums=(0,1))(x,y)
grad(lambda a:torch.tensor(1.))(x)
grad(lambda a,k=1:(a*k).sum())(x,k=3)
grad(grad(lambda a:a.sin()))(torch.tensor(1.))
grad(grad(grad(lambda a:a.sin())))(torch.tensor(1.))
grad(lambda a:(a*w*a).sum())(x)
grad(lambda a:(a*a).sum())(w)
grad(lambda a:(a*y).sum())(w)
vjp(lambda a:a*2,x)[0]
vjp(lambda a:a*2,x)[1](y)
vjp(lambda a,b:a*b,x,y)[1](y)
vjp(lambda a:(a*2,a.sum()),x)[1]((y,torch.tensor(1.)))
vjp(lambda a:(a*2,a.sum()),x)[1](y)
vjp(lambda a:{"o":a["x"]*2},{"x":x})[1]({"o":y})
vjp(lambda a:3,x)
vjp(lambda a:a*2,x)[1](torch.ones(2))
vjp(lambda: 3)
(lambda g:(g(y),g(x)))(vjp(lambda a:a.sin(),x)[1])
jvp(lambda a:a.sin(),(x,),(y,))
jvp(lambda a,b:(a*b,a),(x,y),(y,x))
jvp(lambda a:(a.sin(),a),(x,),(y,),has_aux=True)
jvp(lambda a:a.sin(),x,y)
jvp(lambda a:a.sin(),(x,),(torch.ones(2),))
jvp(lambda a:a.sin(),(x,),(y,y))
jvp(lambda a:torch.ones(2),(x,),(y,))
hessian(lambda a:a.pow(3).sum())(x)
hessian(lambda a,b:(a*b*a).sum(),argnums=(0,1))(x,y)
(lambda o: (o[0], o[1](y)))(linearize(lambda a:a.sin(),x))
functional_call(m,({"weight":torch.ones(1,2)},{"bias":torch.zeros(1)}),torch.ones(2))
functional_call(m,({"weight":torch.ones(1,2)},{"weight":torch.zeros(1,2)}),torch.ones(2))
functional_call(m,3,torch.ones(2))
[{k:(v.shape,v.requires_grad,v.is_leaf) for k,v in d.items()} for d in stack_module_state(ms)]
stack_module_state([])
stack_module_state([ms[0],m])
stack_module_state([ms[0],torch.nn.BatchNorm1d(2).eval()])
vmap(lambda a:a.sum())(torch.ones(2,3))
vmap(lambda a,b:a@b,in_dims=(1,None))(torch.ones(3,2),y)
vmap(lambda a:a*2,out_dims=1)(torch.ones(2,3)).shape
vmap(lambda a:a*2,out_dims=-1)(torch.ones(2,3,4)).shape
vmap(lambda a:(a*2,a.sum()),out_dims=(1,0))(torch.ones(2,3))
vmap(lambda a:(a*2,torch.ones(4)),out_dims=(0,None))(torch.ones(2,3))
vmap(lambda a:torch.ones(4))(torch.ones(2,3)).shape
vmap(lambda a:None)(torch.ones(2,3))
vmap(lambda a:3)(torch.ones(2,3))
vmap(lambda d:{"r":d["a"]*2})({"a":torch.ones(2,3)})
vmap(lambda d:{"r":d["a"]*d["b"]},in_dims=({"a":0,"b":None},))({"a":torch.ones(2,3),"b":torch.ones(3)})
vmap(lambda a,b:a+b)(torch.ones(2),torch.ones(3))
vmap(lambda a:a,in_dims=2)(torch.ones(2,3))
vmap(lambda a:a,in_dims=None)(torch.ones(2,3))
vmap(lambda a:a,in_dims=(0,0))(torch.ones(2,3))
vmap(lambda a:a,in_dims="a")(torch.ones(2,3))
vmap(lambda a,b:a*b)(torch.ones(2,3),3)
vmap(lambda a,b:a*b,in_dims=(0,None))(torch.ones(2,3),3)
vmap(lambda a:a)(torch.ones(0,3))
vmap(lambda a:a)(torch.tensor(1.))
vmap(lambda :1)()
vmap(lambda a:a+torch.rand(3))(torch.ones(2,3))
vmap(lambda a:torch.rand(3),randomness="same")(torch.ones(2,3))
vmap(lambda a:torch.rand(3),randomness="x")(torch.ones(2,3))
vmap(lambda a:a*2,chunk_size=2)(torch.ones(5,3)).shape
vmap(lambda a:a*2,chunk_size=0)(torch.ones(5,3)).shape
vmap(lambda a,k:a*k)(torch.ones(2,3),k=torch.ones(2))
vmap(lambda a:(a,a),out_dims=(0,0,0))(torch.ones(2,3))
vmap(lambda a:a,out_dims=5)(torch.ones(2,3))
vmap(vmap(lambda a,b:a*b,in_dims=(0,None)),in_dims=(None,0))(x,y)
vmap(grad(lambda a:a.sin()))(x)
vmap(grad(lambda p,a:(p*a).sum()**2),in_dims=(None,0))(x,torch.eye(3))
vmap(lambda a:a.add_(1))(torch.ones(2,3))
torch.vmap(lambda a:a+1)(x)
vmap(lambda a:a>1)(x)
vmap(lambda a:[a,a*2])(x)
jacrev(lambda a:a.cos())(x).shape
jacfwd(lambda a:a.cos())(x).shape
jacrev(lambda a,b:a*b,argnums=(0,1))(x,y)
jacfwd(lambda a,b:a*b,argnums=(0,1))(x,y)
jacrev(lambda a:(a*2,a.sum()))(x)
jacfwd(lambda a:(a*2,a.sum()))(x)
jacrev(lambda a:{"o":a*2})(x)
jacfwd(lambda a:{"o":a*2})(x)
jacrev(lambda a:a["p"]*2)({"p":x})
jacfwd(lambda a:a["p"]*2)({"p":x})
jacrev(lambda a:(a*2,a),has_aux=True)(x)
jacfwd(lambda a:(a*2,a),has_aux=True)(x)
jacrev(lambda a:a.sum(0))(torch.ones(2,3)).shape
jacfwd(lambda a:a.sum(0))(torch.ones(2,3)).shape
jacrev(lambda a:torch.ones(2))(x)
jacfwd(lambda a:torch.ones(2))(x)
jacrev(lambda a:3)(x)
jacfwd(lambda a:3)(x)
jacrev(lambda a:a*a)(w)
jacfwd(lambda a:a*a)(w)
"""


def outcome(t, line):
    func = importlib.import_module(f"{t.__name__}.func")
    t.manual_seed(0)
    space = {name: getattr(func, name) for name in lampas.func.__all__}
    space |= {
        "torch": t,
        "x": t.tensor([1.0, 2.0, 3.0]),
        "y": t.tensor([0.5, 0.5, 0.5]),
        "w": t.ones(3, requires_grad=True),
        "f": lambda a: a.sin().sum(),
        "m": t.nn.Linear(2, 1),
        "ms": [t.nn.BatchNorm1d(2) for _ in range(3)],
    }
    try:
        return described(t, eval(line, space))
    except Exception as error:
        return type(error).__name__


def described(t, value):
    """The value in terms that both libraries share."""
    if isinstance(value, t.Tensor):
        return (
            "tensor",
            tuple(value.shape),
            str(value.dtype),
            value.requires_grad,
            np.round(value.detach().numpy().astype(float), 5).tolist(),
        )
    if isinstance(value, dict):
        return {key: described(t, part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *(described(t, part) for part in value)]
    return "function" if callable(value) else repr(value)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("line", LINES.strip().splitlines())
def test_same_outcome(line):
    assert outcome(lampas, line) == outcome(torch, line)
