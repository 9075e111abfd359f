"""The profiler: what it sees, when it records, and how it is shown."""

import gzip
import json

import pytest

import lampas
from lampas import nn
from lampas.profiler import ProfilerAction, ProfilerActivity, profile, record_function, schedule


def counts(prof):
    return {event.key: event.count for event in prof.key_averages()}


def train_step(model, optimizer, x):
    loss = model(x).pow(2).mean()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()


class TestWhatIsSeen:
    def test_ops(self):
        x = lampas.ones(4, 4)
        with profile(activities=[ProfilerActivity.CPU]) as prof:
            y = x @ x
            y += 1
            (y + y).relu()
            y.numel()
        y.exp()
        assert counts(prof) == {"aten::matmul": 1, "aten::add_": 1, "aten::add": 1, "aten::relu": 1}

    def test_backward_passes(self):
        x = lampas.ones(4, requires_grad=True)
        with profile() as prof:
            for _ in range(2):
                (x.exp() * x).sum().backward()
        found = counts(prof)
        for node in ("SumBackward0", "MulBackward0", "ExpBackward0", "torch::autograd::AccumulateGrad"):
            assert found[node] == found[f"autograd::engine::evaluate_function: {node}"] == 2
        # the hooks are gone: nothing is noted, and gradients are as ever
        x.grad = None
        before = len(prof.events())
        (x * 3).sum().backward()
        assert x.grad.tolist() == [3.0] * 4 and len(prof.events()) == before

    def test_results_are_the_same(self):
        def run():
            lampas.manual_seed(0)
            model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(72, 3))
            optimizer = lampas.optim.Adam(model.parameters())
            for _ in range(3):
                train_step(model, optimizer, lampas.randn(2, 1, 8, 8))
            return model.state_dict()

        with profile(record_shapes=True, profile_memory=True, with_stack=True, with_flops=True):
            seen = run()
        for name, value in run().items():
            assert lampas.equal(seen[name], value)

    def test_optimizers(self):
        model = nn.Linear(2, 2)
        optimizer = lampas.optim.SGD(model.parameters(), lr=0.1)
        with profile() as prof:
            train_step(model, optimizer, lampas.ones(1, 2))
        assert counts(prof)["Optimizer.step#SGD.step"] == 1

    def test_functions_of_ones_own(self):
        class Twice(lampas.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return 2 * x

            @staticmethod
            def backward(ctx, grad):
                return grad.mul(2)

        x = lampas.ones(3, requires_grad=True)
        with profile() as prof:
            Twice.apply(x).mean().backward()
        within = next(e for e in prof.events() if e.name == "TwiceBackward")
        assert [child.name for child in within.cpu_children] == ["aten::mul"]

    def test_errors_pass_through(self):
        with profile() as prof, pytest.raises(RuntimeError):
            lampas.ones(2) @ lampas.ones(3)
        assert counts(prof)["aten::matmul"] == 1

    def test_nothing_is_kept_alive(self):
        import weakref

        x = lampas.ones(3, requires_grad=True)
        with profile() as prof:
            y = x * 2
            alive = weakref.ref(y)
            node = y.grad_fn
            del y, node
            assert alive() is None
        assert counts(prof) == {"aten::mul": 1}


class TestRegions:
    def test_nested(self):
        with profile() as prof, record_function("outer"):
            lampas.ones(3)
            with record_function("inner"):
                lampas.ones(3).exp()
        outer, _, inner, *_ = prof.events()
        assert (outer.name, inner.name) == ("outer", "inner") and inner.cpu_parent is outer
        assert [child.name for child in outer.cpu_children] == ["aten::ones", "inner"]
        assert outer.is_user_annotation and outer.cpu_time_total >= inner.cpu_time_total > 0
        own = outer.cpu_time_total - sum(child.cpu_time_total for child in outer.cpu_children)
        assert outer.self_cpu_time_total == own > 0

    def test_self_times_add_up(self):
        with profile() as prof:
            with record_function("a"):
                lampas.ones(100, 100).exp()
            lampas.ones(3)
        top = sum(event.cpu_time_total for event in prof.events() if event.cpu_parent is None)
        assert prof.events().self_cpu_time_total == pytest.approx(top)

    def test_as_decorator_and_without_profiler(self):
        @record_function("named")
        def work(x):
            return x + 1

        assert work(lampas.tensor(1)) == 2
        with profile() as prof:
            work(lampas.tensor(1))
        assert counts(prof)["named"] == 1

    def test_other_threads_are_not_watched(self):
        import threading

        with profile() as prof:
            thread = threading.Thread(target=lambda: lampas.ones(3).exp())
            thread.start()
            thread.join()
        assert len(prof.events()) == 0 and prof.key_averages().table() == ""


class TestMore:
    def test_shapes(self):
        with profile(record_shapes=True) as prof:
            lampas.ones(2, 3) @ lampas.ones(3, 4)
            lampas.ones(5, 3) @ lampas.ones(3, 4)
            lampas.cat([lampas.ones(1), lampas.ones(2)])
        by_shape = {
            str(e.input_shapes): e.count for e in prof.key_averages(group_by_input_shape=True) if "mat" in e.key
        }
        assert by_shape == {"[[2, 3], [3, 4]]": 1, "[[5, 3], [3, 4]]": 1}
        assert [e.input_shapes[0] for e in prof.events() if e.name == "aten::cat"] == [[[1], [2]]]

    def test_memory(self):
        kept = []
        with profile(profile_memory=True) as prof:
            with record_function("keeps"):
                kept.append(lampas.empty(1 << 20, dtype=lampas.uint8))
            with record_function("frees"):
                lampas.empty(1 << 20, dtype=lampas.uint8)
        found = {e.key: e for e in prof.key_averages()}
        assert 1 << 20 <= found["keeps"].cpu_memory_usage < 1.3 * (1 << 20)
        assert found["frees"].cpu_memory_usage < 1 << 16
        assert found["aten::empty"].self_cpu_memory_usage >= 2 << 20
        assert "CPU Mem" in prof.key_averages().table() and " MB" in prof.key_averages().table()

    def test_flops(self):
        with profile(with_flops=True) as prof:
            lampas.ones(2, 3) @ lampas.ones(3, 4)
            nn.functional.conv2d(lampas.ones(2, 3, 8, 8), lampas.ones(5, 3, 3, 3))
            lampas.ones(7) * 2
        flops = {e.key: e.flops for e in prof.key_averages()}
        assert flops["aten::matmul"] == 2 * 2 * 3 * 4
        assert flops["aten::conv2d"] == 2 * (2 * 5 * 6 * 6) * (3 * 3 * 3)
        assert flops["aten::mul"] == 7 and flops["aten::ones"] == 0
        assert "Total KFLOPs" in prof.key_averages().table()

    def test_stacks(self, tmp_path):
        def deep():
            return lampas.ones(300, 300).exp()

        with profile(with_stack=True) as prof:
            deep()
        first, second = prof.events()[-1].stack[:2]
        assert "test_profiler.py(" in first and first.endswith("): deep") and second.endswith("): test_stacks")
        assert prof.key_averages(group_by_stack_n=1)[0].stack[0].endswith("): deep")
        prof.export_stacks(tmp_path / "stacks.txt")
        line = (tmp_path / "stacks.txt").read_text().splitlines()[-1]
        assert "test_stacks;" in line and int(line.rpartition(" ")[2]) > 0

    def test_traces(self, tmp_path):
        with profile(record_shapes=True) as prof, record_function("region"):
            lampas.ones(3).exp()
        prof.add_metadata("note", "hello")
        prof.export_chrome_trace(str(tmp_path / "trace.json"))
        prof.export_chrome_trace(str(tmp_path / "trace.json.gz"))
        content = json.loads((tmp_path / "trace.json").read_text())
        assert content["note"] == "hello"
        events = {e["name"]: e for e in content["traceEvents"] if e["ph"] == "X"}
        assert set(events) == {"region", "aten::ones", "aten::exp"}
        region, exp = events["region"], events["aten::exp"]
        assert region["ts"] <= exp["ts"] and exp["ts"] + exp["dur"] <= region["ts"] + region["dur"] + 0.01
        assert region["cat"] == "user_annotation" and exp["args"]["Input Dims"] == [[3]]
        with gzip.open(tmp_path / "trace.json.gz", "rt") as file:
            assert json.load(file)["traceEvents"] == content["traceEvents"]


class TestSchedule:
    def test_cycles(self):
        N, W, R, S = ProfilerAction
        plan = schedule(wait=1, warmup=1, active=2, repeat=2, skip_first=1)
        assert [plan(i) for i in range(11)] == [N, N, W, R, S, N, W, R, S, N, N]
        plan = schedule(wait=2, warmup=1, active=1, skip_first_wait=1)
        assert [plan(i) for i in range(6)] == [W, S, N, N, W, S]

    def test_steps(self, tmp_path):
        seen = []
        x = lampas.ones(3)

        def ready(prof):
            seen.append((prof.step_num, counts(prof), [e.name for e in prof.events() if "Step" in e.name]))

        with profile(schedule=schedule(wait=1, warmup=1, active=2), on_trace_ready=ready) as prof:
            for _ in range(9):
                x.exp()
                prof.step()
        wanted = {"ProfilerStep*": 2, "aten::exp": 2}
        assert seen == [
            (4, wanted, ["ProfilerStep#2", "ProfilerStep#3"]),
            (8, wanted, ["ProfilerStep#6", "ProfilerStep#7"]),
        ]

    def test_a_recording_cut_short_is_handed_over(self):
        seen = []
        with profile(
            schedule=schedule(wait=0, warmup=1, active=5), on_trace_ready=lambda p: seen.append(counts(p))
        ) as p:
            for _ in range(3):
                lampas.ones(3)
                p.step()
        assert seen == [{"ProfilerStep*": 3, "aten::ones": 2}]

    def test_stopped_while_warming_up(self):
        with profile(schedule=schedule(wait=0, warmup=1, active=1)) as prof:
            lampas.ones(3)
        assert prof.key_averages().table() == ""

    def test_without_schedule(self):
        seen = []
        prof = profile(on_trace_ready=lambda p: seen.append(counts(p)))
        prof.start()
        lampas.ones(3)
        prof.step()
        lampas.ones(3)
        prof.stop()
        assert seen == [{"aten::ones": 2}]

    def test_files_for_tensorboard(self, tmp_path):
        handler = lampas.profiler.tensorboard_trace_handler(str(tmp_path / "log"), worker_name="me")
        with profile(on_trace_ready=handler):
            lampas.ones(3)
        (path,) = (tmp_path / "log").iterdir()
        assert path.name.startswith("me.") and path.name.endswith(".pt.trace.json")
        assert any(e["name"] == "aten::ones" for e in json.loads(path.read_text())["traceEvents"])

    @pytest.mark.parametrize("bad", [{"wait": -1, "active": 1}, {"wait": 0, "active": 0}])
    def test_refusals(self, bad):
        with pytest.raises(AssertionError, match="Invalid profiler schedule arguments"):
            schedule(warmup=1, **bad)
        with pytest.raises(AssertionError, match="Step must be non-negative"):
            schedule(wait=0, warmup=1, active=1)(-1)

    def test_no_warmup_is_warned_of(self):
        with pytest.warns(UserWarning, match="warmup"):
            schedule(wait=0, warmup=0, active=1)


class TestTable:
    def make(self):
        with profile() as prof:
            for _ in range(3):
                lampas.ones(2).exp()
            lampas.ones(300, 300) @ lampas.ones(300, 300)
        return prof.key_averages()

    def test_form(self):
        lines = self.make().table(sort_by="count").splitlines()
        assert lines[0] == lines[2] == lines[-2] and set(lines[0]) == {"-", " "}
        assert lines[1].split() == (
            ["Name", "Self", "CPU", "%", "Self", "CPU", "CPU", "total", "%", "CPU", "total", "CPU", "time", "avg"]
            + ["#", "of", "Calls"]
        )
        assert lines[3].split()[0] == "aten::ones" and lines[3].split()[-1] == "5"
        assert lines[-1].startswith("Self CPU time total: ")
        assert len({len(line) for line in lines[:-1]}) == 1

    def test_options(self):
        averages = self.make()
        assert averages.table(sort_by="cpu_time_total", row_limit=1).count("aten::") == 1
        plain, titled = averages.table().splitlines(), averages.table(header="Title").splitlines()
        assert titled == ["=" * len(plain[0].rstrip()), "Title", *plain]
        assert "..." in averages.table(max_name_column_width=8)
        assert str(averages) == averages.table()
        with pytest.raises(AttributeError, match="nope"):
            averages.table(sort_by="nope")

    def test_totals(self):
        averages = self.make()
        total = averages.total_average()
        assert total.key == "Total" and total.count == 9
        assert total.self_cpu_time_total == pytest.approx(averages.self_cpu_time_total)

    def test_times_have_units(self):
        from lampas.profiler._events import _memory, _time

        assert [_time(us) for us in (1.5, 2500.0, 3e6)] == ["1.500us", "2.500ms", "3.000s"]
        assert [_memory(n) for n in (-12, 2048, 3 << 20, 5 << 30)] == ["-12 B", "2.00 KB", "3.00 MB", "5.00 GB"]


class TestOlderForm:
    def test_region(self):
        with lampas.autograd.profiler.profile() as prof:
            lampas.ones(3).exp()
        assert [e.name for e in prof] == ["aten::ones", "aten::exp"] and len(prof) == 2
        assert "aten::exp" in prof.table() and "aten::exp" in str(prof)
        assert prof.total_average().count == 2 and prof.self_cpu_time_total > 0

    def test_disabled(self):
        with lampas.autograd.profiler.profile(enabled=False) as prof:
            lampas.ones(3)
        assert "unfinished" in str(prof)
        with pytest.raises(RuntimeError, match="didn't finish"):
            prof.key_averages()

    def test_twice(self):
        prof = lampas.autograd.profiler.profile()
        with prof, pytest.raises(RuntimeError, match="not reentrant"), prof:
            lampas.ones(1)


def test_devices_that_are_not_there():
    with pytest.warns(UserWarning, match="CUDA is not available"):
        profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA])
    with pytest.warns(FutureWarning, match="use `activities`"):
        profile(use_cuda=False)
    assert lampas.profiler.supported_activities() == {ProfilerActivity.CPU}


def test_before_anything_is_recorded():
    with pytest.raises(AssertionError, match="before getting key averages"):
        profile().key_averages()
    with pytest.raises(AssertionError, match="with_stack=True"), profile() as prof:
        lampas.ones(1)
        prof.stop()
        prof.export_stacks("nowhere")
