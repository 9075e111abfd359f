"""./dev bench from the command line to its files: lampas stands on both sides, so that PyTorch is not needed."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def bench(output, *arguments, other=sys.executable):
    command = [sys.executable, "-m", "benchmarks", "--quick", "--threads", "1", "--output", str(output)]
    command += ["--lampas-python", sys.executable, "--torch-python", str(other), *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    return subprocess.run(command, capture_output=True, text=True, timeout=280, cwd=output.parent, env=environment)


@pytest.fixture
def twin(tmp_path):
    """A Python for which `torch` is a package that only forwards to lampas, and `torch.compile` changes nothing."""
    modules = tmp_path / "modules"
    (modules / "torch").mkdir(parents=True)
    (modules / "torch" / "__init__.py").write_text(
        "import importlib, sys\nimport lampas\nfrom lampas import *\n"
        "for part in ('nn', 'nn.functional', 'optim', 'utils', 'utils.data'):\n"
        "    sys.modules['torch.' + part] = importlib.import_module('lampas.' + part)\n"
        "compile = lambda function: function\n"
        "__getattr__ = lampas.__getattribute__\n"
    )
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexport PYTHONPATH="{modules}:$PYTHONPATH"\nexec {sys.executable} "$@"\n')
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    return python


def test_both_sides_are_measured_and_compared(tmp_path, twin):
    earlier = tmp_path / "earlier.json"
    arguments = "micro_add", "chain20", "tiny_mlp"
    done = bench(tmp_path / "results", *arguments, "--compile", "--json", str(earlier), other=twin)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "results" / "workloads-partial.json").read_text())
    assert json.loads(earlier.read_text()) == report
    assert report["threads"] == 1 and report["rounds"] == 2
    assert report["machine"]["cores"] >= 1 and report["machine"]["cpu"]
    add, chain, mlp = report["rows"]
    assert (add["name"], chain["name"]) == ("micro_add", "chain20")
    for row in report["rows"]:
        for key in ("lampas", "torch", "compile"):
            side = row["sides"][key]
            assert side["best"] == min(side["samples"]) <= side["median"]
            assert 1e-9 < side["best"] < 1
        assert row["ratio"] == pytest.approx(row["sides"]["torch"]["best"] / row["sides"]["lampas"]["best"])
        assert row["same"] is True
    # 20 ops with gradients take longer than one without: times are of what was named
    assert chain["sides"]["lampas"]["best"] > 5 * add["sides"]["lampas"]["best"]
    # the machine's limits were measured in the same run
    assert report["limits"]["f32"] > 1e8 and len(report["limits"]["bandwidth"]) == 10
    assert add["limit"] is None and 0 < mlp["limit"] < mlp["sides"]["lampas"]["best"]
    table = (tmp_path / "results" / "workloads-partial.md").read_text()
    assert "| `micro_add` | a + b, 4 elements |" in table and "Geometric mean against torch.compile" in table
    assert (tmp_path / "results" / "workloads-partial.png").read_bytes()[1:4] == b"PNG"

    done = bench(tmp_path / "results", "micro_add", "--compare", str(earlier), other=tmp_path / "missing")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ratio before" in done.stdout and "All together, now takes" in done.stdout


def test_import_and_size(tmp_path, twin):
    done = bench(tmp_path / "results", "import", "size", other=twin)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((tmp_path / "results" / "workloads-partial.json").read_text())["rows"]
    imported, size = (row["sides"]["lampas"] for row in rows)
    assert len(imported["samples"]) == 10  # fresh processes
    assert 0.001 < imported["best"] < 10
    assert 1e6 < size["best"] < 120e6


def test_sizes(tmp_path, twin):
    done = bench(tmp_path / "results", "--sizes", "--ops", "mean,max_pool", "--largest", "1e3", other=twin)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "results" / "sizes-partial.json").read_text())
    points = {row["name"]: row for row in report["rows"]}
    assert len(points) == 3 * 2 * 3  # two means and a pooling, two layouts, three sizes
    assert points["mean_first strided 100"]["about"] == "10 × 10"
    assert points["max_pool contiguous 1000"]["about"] == "1 × 10 × 10 × 10"
    assert all(row["same"] and row["sides"]["lampas"]["best"] > 0 for row in points.values())
    assert f"of {len(points)}" in done.stdout
    assert (tmp_path / "results" / "sizes-partial.svg").read_text().count("max pooling") == 1


def test_memory(tmp_path, twin):
    done = bench(tmp_path / "results", "--memory", "micro_add", "adam_step", other=twin)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((tmp_path / "results" / "memory-partial.json").read_text())["rows"]
    micro, adam, shapes = (row["sides"]["lampas"] for row in rows)
    # parameters, gradients and two averages of 16 MiB each
    assert 64 * 2**20 < adam["best"] < 200 * 2**20
    assert micro["best"] < 0.5 * adam["best"]
    assert adam["extra"]["peak"] == pytest.approx(adam["extra"]["import"] + adam["best"], rel=0.02)
    assert adam["extra"]["caches"]["memory cache_limit_bytes"] > 0
    assert len(shapes["extra"]["trace"]) == 10 and -0.5 < shapes["extra"]["growth"] < 5
    assert "Random shapes, lampas: memory changes by" in done.stdout


def test_without_pytorch_lampas_is_measured_alone(tmp_path):
    done = bench(tmp_path / "results", "micro_add", other=tmp_path / "missing")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "torch cannot be measured" in done.stderr
    (row,) = json.loads((tmp_path / "results" / "workloads-partial.json").read_text())["rows"]
    assert row["ratio"] is None and row["sides"]["lampas"]["best"] > 0


def test_a_workload_that_fails_is_reported_and_the_rest_goes_on(tmp_path, twin):
    # has nothing that a workload needs
    (tmp_path / "modules" / "torch" / "__init__.py").write_text("")
    done = bench(tmp_path / "results", "micro_add", "chain20", other=twin)
    assert done.returncode == 1
    assert "torch: AttributeError: module 'torch' has no attribute" in done.stdout
    rows = json.loads((tmp_path / "results" / "workloads-partial.json").read_text())["rows"]
    assert [row["sides"]["lampas"]["best"] > 0 for row in rows] == [True, True]


def test_what_torch_compile_cannot_do_is_said_in_its_cell(tmp_path, twin):
    package = tmp_path / "modules" / "torch" / "__init__.py"
    package.write_text(package.read_text() + "def compile(f): raise RuntimeError('no g++ here')\n")
    done = bench(tmp_path / "results", "micro_add", "dataloader", "--compile", other=twin)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "compile: RuntimeError: no g++ here" in done.stdout
    add, loader = json.loads((tmp_path / "results" / "workloads-partial.json").read_text())["rows"]
    assert add["ratio"] > 0 and add["sides"]["compile"]["best"] is None
    assert loader["sides"]["compile"]["skipped"] == "there is nothing to compile"
