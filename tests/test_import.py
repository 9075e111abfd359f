"""Importing lampas is quick and brings little with it; the registry is whole and the stubs are current."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest

import lampas
from lampas import _C

ROOT = pathlib.Path(lampas.__file__).resolve().parents[2]
TOOLS = ROOT / "tools" / "make_stubs.py"


def fresh(code):
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_what_import_brings():
    modules = fresh("import sys, lampas, json; print(json.dumps(sorted(sys.modules)))")
    roots = {name.split(".")[0] for name in modules}
    heavy = {
        "numpy",
        "scipy",
        "torch",
        "sklearn",
        "matplotlib",
        "asyncio",
        "multiprocessing",
        "unittest",
        "pydoc",
        "tqdm",
        "sympy",
        "concurrent",
        "http",
        "email",
        "zipfile",
        "pickle",
        "inspect",
        "dataclasses",
        "subprocess",
        "socket",
        "logging",
        "argparse",
    }
    assert not roots & heavy
    late = {
        "lampas.nn",
        "lampas.optim",
        "lampas.utils.data",
        "lampas.serialization",
        "lampas.printing",
        "lampas.vision",
    }
    assert not set(modules) & late, "loaded when they are first used"
    assert len(modules) < 130


def test_import_costs_little():
    """Counted in processor time, best of three, against an interpreter that does nothing."""
    code = (
        "import json, time; start = time.process_time(); import lampas; print(json.dumps(time.process_time() - start))"
    )
    if "asan" in os.environ.get("LD_PRELOAD", ""):
        pytest.skip("a sanitized build is slow to load")
    assert min(fresh(code) for _ in range(3)) < 0.25


def test_working_needs_no_numpy():
    loaded = fresh("""
import sys, lampas, json
x = lampas.randn(3, 3, requires_grad=True)
(x @ x).relu().sum().backward()
str(x), x.tolist(), x[0], lampas.cat([x, x])
print(json.dumps("numpy" in sys.modules))
""")
    assert loaded is False


def test_lazy_names():
    code = """
import json, sys, lampas
before = "lampas.nn" in sys.modules
lampas.nn.Linear(1, 1)
lampas.optim.SGD
lampas.utils.data.DataLoader
lampas.save, lampas.load, lampas.set_printoptions
print(json.dumps([before, "lampas.nn" in sys.modules]))
"""
    assert fresh(code) == [False, True]
    with pytest.raises(AttributeError, match="no_such_name"):
        lampas.no_such_name


def test_version():
    import tomllib

    if not (ROOT / "pyproject.toml").exists():
        pytest.skip("not a source checkout")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert lampas.version.lampas == project["version"]
    assert lampas.__version__ == "2.13.0+lampas" + project["version"]


def test_version_compares_by_its_numbers():
    version = lampas.__version__
    assert version >= "2.9" and version > (2, 9) and "2.13" <= version < "10.0" and version <= (2, 13, 0)
    assert not version < "2.13.0" and version != "2.13.0" and version == (2, 13)
    with pytest.raises(TypeError):
        assert version < 3


def test_importing_twice_is_importing_once():
    import importlib

    again = importlib.import_module("lampas._C")
    assert again is _C
    assert again.Tensor is lampas.Tensor


# ---- the registry ----

REGISTRY = _C._registry()


def test_entries_are_complete():
    assert len(REGISTRY) > 400
    kinds = {"function", "method", "inplace", "out", "nn", "inplace_function", "special", "linalg", "private"}
    for entry in REGISTRY:
        assert entry["name"] == entry["signature"].split("(")[0].split(".")[0]
        assert entry["kinds"], entry
        assert set(entry["kinds"]) <= kinds, entry


def test_no_entry_twice():
    signatures = [(e["signature"], tuple(e["kinds"])) for e in REGISTRY]
    assert len(signatures) == len(set(signatures))


def stubs():
    if not TOOLS.exists():
        pytest.skip("not a source checkout")
    import importlib.util

    spec = importlib.util.spec_from_file_location("make_stubs", TOOLS)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_signatures_parse():
    op = stubs().Op
    for entry in REGISTRY:
        parsed = op(entry["signature"])
        assert parsed.name == entry["name"]
        names = [p.split(":")[0].lstrip("*") for p in parsed.parameters if p != "*"]
        assert len(names) == len(set(names)), entry["signature"]
        assert "Any" not in parsed.result or parsed.result == "Any", entry["signature"]


def test_types_in_signatures_are_known():
    known = stubs().TYPES
    unknown = set()
    for entry in REGISTRY:
        inside = entry["signature"][entry["signature"].index("(") + 1 : entry["signature"].rindex(") ->")]
        for part in stubs_split(inside):
            kind = part.split("=")[0].rpartition(" ")[0]
            for one in kind.replace("?", "").split("|"):
                name = one.split("[")[0].strip().lstrip("*")
                if name and name not in known:
                    unknown.add((name, entry["signature"]))
    assert not unknown


def stubs_split(text):
    return stubs().split(text)


def places(entry):
    """Where an op of these kinds must be found."""
    name, kinds = entry["name"], set(entry["kinds"])
    if kinds & {"function", "private"}:
        yield _C, name
    if "function" in kinds and not name.startswith("_"):
        yield lampas, name
    if "nn" in kinds:
        yield _C.nn, name
    if "special" in kinds:
        yield _C.special, name
    if "linalg" in kinds:
        yield _C.linalg, name
    if "method" in kinds:
        yield lampas.Tensor, name
    if "inplace" in kinds:
        yield lampas.Tensor, name + "_"
    if "inplace_function" in kinds:
        yield _C, name + "_"


def test_every_entry_can_be_reached():
    missing = [
        (getattr(where, "__name__", where), name)
        for entry in REGISTRY
        for where, name in places(entry)
        if not callable(getattr(where, name, None))
    ]
    assert not missing


def test_functions_describe_themselves():
    for entry in REGISTRY:
        if "function" in entry["kinds"] and not entry["name"].startswith("_"):
            function = getattr(_C, entry["name"])
            assert function.__name__ == entry["name"]
            assert entry["name"] + "(" in function.__doc__
            assert entry["name"] in repr(function)


def test_ops_can_be_pickled():
    import pickle

    for function in (lampas.exp, lampas.add, lampas.nn.functional.relu, lampas.Tensor.exp):
        again = pickle.loads(pickle.dumps(function))
        assert again is function or again == function


def test_stubs_are_current():
    target = stubs().TARGET
    if not target.exists():
        pytest.fail(f"{target} is missing: ./dev lint --fix writes it")
    # In a process of its own: what other tests load adds to the classes.
    check = subprocess.run([sys.executable, stubs().__file__, "--check"], capture_output=True, text=True)
    assert check.returncode == 0, f"{check.stdout}{check.stderr}\n./dev lint --fix brings it up to date"


def test_stubs_are_python():
    import ast

    text = stubs().generate(_C)
    tree = ast.parse(text)
    classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    assert {"Tensor", "Size", "dtype", "device", "Generator"} <= classes
