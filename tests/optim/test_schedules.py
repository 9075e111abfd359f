"""Learning-rate schedules against their closed forms."""

import math
import warnings

import pytest

import lampas
from lampas import optim
from lampas.optim import lr_scheduler as lrs


def optimizer(cls=optim.SGD, **options):
    return cls([lampas.ones(1).requires_grad_()], **({"lr": 1.0} | options))


def curve(make, steps=12, **options):
    opt = optimizer(**options)
    scheduler, rates = make(opt), []
    for _ in range(steps):
        rates.append(opt.param_groups[0]["lr"])
        assert scheduler.get_last_lr() == [rates[-1]]
        opt.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize(
    ("make", "form"),
    [
        (lambda o: lrs.StepLR(o, 3, 0.5), lambda e: 0.5 ** (e // 3)),
        (lambda o: lrs.MultiStepLR(o, [2, 2, 7], 0.5), lambda e: 0.5 ** (2 * (e >= 2) + (e >= 7))),
        (lambda o: lrs.LambdaLR(o, lambda e: 1 / (1 + e)), lambda e: 1 / (1 + e)),
        (lambda o: lrs.MultiplicativeLR(o, lambda e: 0.9), lambda e: 0.9**e),
        (lambda o: lrs.ExponentialLR(o, 0.9), lambda e: 0.9**e),
        (lambda o: lrs.ConstantLR(o, 0.25, 4), lambda e: 0.25 if e < 4 else 1),
        (lambda o: lrs.LinearLR(o, 0.2, 0.8, 6), lambda e: 0.2 + 0.6 * min(e, 6) / 6),
        (lambda o: lrs.PolynomialLR(o, 8, 2.0), lambda e: (1 - min(e, 8) / 8) ** 2),
        (lambda o: lrs.CosineAnnealingLR(o, 5, 0.1), lambda e: 0.1 + 0.9 * (1 + math.cos(math.pi * e / 5)) / 2),
        (
            lambda o: lrs.CosineAnnealingWarmRestarts(o, 4),
            lambda e: (1 + math.cos(math.pi * (e % 4) / 4)) / 2,
        ),
        (
            lambda o: lrs.CyclicLR(o, 0.1, 0.5, 2, cycle_momentum=False),
            lambda e: 0.1 + 0.4 * (1 - abs(e % 4 - 2) / 2),
        ),
        (
            lambda o: lrs.SequentialLR(o, [lrs.ConstantLR(o, 0.5, 99), lrs.ExponentialLR(o, 0.9)], [4]),
            lambda e: 0.5 if e < 4 else 0.9 ** (e - 4),
        ),
        (
            lambda o: lrs.ChainedScheduler([lrs.ConstantLR(o, 0.5, 4), lrs.ExponentialLR(o, 0.9)]),
            lambda e: (0.5 if e < 4 else 1) * 0.9**e,
        ),
    ],
)
def test_closed_form(make, form):
    assert curve(make) == pytest.approx([form(e) for e in range(12)], rel=1e-9, abs=1e-12)


def test_one_cycle():
    opt = optimizer(momentum=0.9)
    scheduler = lrs.OneCycleLR(opt, max_lr=1.0, total_steps=11, pct_start=0.5, div_factor=10, final_div_factor=10)
    rates, momenta = [], []
    for i in range(11):
        rates.append(opt.param_groups[0]["lr"])
        momenta.append(opt.param_groups[0]["momentum"])
        opt.step()
        if i < 10:
            scheduler.step()
    top = max(rates)
    assert rates[0] == pytest.approx(0.1) and rates[-1] == pytest.approx(0.01)
    assert top == pytest.approx(1.0, rel=0.03) and 3 < rates.index(top) < 6
    assert momenta[0] == pytest.approx(0.95) and min(momenta) == pytest.approx(0.85, rel=0.03)


def test_cycle_of_betas():
    opt = optimizer(optim.Adam, lr=0.1)
    lrs.CyclicLR(opt, 0.1, 0.5, 2)
    assert opt.param_groups[0]["betas"] == (0.9, 0.999)


def test_plateau():
    opt = optimizer()
    scheduler = lrs.ReduceLROnPlateau(opt, factor=0.5, patience=1, cooldown=1)
    rates = []
    for metric in [1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.1]:
        opt.step()
        scheduler.step(metric)
        rates.append(opt.param_groups[0]["lr"])
    assert rates == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25]


def test_resume():
    opt = optimizer()
    scheduler = lrs.CosineAnnealingLR(opt, 10)
    for _ in range(4):
        opt.step()
        scheduler.step()
    state, saved = scheduler.state_dict(), opt.state_dict()
    other = optimizer()
    again = lrs.CosineAnnealingLR(other, 10)
    other.load_state_dict(saved)
    again.load_state_dict(state)
    for o, s in ((opt, scheduler), (other, again)):
        o.step()
        s.step()
    assert other.param_groups[0]["lr"] == opt.param_groups[0]["lr"] and again.last_epoch == 5
    third = optimizer()
    third.load_state_dict(saved)
    resumed = lrs.CosineAnnealingLR(third, 10, last_epoch=4)
    third.step()
    resumed.step()
    assert resumed.last_epoch == 6 and resumed.base_lrs == [1.0]


def test_lambda_objects_are_saved():
    class Decay:
        def __init__(self, rate):
            self.rate = rate

        def __call__(self, epoch):
            return self.rate**epoch

    scheduler = lrs.LambdaLR(optimizer(), Decay(0.5))
    other = lrs.LambdaLR(optimizer(), Decay(0.9))
    other.load_state_dict(scheduler.state_dict())
    assert other.lr_lambdas[0].rate == 0.5


def test_tensor_rate_is_changed_in_place():
    lr = lampas.tensor(1.0)
    opt = optimizer(lr=lr)
    scheduler = lrs.StepLR(opt, 1, 0.5)
    opt.step()
    scheduler.step()
    assert opt.param_groups[0]["lr"] is lr and lr.item() == 0.5


def test_order_of_calls_warns():
    opt = optimizer()
    scheduler = lrs.StepLR(opt, 1)
    with pytest.warns(UserWarning, match="called before `optimizer.step"):
        scheduler.step()
    opt = optimizer()
    scheduler = lrs.StepLR(opt, 1)
    opt.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheduler.step()
    opt.step = lambda: None
    scheduler = lrs.StepLR(optimizer(), 1)
    scheduler.optimizer.step = lambda: None
    with pytest.warns(UserWarning, match="was replaced"):
        scheduler.step()


def test_other_warnings():
    opt = optimizer()
    scheduler = lrs.StepLR(opt, 2)
    opt.step()
    with pytest.warns(UserWarning, match="get_last_lr"):
        scheduler.get_lr()
    with pytest.warns(UserWarning, match="epoch argument"):
        scheduler.step(4)
    assert scheduler.get_last_lr() == pytest.approx([0.01])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda o: lrs.StepLR(1, 1), TypeError, "int is not an Optimizer"),
        (lambda o: lrs.StepLR(o, 1, last_epoch=3), KeyError, "initial_lr"),
        (lambda o: lrs.LambdaLR(o, [abs, abs]), ValueError, "Expected 1 lr_lambdas"),
        (lambda o: lrs.MultiplicativeLR(o, 1), TypeError, "should be a function, but got int"),
        (lambda o: lrs.ConstantLR(o, 2.0), ValueError, "between 0 and 1, but got 2.0"),
        (lambda o: lrs.LinearLR(o, 0.0), ValueError, "start_factor"),
        (lambda o: lrs.LinearLR(o, 0.5, 2.0), ValueError, "end_factor"),
        (lambda o: lrs.CosineAnnealingWarmRestarts(o, 0), ValueError, "positive integer T_0"),
        (lambda o: lrs.CyclicLR(o, 0.1, 1.0, mode="square"), ValueError, "mode is invalid"),
        (lambda o: lrs.CyclicLR(o, [0.1, 0.2], 1.0), ValueError, "base_lr has 2 values"),
        (lambda o: lrs.OneCycleLR(o, 1.0), ValueError, "total_steps OR"),
        (lambda o: lrs.OneCycleLR(o, 1.0, 10, pct_start=2.0), ValueError, "pct_start"),
        (lambda o: lrs.OneCycleLR(o, 1.0, 10, anneal_strategy="x"), ValueError, "anneal_strategy"),
        (lambda o: lrs.ReduceLROnPlateau(o, factor=1.0), ValueError, "Factor should be < 1.0"),
        (lambda o: lrs.ReduceLROnPlateau(o, mode="best"), ValueError, "mode best is unknown"),
        (lambda o: lrs.SequentialLR(o, [], []), ValueError, "got none"),
        (lambda o: lrs.SequentialLR(o, [lrs.StepLR(o, 1)], [1]), ValueError, "one milestone less"),
        (
            lambda o: lrs.ChainedScheduler([lrs.ReduceLROnPlateau(o)]),
            ValueError,
            "does not support `ReduceLROnPlateau`",
        ),
        (lambda o: lrs.SequentialLR(optimizer(), [lrs.StepLR(o, 1)], []), ValueError, "one optimizer"),
        (lambda o: lrs.CyclicLR(optimizer(optim.Adagrad), 0.1, 1.0), ValueError, "neither momentum nor betas"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make(optimizer())


def test_too_many_steps():
    opt = optimizer(momentum=0.9)
    scheduler = lrs.OneCycleLR(opt, 1.0, 2)
    opt.step()
    scheduler.step()
    scheduler.step()
    with pytest.raises(ValueError, match="Tried to step 3 times"):
        scheduler.step()


def test_state_of_functions_comes_last():
    optimizer = lampas.optim.SGD([lampas.zeros(1, requires_grad=True)], lr=0.1)
    state = lampas.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1.0).state_dict()
    assert next(iter(state)) == "base_lrs" and list(state)[-1] == "lr_lambdas" and state["lr_lambdas"] == [None]
