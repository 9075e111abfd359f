"""The number of threads, results that do not depend on it, and forked processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import lampas


@pytest.fixture(autouse=True)
def restore():
    before = lampas.get_num_threads()
    yield
    lampas.set_num_threads(before)


def child(code, **environment):
    """Runs code in a fresh interpreter; what it printed as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_set_and_get():
    for n in (1, 2, 3):
        lampas.set_num_threads(n)
        assert lampas.get_num_threads() == n


@pytest.mark.parametrize("bad", [0, -1, -100])
def test_not_positive(bad):
    before = lampas.get_num_threads()
    with pytest.raises(RuntimeError, match=str(bad)):
        lampas.set_num_threads(bad)
    assert lampas.get_num_threads() == before


@pytest.mark.parametrize("bad", ["two", 1.5, None])
def test_no_number(bad):
    with pytest.raises(TypeError, match=type(bad).__name__):
        lampas.set_num_threads(bad)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_environment(n):
    assert child("import lampas; print(lampas.get_num_threads())", OMP_NUM_THREADS=str(n)) == n


def test_environment_gives_the_same_numbers():
    code = """
import json, lampas
lampas.manual_seed(0)
x = lampas.randn(300, 400)
print(json.dumps([float((x @ x.t()).double().sum()), float(x.softmax(1).double().std()), x[7, :5].tolist()]))
"""
    one, two = (child(code, OMP_NUM_THREADS=n) for n in "12")
    np.testing.assert_allclose(one[0], two[0], rtol=1e-5)
    np.testing.assert_allclose(one[1], two[1], rtol=1e-5)
    assert one[2] == two[2], "random numbers do not depend on the number of threads"


RNG = np.random.default_rng(0)
IMAGE = RNG.standard_normal((4, 16, 40, 40)).astype("float32")
WEIGHT = RNG.standard_normal((32, 16, 3, 3)).astype("float32")
MATRIX = RNG.standard_normal((300, 700)).astype("float32")
LONG = RNG.standard_normal(1_000_003).astype("float32")
PLACES = RNG.integers(0, 300, 5000)

JOBS = {
    "add": lambda t: t(LONG) + t(LONG) * 2,
    "exp": lambda t: t(LONG).exp(),
    "sum": lambda t: t(LONG).sum(),
    "sum of rows": lambda t: t(MATRIX).sum(0),
    "var": lambda t: t(LONG).var(),
    "max": lambda t: t(MATRIX).max(1).values,
    "argmax": lambda t: t(LONG).argmax(),
    "cumsum": lambda t: t(MATRIX).cumsum(1),
    "softmax": lambda t: t(MATRIX).softmax(0),
    "matmul": lambda t: t(MATRIX) @ t(MATRIX).t(),
    "matmul f64": lambda t: t(MATRIX).double() @ t(MATRIX).t().double(),
    "conv2d": lambda t: lampas.nn.functional.conv2d(t(IMAGE), t(WEIGHT), padding=1),
    "max_pool2d": lambda t: lampas.nn.functional.max_pool2d(t(IMAGE), 2),
    "batch_norm": lambda t: lampas.nn.functional.batch_norm(t(IMAGE), None, None, training=True),
    "layer_norm": lambda t: lampas.nn.functional.layer_norm(t(MATRIX), (700,)),
    "gelu": lambda t: lampas.nn.functional.gelu(t(LONG)),
    "sort": lambda t: t(MATRIX).sort(1).values,
    "transposed copy": lambda t: t(MATRIX).t().contiguous(),
    "gather": lambda t: t(MATRIX)[lampas.from_numpy(PLACES)],
    "index_add": lambda t: lampas.zeros(300, 700).index_add(0, lampas.from_numpy(PLACES % 300)[:300], t(MATRIX)),
    "to int": lambda t: (t(LONG) * 100).long(),
}


