"""``python -m lampas``: programs run as with plain Python; --missing and --profile."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys

import pytest

import lampas

SOURCE = str(pathlib.Path(lampas.__file__).resolve().parents[1])


def python(folder, *arguments, plain=False, stdin=None):
    return subprocess.run(
        [sys.executable, *(() if plain else ("-m", "lampas")), *map(str, arguments)],
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": SOURCE, "OMP_NUM_THREADS": "1"},
    )


def write(folder, name, text):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


SAME = {
    "context": """
import sys, os
print(__name__, __file__, sys.argv, sys.path[0], __spec__, __doc__, __package__)
print(sys.modules["__main__"].__dict__ is globals(), sorted(k for k in globals() if not k.startswith("__")))
print(type(__loader__).__name__, sys.flags.optimize)
""",
    "error": "def f():\n    return 1 / 0\n\ntry:\n    f()\nexcept Exception as e:\n    raise KeyError(3) from e\n",
    "syntax": "x = (1,\nprint(",
    "exit": "import sys, atexit\natexit.register(print, 'bye')\nsys.exit(7)\n",
    "exit_text": "raise SystemExit('no good')\n",
    "hook": "import sys\nsys.excepthook = lambda k, v, t: print(k.__name__, v, t.tb_lineno)\n\nraise ValueError(5)\n",
    "imports_error": "import helper\n",
    "stdin": "print(input() * 2)\n",
}


@pytest.mark.parametrize("name", SAME)
def test_a_program_cannot_tell(tmp_path, name):
    write(tmp_path, "sub/helper.py", "raise RuntimeError('in helper')\n")
    write(tmp_path, "sub/prog.py", SAME[name])
    plain, ours = (python(tmp_path, "sub/prog.py", "a", "-b", plain=plain, stdin="xy\n") for plain in (True, False))
    assert (ours.returncode, ours.stdout, ours.stderr) == (plain.returncode, plain.stdout, plain.stderr)


def test_modules(tmp_path):
    write(tmp_path, "pack/__init__.py", "")
    write(tmp_path, "pack/tool.py", "import sys\nprint(__name__, __spec__.name, sys.argv, sys.path[0])\n1 / 0\n")
    plain, ours = (python(tmp_path, "-m", "pack.tool", "x", plain=plain) for plain in (True, False))
    assert (ours.returncode, ours.stdout, ours.stderr) == (plain.returncode, plain.stdout, plain.stderr)
    plain, ours = (python(tmp_path, "-m", "no_such_module", plain=plain) for plain in (True, False))
    assert (ours.returncode, ours.stderr) == (plain.returncode, plain.stderr)


def test_code(tmp_path):
    done = python(tmp_path, "-c", "import sys, torch; print(sys.argv, torch.__name__)", "y")
    assert done.stdout == "['-c', 'y'] lampas\n", done.stderr


def test_interrupt(tmp_path):
    write(tmp_path, "p.py", "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nimport time; time.sleep(9)\n")
    done = python(tmp_path, "p.py")
    assert done.returncode == -signal.SIGINT
    assert done.stderr.rstrip().endswith("KeyboardInterrupt") and "lampas" not in done.stderr


def test_bad_command_lines(tmp_path):
    done = python(tmp_path)
    assert done.returncode == 2 and done.stderr.startswith("usage: python -m lampas")
    done = python(tmp_path, "--help")
    assert done.returncode == 0 and "--missing" in done.stdout
    done = python(tmp_path, "nothing.py")
    assert done.returncode == 2 and "can't open file 'nothing.py'" in done.stderr
    done = python(tmp_path, "--fast", "x.py")
    assert done.returncode == 2 and "unknown option --fast" in done.stderr
    for option in ("-m", "--profile", "--missing"):
        done = python(tmp_path, option)
        assert done.returncode == 2 and option in done.stderr.splitlines()[0]


WORKERS = """
import multiprocessing as mp
import torch

def work(q):
    q.put((__name__, torch.__name__, int(torch.ones(3).sum())))

if __name__ == "__main__":
    for method in ("spawn", "forkserver", "fork"):
        context = mp.get_context(method)
        q = context.Queue()
        p = context.Process(target=work, args=(q,))
        p.start()
        print(method, *q.get(timeout=60))
        p.join()
"""


def test_workers_see_the_alias(tmp_path):
    write(tmp_path, "p.py", WORKERS)
    done = python(tmp_path, "p.py")
    assert done.stdout.splitlines() == [
        "spawn __mp_main__ lampas 3",
        "forkserver __mp_main__ lampas 3",
        "fork __main__ lampas 3",
    ], done.stderr


MISSING = """import torch, torch.nn as nn
from torch import nn as n2, foo
import torch.nn.functional as F
import beside
x = torch.flooor(torch.ones(2))
n2.Linera(2)
F.relu(x); nn.Linear
k = torch.nn
k.Conv9d
torch.Tensor.nope
if hasattr(torch, "whatever"):
    raise SystemExit("this program must not be run")
nn = object()
nn.Conv8d
"""


def test_missing(tmp_path):
    write(tmp_path, "p.py", MISSING)
    write(tmp_path, "beside.py", "from torch.nn import functional\nfunctional.reluu\n")
    done = python(tmp_path, "--missing", "p.py")
    assert done.returncode == 1, done.stderr
    found = [line.partition("  (")[0] for line in done.stdout.splitlines()]
    assert found == [
        "p.py:2: torch.foo",
        "p.py:5: torch.flooor",
        "p.py:6: torch.nn.Linera",
        "p.py:9: torch.nn.Conv9d",
        "p.py:10: torch.Tensor.nope",
        "beside.py:2: torch.nn.functional.reluu",
        "6 names missing",
    ]
    assert "(nearest: torch.nn.Linear" in done.stdout
    write(tmp_path, "good.py", "import torch\ntorch.nn.Linear(2, 2)\n")
    done = python(tmp_path, "--missing", "good.py")
    assert (done.returncode, done.stdout) == (0, "0 names missing\n")
    write(tmp_path, "bad.py", "x = (")
    for name in ("bad.py", "none.py"):
        done = python(tmp_path, "--missing", name)
        assert done.returncode == 2 and f"cannot read '{name}'" in done.stderr


def test_profile(tmp_path):
    code = """import torch
def slow():
    for _ in range(30):
        x = torch.ones(300, 300, requires_grad=True)
        (x @ x).sum().backward()
slow()
print("done")
raise SystemExit(4)
"""
    write(tmp_path, "p.py", code)
    done = python(tmp_path, "--profile", "p.py")
    assert (done.returncode, done.stdout) == (4, "done\n")
    ops, own, full = done.stderr.split("Functions, by ")[0], *done.stderr.split("Functions, by ")[1:]
    matmul = next(line for line in ops.splitlines() if line.endswith("  matmul"))
    assert matmul.split()[2] == "30"
    times = [float(line.split()[0].replace(",", "")) for line in ops.splitlines() if "%" in line]
    assert times == sorted(times, reverse=True)
    assert "slow (p.py:2)" in full and "backward (lampas/" in own + full
