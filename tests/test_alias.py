"""lampas.alias: PyTorch's names mean lampas; names that are not there say so."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest

import lampas

SOURCE = str(pathlib.Path(lampas.__file__).resolve().parents[1])


def fresh(code, *paths):
    done = subprocess.run(
        [sys.executable, "-c", "import json, lampas\nlampas.alias()\n" + code],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*map(str, paths), SOURCE])},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_every_way_of_importing():
    assert fresh("""
import importlib, sys
import torch
import torch.nn.functional as F
from torch import nn, Tensor
from torch.utils.data import DataLoader
from torch.nn import functional
import torchsummary, torchviz.dot
from torchviz import make_dot
same = [
    torch is lampas, F is lampas.nn.functional, functional is F, nn is lampas.nn, Tensor is lampas.Tensor,
    DataLoader is lampas.utils.data.DataLoader, importlib.import_module("torch.optim.lr_scheduler")
    is lampas.optim.lr_scheduler, torchsummary.summary.__module__ == "lampas.viz.torchsummary",
    make_dot is lampas.viz.make_dot, torch.__spec__.name == "lampas",
]
lampas.alias()
print(json.dumps([all(same), sum(type(f).__name__ == "_Finder" for f in sys.meta_path)]))
""") == [True, 1]


def test_an_installed_torch_is_not_imported(tmp_path):
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise SystemExit('the other one')")
    (tmp_path / "torchvision.py").write_text("raise SystemExit('the other one')")
    code = """
import torch
try:
    import torchvision
except ImportError:
    pass
print(json.dumps(torch.__name__))"""
    assert fresh(code, tmp_path) == "lampas"


@pytest.mark.parametrize(
    ("statement", "kind", "message"),
    [
        ("from torch import Tensr", "ImportError", "'Tensr' from 'torch': lampas does not have it; the nearest"),
        ("from torch import Tensr", "ImportError", "nearest it has: torch.Tensor"),
        ("from torch.nn import Linera", "ImportError", "'Linera' from 'torch.nn'"),
        ("from torch.cuda import is_availabel", "ImportError", "torch.cuda.is_available"),
        ("import torch.nn.fuctional", "ModuleNotFoundError", "No module named 'torch.nn.fuctional'"),
        ("import torch.nn.fuctional", "ModuleNotFoundError", "nearest it has: torch.nn.functional"),
        ("torch.flor", "AttributeError", "'torch' has no attribute 'flor': lampas does not have it; the nearest"),
        ("torch.flor", "AttributeError", "nearest it has: torch.floor"),
        ("torch.nn.Linera", "AttributeError", "torch.nn.Linear"),
        ("torch.nn.functional.reluu", "AttributeError", "torch.nn.functional.relu"),
        ("torch.qqqqqq", "AttributeError", "module 'torch' has no attribute 'qqqqqq': lampas does not have it"),
    ],
)  # fmt: skip
def test_a_missing_name_names_what_is_near(statement, kind, message):
    found = fresh(f"""
import torch, pickle
try:
    exec({statement!r})
except Exception as error:
    print(json.dumps([type(error).__qualname__, str(error), str(pickle.loads(pickle.dumps(error)))]))
""")
    assert found[0] == kind and message in found[1]
    assert found[2] == found[1]


def test_probing_is_truthful():
    assert fresh("""
import importlib.util, torch, torch.nn as nn, torch.cuda
def has(name):
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False
print(json.dumps([
    hasattr(torch, "nothing"), hasattr(nn, "Linera"), hasattr(torch.cuda, "nothing"), hasattr(torch, "__nothing__"),
    getattr(torch, "nothing", 5), has("torch.nothing"), hasattr(torch.utils, "nothing"),
    hasattr(torch, "floor"), hasattr(nn, "Linear"), has("torch.nn"), hasattr(torch.utils, "data"),
]))
""") == [False, False, False, False, 5, False, False, True, True, True, True]


def test_too_late():
    code = """
import sys, types, lampas
sys.modules["torch"] = types.ModuleType("torch")
try:
    lampas.alias()
except ImportError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": SOURCE}
    )
    assert "torch is already imported; call lampas.alias() before" in done.stdout, done.stderr


def test_classes_are_printed_under_the_names_that_programs_know():
    """And are found under them: by pickle, by files, by what looks for their source."""
    lines = fresh("""
import inspect, io, pickle
import torch, torchvision
from torch import nn
lines = []
layer = nn.Linear(1, 1)
optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1)
try:
    torch.linalg.inv(torch.zeros(1, 1))
except torch.linalg.LinAlgError as error:
    lines += [str(type(error)), type(pickle.loads(pickle.dumps(error))) is torch.linalg.LinAlgError]
for value in (torch.ones(1), layer, layer.weight, torch.Size([1]), optimizer, schedule, torch.Generator(),
              nn.MultiheadAttention(2, 1), torchvision.transforms.ToTensor()):
    lines.append(str(type(value)))
lines += [inspect.getmodule(nn.Linear) is nn.modules.linear, type(pickle.loads(pickle.dumps(layer))) is nn.Linear]
file = io.BytesIO()
torch.save(layer, file)
file.seek(0)
lines.append(type(torch.load(file, weights_only=False)) is nn.Linear)
lines.append(torch.distributions.Normal(0.0, 1.0).expand([2]).batch_shape)
print(json.dumps(lines))
""")
    assert lines == [
        "<class 'torch._C._LinAlgError'>",
        True,
        "<class 'torch.Tensor'>",
        "<class 'torch.nn.modules.linear.Linear'>",
        "<class 'torch.nn.parameter.Parameter'>",
        "<class 'torch.Size'>",
        "<class 'torch.optim.sgd.SGD'>",
        "<class 'torch.optim.lr_scheduler.StepLR'>",
        "<class 'torch._C.Generator'>",
        "<class 'torch.nn.modules.activation.MultiheadAttention'>",
        "<class 'torchvision.transforms.transforms.ToTensor'>",
        True,
        True,
        True,
        [2],
    ]


def test_every_renamed_class_is_found_where_it_says():
    """Else it could not be pickled."""
    lost = fresh("""
import importlib, pkgutil, sys
for module in pkgutil.walk_packages(lampas.__path__, "lampas."):
    if module.name.partition(".")[2].partition(".")[0] not in ("lib", "__main__") and "tensorboard" not in module.name:
        importlib.import_module(module.name)
lost = []
for name, module in list(sys.modules.items()):
    if name.startswith("lampas"):
        for value in list(vars(module).values()):
            home = getattr(value, "__module__", None) if isinstance(value, type) else None
            public = isinstance(home, str) and not value.__qualname__.startswith("_")
            if public and home.partition(".")[0] in ("torch", "torchvision", "torchviz", "torchsummary"):
                found = getattr(importlib.import_module(home), value.__qualname__, None)
                if found is not value and home not in ("torch.return_types", "torch.autograd.graph"):
                    lost.append(str(value))
print(json.dumps(lost))
""")
    assert lost == []
