"""The harness of ./dev bench: lampas stands on both sides, so that PyTorch is not needed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def bench(output, *arguments, other=sys.executable):
    command = [sys.executable, str(BENCHMARKS / "run.py"), "--quick", "--threads", "1", "--output", str(output)]
    command += ["--lampas-python", sys.executable, "--torch-python", str(other), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=240)


@pytest.fixture
def twin(tmp_path):
    """A Python for which `torch` is a module that only forwards to lampas."""
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "torch.py").write_text("import lampas\nfrom lampas import *\n__getattr__ = lampas.__getattribute__\n")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={modules} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return python


def test_both_sides_are_measured_and_compared(tmp_path, twin):
    done = bench(tmp_path / "results", "add4", "chain20", other=twin)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "results" / "partial.json").read_text())
    assert report["threads"] == 1 and report["rounds"] == 2
    assert report["machine"]["cores"] >= 1 and report["machine"]["cpu"]
    add, chain = report["rows"]
    assert (add["name"], chain["name"]) == ("add4", "chain20")
    for row in report["rows"]:
        for library in ("lampas", "torch"):
            side = row[library]
            assert side["best"] == min(side["samples"]) <= side["median"]
            assert 1e-9 < side["best"] < 1
            assert side["peak_memory"] > 1e6
        assert row["ratio"] == pytest.approx(row["torch"]["best"] / row["lampas"]["best"])
        assert row["same"] is True
    # 20 ops with gradients take longer than one without: times are of what was named
    assert chain["lampas"]["best"] > 5 * add["lampas"]["best"]
    table = (tmp_path / "results" / "partial.md").read_text()
    assert "| `add4` | a + b, 4 elements |" in table and "Geometric mean" in table


def test_import_and_size(tmp_path, twin):
    done = bench(tmp_path / "results", "import", "size", other=twin)
    assert done.returncode == 0, done.stdout + done.stderr
    imported, size = json.loads((tmp_path / "results" / "partial.json").read_text())["rows"]
    assert len(imported["lampas"]["samples"]) == 10  # fresh processes
    assert 0.001 < imported["lampas"]["best"] < 10
    assert 1e6 < size["lampas"]["best"] < 120e6


def test_without_pytorch_lampas_is_measured_alone(tmp_path):
    done = bench(tmp_path / "results", "add4", other=tmp_path / "missing")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "torch cannot be measured" in done.stderr
    (row,) = json.loads((tmp_path / "results" / "partial.json").read_text())["rows"]
    assert "ratio" not in row and row["lampas"]["best"] > 0


def test_a_workload_that_fails_is_reported(tmp_path, twin):
    (tmp_path / "modules" / "torch.py").write_text("")  # has nothing that a workload needs
    done = bench(tmp_path / "results", "add4", other=twin)
    assert done.returncode == 1
    assert "torch: AttributeError: module 'torch' has no attribute" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "there is no workload 'nothing'; there are: import, size, add4"),
        (["--rounds", "0"], "--rounds 0: must be at least 1"),
    ],
)
def test_bad_arguments(tmp_path, arguments, message):
    done = bench(tmp_path, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
