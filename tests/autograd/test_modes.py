"""Recording on and off, inference mode, anomaly mode: context managers and decorators."""

import threading

import pytest

import lampas
from lampas.autograd import anomaly_mode


def recording():
    return lampas.is_grad_enabled()


def test_blocks_nest():
    assert recording()
    with lampas.no_grad():
        assert not recording()
        with lampas.enable_grad():
            assert recording()
            with lampas.set_grad_enabled(False):
                assert not recording()
            assert recording()
        assert not recording()
    assert recording()


def test_an_error_restores():
    with pytest.raises(KeyError), lampas.no_grad():
        raise KeyError
    assert recording()


def test_result_has_no_history():
    x = lampas.ones(1, requires_grad=True)
    with lampas.no_grad():
        y = x * 2
    assert not y.requires_grad and y.grad_fn is None and (x * 2).requires_grad


@pytest.mark.parametrize("make", [lampas.no_grad, lambda: lampas.no_grad, lambda: lampas.set_grad_enabled(False)])
def test_decorator(make):
    @make()
    def inside(a, *, b):
        """What it does."""
        return recording(), a + b

    assert inside(1, b=2) == (False, 3) and recording()
    assert inside.__name__ == "inside" and inside.__doc__ == "What it does."


def test_recursion():
    @lampas.no_grad()
    def down(n):
        assert not recording()
        if n:
            down(n - 1)
        assert not recording()

    down(3)
    assert recording()


def test_generator():
    @lampas.no_grad()
    def count():
        heard = []
        for i in range(3):
            assert not recording()
            try:
                heard.append((yield i))
            except ValueError:
                heard.append("error")
        return heard

    steps = count()
    assert next(steps) == 0 and recording()
    assert steps.send("a") == 1 and recording()
    assert steps.throw(ValueError()) == 2 and recording()
    with pytest.raises(StopIteration) as stop:
        steps.send("c")
    assert stop.value.value == ["a", "error", "c"]
    closed = []

    @lampas.no_grad()
    def endless():
        try:
            while True:
                yield
        finally:
            closed.append(recording())

    steps = endless()
    next(steps)
    steps.close()
    assert closed == [False] and recording()


def test_classes_are_refused():
    with pytest.raises(TypeError, match="decorate its methods"):
        lampas.no_grad()(type("Model", (), {}))


def test_set_grad_enabled_acts_at_once():
    try:
        lampas.set_grad_enabled(False)
        assert not recording()
    finally:
        lampas.set_grad_enabled(True)
    assert repr(lampas.set_grad_enabled(True)) == "set_grad_enabled(mode=True)"


def test_threads_are_apart():
    seen = []
    with lampas.no_grad():
        thread = threading.Thread(target=lambda: seen.append(recording()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_inference_mode():
    with lampas.inference_mode():
        assert lampas.is_inference_mode_enabled() and not recording()
        with lampas.inference_mode(False):
            assert not lampas.is_inference_mode_enabled() and recording()
        assert lampas.is_inference_mode_enabled() and not recording()
        x = lampas.ones(2) * 2
    assert not lampas.is_inference_mode_enabled() and recording()
    assert x.is_inference() and not lampas.ones(2).is_inference()

    @lampas.inference_mode
    def plain():
        return lampas.is_inference_mode_enabled()

    @lampas.inference_mode()
    def called():
        return lampas.is_inference_mode_enabled()

    assert plain() and called() and not lampas.is_inference_mode_enabled()


def test_anomaly_mode_switches():
    assert not anomaly_mode.is_anomaly_enabled()
    with lampas.autograd.detect_anomaly():
        assert anomaly_mode.is_anomaly_enabled() and anomaly_mode.is_anomaly_check_nan_enabled()
        with lampas.autograd.set_detect_anomaly(True, check_nan=False):
            assert anomaly_mode.is_anomaly_enabled() and not anomaly_mode.is_anomaly_check_nan_enabled()
        assert anomaly_mode.is_anomaly_check_nan_enabled()
    assert not anomaly_mode.is_anomaly_enabled()


def test_anomaly_mode_finds_nan():
    x = lampas.zeros(1, requires_grad=True)
    with (
        lampas.autograd.detect_anomaly(),
        pytest.warns(UserWarning, match=r"(?s)SqrtBackward0.*test_modes\.py"),
        pytest.raises(RuntimeError, match="nan"),
    ):
        (lampas.sqrt(x) * 0).sum().backward()
