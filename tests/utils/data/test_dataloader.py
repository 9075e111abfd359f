"""The loader: batches, options, worker processes and what happens when they fail."""

import os
import random
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

import lampas
from lampas.utils import data


class Rows(data.Dataset):
    """Samples made by a function of the index."""

    def __init__(self, n, make=lambda i: i):
        self.n, self.make = n, make

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return self.make(i)


class Stream(data.IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        info = data.get_worker_info()
        return iter(range(self.n)) if info is None else iter(range(info.id, self.n, info.num_workers))


def table(n=25):
    return data.TensorDataset(lampas.arange(2.0 * n).reshape(n, 2), lampas.arange(n))


class RowByRow(data.TensorDataset):
    """A TensorDataset the loader does not know, so that it fetches row by row."""


def values(loader):
    return [[t.tolist() for t in batch] for batch in loader]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    "options", [{}, {"shuffle": True}, {"shuffle": True, "drop_last": True}, {"sampler": [3, -1, 3]}]
)
@pytest.mark.parametrize("batch_size", [1, 4, 5, 30])
def test_gather_equals_row_by_row(options, batch_size, workers):
    results = []
    for kind in (data.TensorDataset, RowByRow):
        lampas.manual_seed(5)
        loader = data.DataLoader(kind(*table().tensors), batch_size=batch_size, num_workers=workers, **options)
        results.append((values(loader), values(loader), lampas.rand(1).item()))
    assert results[0] == results[1]


def test_nested_subsets_are_gathered():
    subset = data.Subset(data.Subset(table(), [3, -1, 7, 8]), [2, 0, -1])
    assert values(data.DataLoader(subset, batch_size=2))[0][1] == [7, 3]


def test_batches_do_not_alias_the_dataset():
    source = table(4)
    for x, _ in data.DataLoader(source, batch_size=2):
        x.zero_()
    assert source.tensors[0].sum().item() == sum(range(8))


def test_shuffle_is_a_permutation_and_changes():
    loader = data.DataLoader(table(100), batch_size=7, shuffle=True)
    orders = [[i for _, y in loader for i in y.tolist()] for _ in range(2)]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(100)) and orders[0] != orders[1]


def test_lengths():
    assert len(data.DataLoader(table(), batch_size=4)) == 7
    assert len(data.DataLoader(table(), batch_size=4, drop_last=True)) == 6
    assert len(data.DataLoader(table(), batch_sampler=[[0], [1, 2]])) == 2


def test_no_batches():
    assert list(data.DataLoader(Rows(3), batch_size=None)) == [0, 1, 2]
    assert [b.tolist() for b in data.DataLoader(Rows(3), batch_sampler=[[2, 0], [1]])] == [[2, 0], [1]]


def test_collate_fn():
    assert list(data.DataLoader(Rows(3), batch_size=2, collate_fn=tuple)) == [(0, 1), (2,)]


@pytest.mark.parametrize("workers", [0, 1, 2, 3])
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_stream(workers):
    loader = data.DataLoader(Stream(20), batch_size=3, num_workers=workers)
    assert sorted(i for b in loader for i in b.tolist()) == list(range(20))


def test_stream_longer_than_it_says():
    class Long(Stream):
        def __len__(self):
            return 1

    loader = data.DataLoader(Long(3), batch_size=1)
    assert len(loader) == 1
    with pytest.warns(UserWarning, match="reported to be 1"):
        list(loader)


@pytest.mark.parametrize("persistent", [False, True])
def test_workers_keep_the_order(persistent):
    loader = data.DataLoader(Rows(23), batch_size=2, num_workers=2, persistent_workers=persistent, prefetch_factor=3)
    for _ in range(3):
        assert [i for b in loader for i in b.tolist()] == list(range(23))


def test_persistent_workers_stay_after_an_unfinished_epoch():
    loader = data.DataLoader(Rows(20, lambda i: (i, os.getpid())), batch_size=2, num_workers=2, persistent_workers=True)
    first = next(iter(loader))[1].tolist()
    again = list(loader)
    assert [i for b in again for i in b[0].tolist()] == list(range(20)) and again[0][1].tolist() == first


def test_any_order():
    loader = data.DataLoader(
        Rows(20, lambda i: time.sleep(0.02 * (i % 4 < 2)) or i), batch_size=2, num_workers=2, in_order=False
    )
    assert sorted(i for b in loader for i in b.tolist()) == list(range(20))


