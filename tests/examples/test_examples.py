"""The programs in examples/, each run for a few steps with lampas in PyTorch's place."""

import importlib.util
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lampas

EXAMPLES = Path(__file__).parents[2] / "examples"
SOURCE = str(Path(lampas.__file__).resolve().parents[1])
DIGITS = ("sklearn", "matplotlib")

# For each program: flags for a short run, the modules it needs, the files it writes, what its summary says.
PROGRAMS = {
    "transfer_learning": ("--epochs 2 --draws 1", DIGITS, ["old_digits.pt", "transfer.png"], r"on average [\d.]+%"),
    "siamese": ("--epochs 2", DIGITS, ["points.png"], r"before, [\d.]+% after"),
    "vae": ("--epochs 2", DIGITS, ["plane.png", "points.png"], r"held-out loss [\d.]+ before, [\d.]+ after"),
    "dcgan": ("--epochs 1", DIGITS, ["digits.png"], r"before, [\d.]+ after learning"),
    "style_transfer": ("--steps 20", (*DIGITS, "PIL"), ["painted.png"], r"loss [\d.]+ at first"),
    "char_gpt": ("--steps 20", (), ["sample.txt", "model.pt"], r"held-out loss [\d.]+"),
    "word_lstm": ("--epochs 1 --most 6000", (), ["sample.txt", "model.pt"], r"held-out perplexity [\d.]+"),
    "forecasting": ("--epochs 1", ("matplotlib",), ["forecast.png", "model.pt"], r"mean error [\d.]+ MW"),
    "policy_gradient": ("--steps 20", ("matplotlib",), ["learning.png", "policy.pt"], r"[\d.]+% of 100 games won"),
    "int8_deployment": ("--epochs 1", ("sklearn",), ["float32.pt", "int8.pt"], r"[\d.]+ times smaller"),
}


def run(folder, name, *flags):
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "lampas", str(EXAMPLES / f"{name}.py"), *flags, "--out", "out"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "PYTHONPATH": SOURCE, "OMP_NUM_THREADS": "1"},
    )


def losses(text):
    return [float(value) for value in re.findall(r"^step +\d+  loss (\S+)", text, re.MULTILINE)]


def need(modules):
    for module in modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"needs {module} (extra demo)")


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_short_run_learns_and_writes_its_files(tmp_path, name):
    flags, modules, files, summary = PROGRAMS[name]
    need(modules)
    done = run(tmp_path, name, *flags.split())
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    values = losses(done.stdout)
    assert len(values) == 20 and all(map(math.isfinite, values))
    if name != "policy_gradient":  # its loss is no measure of success: what it compares with improves, too
        assert sum(values[-5:]) < sum(values[:5])
    assert re.search(summary, done.stdout), done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(files)
    for path in (tmp_path / "out").iterdir():
        assert path.stat().st_size > 100
        if path.suffix == ".png":
            assert path.read_bytes().startswith(b"\x89PNG")


def test_the_seed_decides(tmp_path):
    flags = ["--steps", "8"]
    first, again, other = (losses(run(tmp_path, "char_gpt", *flags, "--seed", s).stdout) for s in ("1", "1", "2"))
    assert len(first) == 8 and first == again != other


def test_the_pole_learns_to_stand(tmp_path):
    need(["matplotlib"])
    done = run(tmp_path, "policy_gradient")
    before, after = map(int, re.search(r"stood for (\d+) moves before, (\d+) after", done.stdout).groups())
    assert before < 40 and after > 120, done.stdout


@pytest.mark.parametrize("name", ["char_gpt", "word_lstm"])
def test_any_text_will_do(tmp_path, name):
    text = tmp_path / "text.txt"
    text.write_text("the cat sat on the mat, and the dog sat on the cat. " * 40, encoding="utf-8")
    done = run(tmp_path, name, "--text", str(text), *(["--steps", "30"] if name == "char_gpt" else ["--epochs", "5"]))
    assert done.returncode == 0, done.stderr
    assert set((tmp_path / "out" / "sample.txt").read_text().lower()) <= set(text.read_text() + "\n")


@pytest.mark.parametrize("name", ["vae", "dcgan", "siamese", "int8_deployment"])
def test_mnist_files(tmp_path, name):
    """Random images in MNIST's format: 28 × 28 pixels go the same way."""
    need(DIGITS)
    raw = tmp_path / "mnist" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part, count in (("train", 256), ("t10k", 40)):
        pixels = lampas.randint(0, 256, (count * 28 * 28,), dtype=lampas.uint8)
        labels = lampas.arange(count) % 10
        header = [number.to_bytes(4, "big") for number in (2051, count, 28, 28)]
        (raw / f"{part}-images-idx3-ubyte").write_bytes(b"".join(header) + bytes(pixels.tolist()))
        header = [number.to_bytes(4, "big") for number in (2049, count)]
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(b"".join(header) + bytes(labels.tolist()))
    done = run(tmp_path, name, "--data", "mnist", "--epochs", "1")
    assert done.returncode == 0, done.stderr
    assert len(losses(done.stdout)) == 4 and "28 × 28" in done.stdout + "28 × 28" * (name == "siamese")
