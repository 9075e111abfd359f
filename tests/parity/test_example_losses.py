"""The programs in examples/ print the same first losses under PyTorch and under lampas."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import lampas

torch = pytest.importorskip("torch")

EXAMPLES = Path(__file__).parents[2] / "examples"
SOURCE = str(Path(lampas.__file__).resolve().parents[1])

# A short run of each program, and what it needs beside the library.
PROGRAMS = {
    "transfer_learning": ("--epochs 1 --draws 1", ("sklearn", "matplotlib")),
    "siamese": ("--epochs 2", ("sklearn", "matplotlib")),
    "vae": ("--epochs 1", ("sklearn", "matplotlib")),
    "dcgan": ("--epochs 1", ("sklearn", "matplotlib")),
    "style_transfer": ("--steps 20", ("sklearn", "matplotlib", "PIL")),
    "char_gpt": ("--steps 20", ()),
    "word_lstm": ("--epochs 1 --most 6000", ()),
    "forecasting": ("--epochs 1", ("matplotlib",)),
    "policy_gradient": ("--steps 20", ("matplotlib",)),
    "int8_deployment": ("--epochs 1", ("sklearn",)),
}


def losses(folder: Path, *command: str) -> list[list[float]]:
    """The numbers in each ``step`` line: the loss, then what else the program prints there."""
    path = os.pathsep.join(filter(None, [SOURCE, os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, *command, "--out", str(folder)],
        capture_output=True,
        text=True,
        timeout=200,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    lines = re.findall(r"^step +\d+  (loss .*)", done.stdout, re.MULTILINE)
    return [[float(number) for number in re.findall(r" (-?\d\S*)", line)] for line in lines]


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_first_losses_agree(tmp_path: Path, name: str) -> None:
    flags, modules = PROGRAMS[name]
    for module in modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"examples/{name}.py needs {module} (extra demo), which is not installed beside PyTorch")
    program = [str(EXAMPLES / f"{name}.py"), *flags.split()]
    with ThreadPoolExecutor() as pool:
        theirs = pool.submit(losses, tmp_path / "torch", *program)
        ours = pool.submit(losses, tmp_path / "lampas", "-m", "lampas", *program)
    assert len(theirs.result()) == 20
    for step, (expected, found) in enumerate(zip(theirs.result(), ours.result(), strict=True)):
        # Five digits are printed; the last may be off by one.
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-8), f"step {step}"