def test_large_and_small_messages():
    def make(i):
        return {
            "big": lampas.full((70, 70), float(i)),
            "empty": lampas.zeros(0, 3),
            "bf16": lampas.full((3,), float(i)).to(lampas.bfloat16),
            "bool": lampas.tensor([True, False]),
            "array": np.full((50, 50), i),
            "text": "x" * i,
        }

    for i, b in enumerate(data.DataLoader(Rows(6, make), batch_size=None, num_workers=2)):
        assert b["big"].sum().item() == 4900 * i and b["empty"].shape == (0, 3) and b["text"] == "x" * i
        assert b["bf16"].dtype == lampas.bfloat16 and b["bf16"][0].item() == i
        assert b["bool"].tolist() == [True, False] and b["array"].sum().item() == 2500 * i
        b["big"].add_(1)  # the memory is this process's own to write


def test_many_batches_held_at_once():
    batches = list(data.DataLoader(Rows(400, lambda i: lampas.full((5000,), float(i))), num_workers=2))
    assert [int(b[0, 0].item()) for b in batches] == list(range(400))
    if os.path.isdir("/proc/self/fd"):
        assert len(os.listdir("/proc/self/fd")) < 350


def test_worker_info_threads_and_init():
    def make(i):
        info = data.get_worker_info()
        return info.id, info.num_workers, info.dataset.n, info.seed, info.dataset.extra, lampas.get_num_threads()

    def init(worker):
        data.get_worker_info().dataset.extra = worker * 10

    lampas.manual_seed(1)
    loader = data.DataLoader(Rows(4, make), batch_size=None, num_workers=2, worker_init_fn=init)
    samples = list(loader)
    assert [s[:3] for s in samples] == [[0, 2, 4], [1, 2, 4]] * 2 and [s[4] for s in samples] == [0, 10, 0, 10]
    assert samples[1][3] == samples[0][3] + 1 and {s[5] for s in samples} == {1}
    assert data.get_worker_info() is None


def test_workers_draw_different_numbers():
    def make(i):
        return lampas.rand(()).item(), random.random(), np.random.rand()

    runs = []
    for _ in range(2):
        lampas.manual_seed(3)
        runs.append(list(data.DataLoader(Rows(2, make), batch_size=None, num_workers=2)))
    assert runs[0] == runs[1]
    assert all(a != b for a, b in zip(*runs[0], strict=True))


def test_heavy_ops_in_workers_do_not_hang():
    big = lampas.ones(1_000_000)
    assert big.sum().item() == 1_000_000  # the thread pool exists before the fork
    loader = data.DataLoader(Rows(4, lambda i: (big * i).sum()), batch_size=None, num_workers=2, timeout=60)
    assert [x.item() for x in loader] == [0, 1e6, 2e6, 3e6]


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
@pytest.mark.slow
def test_other_start_methods(method):
    loader = data.DataLoader(table(10), batch_size=4, num_workers=1, multiprocessing_context=method)
    assert [y.tolist() for _, y in loader] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


# -- failures ----------------------------------------------------------------------------------------------------------


def failing(error):
    def make(i):
        if i == 5:
            raise error
        return i

    return data.DataLoader(Rows(12, make), batch_size=2, num_workers=2)


class TwoArguments(Exception):
    def __init__(self, a, b):
        super().__init__(a, b)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError("no such sample"), ValueError),
        (KeyError("no such sample"), KeyError),
        (TwoArguments("no such sample", 2), RuntimeError),
        (StopIteration("no such sample"), RuntimeError),
    ],
)
def test_exception_arrives_with_its_traceback(error, kind):
    seen = []
    with pytest.raises(kind) as caught:
        for batch in failing(error):
            seen += batch.tolist()
    text = str(caught.value)
    assert seen == [0, 1, 2, 3]
    assert text.startswith(f"Caught {type(error).__name__} in DataLoader worker process 0.\nOriginal Traceback")
    assert "in make" in text and "no such sample" in text and "\\n" not in text


def test_exception_in_init_and_in_pickling():
    def init(worker):
        raise ValueError("cannot begin")

    with pytest.raises(ValueError, match="cannot begin"):
        list(data.DataLoader(Rows(4), num_workers=1, worker_init_fn=init))
    with pytest.raises((AttributeError, RuntimeError, TypeError), match="pickle"):
        list(data.DataLoader(Rows(4, lambda i: lambda: i), num_workers=1, collate_fn=list))


