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