@pytest.mark.parametrize("name", JOBS)
def test_results_do_not_depend_on_the_thread_count(name):
    results = []
    for n in (1, 2, 5):
        lampas.set_num_threads(n)
        results.append(JOBS[name](lampas.from_numpy).numpy())
    for other in results[1:]:
        np.testing.assert_allclose(other, results[0], rtol=2e-5, atol=2e-5)


def test_gradients_do_not_depend_on_the_thread_count():
    gradients = []
    for n in (1, 2):
        lampas.set_num_threads(n)
        x = lampas.from_numpy(IMAGE).clone().requires_grad_()
        w = lampas.from_numpy(WEIGHT).clone().requires_grad_()
        y = lampas.nn.functional.conv2d(x, w).relu()
        (y.mean((2, 3)).softmax(1) ** 2).sum().backward()
        gradients.append((x.grad.numpy(), w.grad.numpy()))
    for a, b in zip(*gradients):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def run_in_fork(job, seconds=60):
    """The exit status of a forked child that runs job(); fails if it hangs."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = 0 if job() else 2
        finally:
            os._exit(code)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    pytest.fail("the forked child hangs")


def big_work():
    lampas.set_num_threads(lampas.get_num_threads())
    return {name: job(lampas.from_numpy).numpy().astype("float64").sum() for name, job in JOBS.items()}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_fork_after_threads_were_used():
    lampas.set_num_threads(2)
    expected = big_work()

    def job():
        again = big_work()
        return all(np.allclose(again[k], expected[k], rtol=1e-3, atol=1e-2) for k in expected)

    assert run_in_fork(job) == 0
    # and the parent goes on
    assert big_work().keys() == expected.keys()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_training_in_a_forked_child():
    lampas.set_num_threads(2)
    model = lampas.nn.Sequential(
        lampas.nn.Conv2d(16, 8, 3), lampas.nn.ReLU(), lampas.nn.Flatten(), lampas.nn.Linear(8 * 38 * 38, 4)
    )
    optimizer = lampas.optim.SGD(model.parameters(), lr=1e-4)

    def step():
        loss = (model(lampas.from_numpy(IMAGE)) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    first = step()

    def job():
        return step() < first

    assert run_in_fork(job) == 0
    assert step() < first


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs os.fork and /proc")
def test_child_of_a_child_and_threads_in_a_child():
    lampas.set_num_threads(2)
    x = lampas.ones(600, 600)
    expected = float((x @ x).sum())

    def in_thread():
        found = []
        thread = threading.Thread(target=lambda: found.append(float((x @ x).sum())))
        thread.start()
        thread.join(30)
        while len(os.listdir("/proc/self/task")) > 1:
            # join() returns before the thread has freed what it had, and AddressSanitizer's allocator, unlike libc's,
            # stays locked in a child that is forked meanwhile.
            time.sleep(0.001)
        return found == [expected]

    assert run_in_fork(lambda: in_thread() and run_in_fork(in_thread) == 0) == 0


def test_many_python_threads_at_once():
    """Kernels let other threads run; none may see another's memory."""
    wrong = []

    def job(seed):
        x = lampas.full((400, 400), float(seed))
        for _ in range(15):
            y = (x + 1) * 2 - 2
            if not bool((y == 2 * seed).all()):
                wrong.append(seed)
            if not bool((y @ lampas.eye(400) == y).all()):
                wrong.append(-seed)

    threads = [threading.Thread(target=job, args=(i,)) for i in range(1, 5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_modes_belong_to_a_thread():
    seen = {}

    def job():
        seen["before"] = lampas.is_grad_enabled()
        with lampas.enable_grad():
            seen["inside"] = lampas.is_grad_enabled()

    with lampas.no_grad():
        thread = threading.Thread(target=job)
        thread.start()
        thread.join()
        assert not lampas.is_grad_enabled()
    assert seen == {"before": True, "inside": True}
    assert lampas.is_grad_enabled()