def test_tensor_of_a_graph_cannot_be_sent():
    weight = lampas.ones(2).requires_grad_()
    with pytest.raises(RuntimeError, match=r"send tensor.detach\(\)"):
        list(data.DataLoader(Rows(2, lambda i: weight * i), batch_size=None, num_workers=1))


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize(
    ("die", "message"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), r"\(pid \d+\) was killed by signal SIGKILL; out of memory"),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), r"was killed by signal SIGTERM"),
        (lambda: os._exit(3), r"exited unexpectedly with code 3"),
    ],
)
def test_dead_worker_is_reported_at_once(die, message, in_order):
    loader = data.DataLoader(Rows(40, lambda i: die() if i == 9 else i), batch_size=2, num_workers=2, in_order=in_order)
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=message):
        list(loader)
    assert time.monotonic() - start < 4


def test_persistent_loader_recovers_from_a_death():
    flag = lampas.zeros(1)

    def make(i):
        if flag.item() == 0 and i == 3:
            os._exit(1)
        return i

    loader = data.DataLoader(Rows(6, make), num_workers=1, persistent_workers=True)
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        list(loader)
    flag.fill_(1)
    assert len(list(loader)) == 6


def test_timeout():
    loader = data.DataLoader(Rows(2, lambda i: time.sleep(2)), num_workers=1, timeout=0.2)
    with pytest.raises(RuntimeError, match=r"timed out after 0\.2 seconds"):
        list(loader)


def script(body):
    return [sys.executable, "-c", textwrap.dedent(body)]


SLOW_LOADER = """
    import time, lampas
    from lampas.utils import data
    class Slow(data.Dataset):
        def __len__(self): return 1000
        def __getitem__(self, i):
            time.sleep(0.02)
            return i
    loader = data.DataLoader(Slow(), batch_size=2, num_workers=2)
"""


@pytest.mark.slow
def test_interpreter_ends_with_a_live_iterator():
    body = SLOW_LOADER + "    it = iter(loader); next(it); print('end')\n"
    done = subprocess.run(script(body), capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and done.stdout == "end\n" and done.stderr == ""


@pytest.mark.slow
def test_ctrl_c_ends_everything():
    body = SLOW_LOADER + "    for i, _ in enumerate(loader): print(i, flush=True)\n"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(script(body), start_new_session=True, **pipes) as process:
        assert process.stdout.readline() == "0\n"
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    # One traceback, the loader's: workers end without a word.
    assert errors.count("KeyboardInterrupt") == 1 and errors.count("Traceback") == 1
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_workers": -1}, "num_workers should be non-negative, got -1"),
        ({"timeout": -1}, "timeout should be non-negative"),
        ({"prefetch_factor": 2}, "prefetch_factor is for worker processes"),
        ({"prefetch_factor": 0, "num_workers": 1}, "prefetch_factor should be positive"),
        ({"persistent_workers": True}, "needs num_workers > 0"),
        ({"sampler": [0], "shuffle": True}, "mutually exclusive with shuffle"),
        ({"batch_sampler": [[0]], "batch_size": 2}, "mutually exclusive with batch_size"),
        ({"batch_size": None, "drop_last": True}, "mutually exclusive with drop_last"),
        ({"batch_size": 0}, "batch_size should be a positive integer"),
        ({"multiprocessing_context": "fork"}, "set num_workers > 0"),
        ({"multiprocessing_context": "thread", "num_workers": 1}, "should be one of"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        data.DataLoader(table(), **options)


def test_bad_options_of_streams_and_attributes():
    for name, value in [("shuffle", True), ("sampler", [0]), ("batch_sampler", [[0]])]:
        with pytest.raises(ValueError, match=f"IterableDataset.*{name}"):
            data.DataLoader(Stream(3), **{name: value})
    loader = data.DataLoader(table())
    with pytest.raises(ValueError, match="batch_size attribute should not be set"):
        loader.batch_size = 3
    with pytest.raises(NotImplementedError, match="cannot be pickled"):
        import pickle

        pickle.dumps(iter(loader))
    with pytest.raises(TypeError, match="start method or a context"):
        data.DataLoader(table(), num_workers=1, multiprocessing_context=1)


def test_warnings():
    with pytest.warns(UserWarning, match="worker processes on"):
        data.DataLoader(table(), num_workers=1000)
    with pytest.warns(UserWarning, match="no accelerator"):
        list(data.DataLoader(table(), pin_memory=True))
