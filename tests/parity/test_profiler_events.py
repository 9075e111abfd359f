"""The profiler's events, columns, units and schedules beside PyTorch's."""

import json
import re

import pytest

import lampas

torch = pytest.importorskip("torch")


def program(t, **options):
    t.manual_seed(0)
    model = t.nn.Sequential(t.nn.Linear(4, 8), t.nn.ReLU(), t.nn.Linear(8, 2))
    optimizer = t.optim.SGD(model.parameters(), lr=0.1)
    with t.profiler.profile(activities=[t.profiler.ProfilerActivity.CPU], **options) as prof:
        for _ in range(3):
            with t.profiler.record_function("forward"):
                loss = model(t.ones(5, 4)).mean()
            loss.backward()
            optimizer.step()
    return prof


@pytest.fixture(scope="module")
def both():
    options = {"record_shapes": True, "profile_memory": True, "with_flops": True}
    return program(lampas, **options), program(torch, **options)


SHARED = (
    "forward",
    "aten::linear",
    "aten::relu",
    "aten::mean",
    "AddmmBackward0",
    "ReluBackward0",
    "MeanBackward0",
    "torch::autograd::AccumulateGrad",
    "autograd::engine::evaluate_function: AddmmBackward0",
    "Optimizer.step#SGD.step",
)


@pytest.mark.parametrize("name", SHARED)
def test_events_of_both(both, name):
    ours, theirs = ({e.key: e for e in prof.key_averages()}[name] for prof in both)
    assert ours.count == theirs.count
    assert ours.is_user_annotation == theirs.is_user_annotation
    assert ours.cpu_time_total >= ours.self_cpu_time_total > 0


def test_columns(both):
    def header(prof):
        return re.split(r"\s{2,}", prof.key_averages(group_by_input_shape=True).table().splitlines()[1].strip())

    assert header(both[0]) == header(both[1])


def test_rule(both):
    def widths(prof):
        return [len(part) for part in prof.key_averages().table().splitlines()[0].split()]

    assert widths(both[0]) == widths(both[1])


def test_shapes(both):
    def shapes(prof):
        return {str(e.input_shapes) for e in prof.events() if e.name == "aten::linear"}

    assert shapes(both[0]) == shapes(both[1])


def test_flops(both):
    def flops(prof):
        return sum(e.flops for e in prof.key_averages() if e.key in ("aten::linear", "aten::addmm"))

    assert flops(both[0]) == flops(both[1]) > 0


def test_traces(both, tmp_path):
    entries = []
    for i, prof in enumerate(both):
        prof.export_chrome_trace(str(tmp_path / f"{i}.json"))
        content = json.loads((tmp_path / f"{i}.json").read_text())
        entries.append(next(e for e in content["traceEvents"] if e.get("name") == "forward"))
    ours, theirs = entries
    assert (ours["ph"], ours["cat"]) == (theirs["ph"], theirs["cat"])
    assert {"pid", "tid", "ts", "dur", "args"} <= set(ours)


@pytest.mark.parametrize(
    "plan",
    [
        {"wait": 1, "warmup": 1, "active": 2},
        {"wait": 2, "warmup": 1, "active": 3, "repeat": 2},
        {"wait": 0, "warmup": 2, "active": 1, "repeat": 1, "skip_first": 3},
        {"wait": 2, "warmup": 1, "active": 2, "skip_first": 1, "skip_first_wait": 1},
        {"wait": 2, "warmup": 1, "active": 2, "repeat": 2, "skip_first_wait": 1},
    ],
)
def test_schedules(plan):
    ours, theirs = ([t.profiler.schedule(**plan)(i).name for i in range(20)] for t in (lampas, torch))
    assert ours == theirs


def test_steps():
    def seen(t):
        found = []
        plan = t.profiler.schedule(wait=1, warmup=1, active=2, repeat=1)

        def ready(prof):
            found.append((prof.step_num, {e.key: e.count for e in prof.key_averages()}.get("ProfilerStep*")))

        with t.profiler.profile(schedule=plan, on_trace_ready=ready) as prof:
            for _ in range(7):
                t.ones(2).exp()
                prof.step()
        return found

    assert seen(lampas) == seen(torch)
