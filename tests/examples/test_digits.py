import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import lampas

for needed in ("sklearn", "matplotlib", "tqdm"):
    pytest.importorskip(needed, reason=f"examples/digits.py needs the demo extra ({needed} is missing)")

PROGRAM = Path(__file__).parents[2] / "examples" / "digits.py"


def command(output, *flags):
    return [sys.executable, str(PROGRAM), "--output", str(output), *map(str, flags)]


def run(output, *flags):
    return subprocess.run(command(output, *flags), capture_output=True, text=True, timeout=240)


def outcome(folder):
    """What must not depend on how a run came to its end: the history without the times, and the weights."""
    checkpoint = lampas.load(folder / "checkpoint.pt")
    history = [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in checkpoint["run"]["history"]]
    return history, {name: value.tolist() for name, value in checkpoint["model"].items()}


def test_a_run_learns_and_reports(tmp_path):
    done = run(tmp_path, "--epochs", 3)
    assert done.returncode == 0, done.stderr
    pattern = r"epoch +(\d+)/3 +loss ([\d.]+) +training +([\d.]+)% +held out +([\d.]+)% +[\d.]+ s"
    lines = re.findall(pattern, done.stdout)
    assert [line[0] for line in lines] == ["1", "2", "3"]
    assert float(lines[-1][1]) < float(lines[0][1])
    assert float(lines[-1][3]) > 90
    right = re.search(r"read (\d+) of 359 held-out digits correctly", done.stdout)
    assert abs(int(right[1]) / 359 - float(lines[-1][3]) / 100) < 1e-4
    assert str(tmp_path / "checkpoint.pt") in done.stdout
    assert str(tmp_path / "report.png") in done.stdout
    report = (tmp_path / "report.png").read_bytes()
    assert report.startswith(b"\x89PNG") and len(report) > 20_000
    assert "batches/s" in done.stderr  # the progress bar


@pytest.mark.slow
def test_the_defaults_read_98_percent(tmp_path):
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    assert outcome(tmp_path)[0][-1]["held_out_accuracy"] >= 0.98


def test_interrupted_and_resumed_equals_uninterrupted(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    flags = ["--epochs", 3, "--batch-size", 8, "--seed", 3]
    done = run(whole, *flags)
    assert done.returncode == 0, done.stderr

    with subprocess.Popen(command(parts, *flags), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith("epoch  1/3"):
                process.send_signal(signal.SIGINT)
                break
        words, errors = process.communicate(timeout=240)
    assert process.returncode == 130, errors
    assert "interrupted" in words and "--resume" in words and str(parts / "checkpoint.pt") in words
    halfway = lampas.load(parts / "checkpoint.pt")["run"]
    assert 1 <= len(halfway["history"]) < 3 and halfway["batch"] > 0

    done = run(parts, "--resume")
    assert done.returncode == 0, done.stderr
    assert outcome(parts) == outcome(whole)


def test_more_epochs_can_be_asked_of_a_finished_run(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert run(whole, "--epochs", 2, "--batch-size", 128).returncode == 0
    assert run(parts, "--epochs", 1, "--batch-size", 128).returncode == 0
    assert run(parts, "--epochs", 2, "--resume").returncode == 0
    assert outcome(parts) == outcome(whole)
    # Settings are the run's own: others are refused, and the checkpoint stays as it was.
    for flags, message in [
        (["--seed", 5], "--seed 5: the run to resume has 0"),
        (["--batch-size", 64], "--batch-size 64: the run to resume has 128"),
        (["--epochs", 1], "--epochs 1: the run to resume has done 2"),
    ]:
        refused = run(parts, "--resume", *flags)
        assert refused.returncode == 2
        assert message in refused.stderr
    assert outcome(parts) == outcome(whole)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--epochs", "0"], "argument --epochs: invalid positive int value: '0'"),
        (["--lr", "nan"], "argument --lr: invalid positive float value: 'nan'"),
        (["--batch-size", "many"], "argument --batch-size: invalid positive int value: 'many'"),
        (["--device", "tpu"], "argument --device: invalid choice: 'tpu'"),
        (["--resume"], "checkpoint.pt to go on from; leave the flag out to start afresh"),
        (["--device", "cuda"], "--device cuda: no CUDA device can be used here"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_flags(tmp_path, flags, message):
    if "cuda" in flags and lampas.cuda.is_available():
        pytest.skip("there is a CUDA device")
    done = run(tmp_path / "new", *flags)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_output_that_cannot_be_a_folder(tmp_path):
    (tmp_path / "file").write_text("")
    done = run(tmp_path / "file")
    assert done.returncode == 2
    assert f"--output {tmp_path / 'file'}: cannot make this folder: {os.strerror(17)}" in done.stderr
