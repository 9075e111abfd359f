"""Schedules whose state changes libraries half-way, jumps to epochs, what is warned of and what is refused."""

import copy
import warnings

import pytest

import lampas

torch = pytest.importorskip("torch")

STEPS = 50
SCHEDULES = {
    "StepLR": lambda m, o: m.StepLR(o, 7, 0.5),
    "MultiStepLR": lambda m, o: m.MultiStepLR(o, [3, 3, 20], 0.5),
    "LambdaLR": lambda m, o: m.LambdaLR(o, lambda e: 0.9**e),
    "MultiplicativeLR": lambda m, o: m.MultiplicativeLR(o, lambda e: 0.95),
    "ConstantLR": lambda m, o: m.ConstantLR(o, 0.3, 30),
    "LinearLR": lambda m, o: m.LinearLR(o, 0.1, 0.9, 40),
    "ExponentialLR": lambda m, o: m.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda m, o: m.PolynomialLR(o, 45, 2.0),
    "CosineAnnealingLR": lambda m, o: m.CosineAnnealingLR(o, 9, 0.01),
    "CosineAnnealingWarmRestarts": lambda m, o: m.CosineAnnealingWarmRestarts(o, 4, 2, 0.01),
    "CyclicLR": lambda m, o: m.CyclicLR(o, 0.01, 0.2, 5, 7, mode="triangular2"),
    "OneCycleLR": lambda m, o: m.OneCycleLR(o, 0.3, 60, base_momentum=0.8, max_momentum=0.95),
    "OneCycleLR in three": lambda m, o: m.OneCycleLR(o, 0.3, 60, three_phase=True),
    "SequentialLR": lambda m, o: m.SequentialLR(
        o, [m.LinearLR(o, 0.1), m.CosineAnnealingLR(o, 20), m.ExponentialLR(o, 0.9)], [5, 30]
    ),
    "ChainedScheduler": lambda m, o: m.ChainedScheduler([m.ConstantLR(o, 0.1, 4), m.ExponentialLR(o, 0.9)]),
}


def optimizer_of(library, cls="SGD", **options):
    params = [library.zeros(3).requires_grad_(), library.zeros(2).requires_grad_()]
    options = options or ({"lr": 0.1, "momentum": 0.9} if cls == "SGD" else {"lr": 0.1})
    return getattr(library.optim, cls)([{"params": [params[0]]}, {"params": [params[1]], "lr": 0.5}], **options)


def go(optimizer, scheduler, steps, *args):
    seen = []
    for k in range(steps):
        optimizer.step()
        scheduler.step(*(a(k) for a in args))
        for group, last in zip(optimizer.param_groups, scheduler.get_last_lr(), strict=True):
            seen += [group["lr"], last, group.get("momentum", 0), *group.get("betas", ())]
    return seen


@pytest.mark.filterwarnings("ignore:.*epoch parameter in `scheduler.step:UserWarning")
@pytest.mark.parametrize("cls", ["SGD", "Adam"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_fifty_steps(name, cls):
    curves = []
    for library in (lampas, torch):
        optimizer = optimizer_of(library, cls)
        curves.append(go(optimizer, SCHEDULES[name](library.optim.lr_scheduler, optimizer), STEPS))
    assert curves[0] == pytest.approx(curves[1], rel=1e-12, abs=1e-15)


@pytest.mark.filterwarnings("ignore:.*epoch parameter in `scheduler.step:UserWarning")
@pytest.mark.parametrize("first", ["here", "there"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_half_here_half_there(name, first):
    one, two = (lampas, torch) if first == "here" else (torch, lampas)
    optimizer = optimizer_of(torch)
    whole = go(optimizer, SCHEDULES[name](torch.optim.lr_scheduler, optimizer), STEPS)

    optimizer = optimizer_of(one)
    scheduler = SCHEDULES[name](one.optim.lr_scheduler, optimizer)
    seen = go(optimizer, scheduler, STEPS // 2)
    states = copy.deepcopy((optimizer.state_dict(), scheduler.state_dict()))
    optimizer = optimizer_of(two)
    scheduler = SCHEDULES[name](two.optim.lr_scheduler, optimizer)
    assert set(scheduler.state_dict()) == set(states[1])
    optimizer.load_state_dict(states[0])
    scheduler.load_state_dict(states[1])
    seen += go(optimizer, scheduler, STEPS - STEPS // 2)
    assert seen == pytest.approx(whole, rel=1e-12, abs=1e-15)


def test_plateau_half_here_half_there():
    def metric(k):
        return 1 / (1 + k) if k < 20 else 0.2

    curves = []
    for libraries in ((torch, torch), (lampas, torch), (torch, lampas)):
        seen, state = [], None
        for part, library in enumerate(libraries):
            optimizer = optimizer_of(library)
            scheduler = library.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=3, cooldown=1, min_lr=1e-4)
            if state is not None:
                optimizer.load_state_dict(state[0])
                scheduler.load_state_dict(state[1])
            seen += go(optimizer, scheduler, 25, lambda k, part=part: metric(25 * part + k))
            state = copy.deepcopy((optimizer.state_dict(), scheduler.state_dict()))
        curves.append(seen)
    assert curves[1] == pytest.approx(curves[0], rel=1e-12)
    assert curves[2] == pytest.approx(curves[0], rel=1e-12)


@pytest.mark.parametrize("multiple", [1, 2])
def test_fractions_of_an_epoch(multiple):
    curves = []
    for library in (lampas, torch):
        optimizer = optimizer_of(library)
        scheduler = library.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 3, multiple, 0.01)
        curves.append(go(optimizer, scheduler, STEPS, lambda k: k / 4))
    assert curves[0] == pytest.approx(curves[1], rel=1e-12, abs=1e-15)


def warned_by(library, story):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = story(library, library.optim.lr_scheduler)
        except Exception as error:
            result = type(error).__name__
    return result, [w.category.__name__ for w in caught]


def jump(name):
    def story(library, m):
        optimizer = optimizer_of(library)
        scheduler = SCHEDULES[name](m, optimizer)
        optimizer.step()
        scheduler.step(12)
        return [round(lr, 10) for lr in scheduler.get_last_lr()]

    return story


def before_the_optimizer(library, m):
    optimizer = optimizer_of(library)
    scheduler = m.StepLR(optimizer, 1)
    scheduler.step()
    scheduler.step()


def without_the_check(library, m):
    optimizer = optimizer_of(library)
    scheduler = m.StepLR(optimizer, 1)
    optimizer.step = lambda: None
    optimizer.step()
    scheduler.step()


def outside_of_step(library, m):
    optimizer = optimizer_of(library)
    return [round(lr, 10) for lr in m.ExponentialLR(optimizer, 0.5).get_lr()]


def resumed(library, m):
    return m.StepLR(optimizer_of(library), 1, last_epoch=3)


def resumed_with_rates(library, m):
    optimizer = optimizer_of(library)
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    return [round(lr, 10) for lr in m.StepLR(optimizer, 2, last_epoch=3).get_last_lr()]


STORIES = {
    **{f"{name} jumps": jump(name) for name in SCHEDULES if name not in ("SequentialLR", "ChainedScheduler")},
    "SequentialLR jumps": jump("SequentialLR"),
    "before the optimizer": before_the_optimizer,
    "without the check": without_the_check,
    "get_lr outside of step": outside_of_step,
    "resumed without rates": resumed,
    "resumed": resumed_with_rates,
    "verbose": lambda library, m: m.StepLR(optimizer_of(library), 1, verbose=True),
    "verbose plateau": lambda library, m: m.ReduceLROnPlateau(optimizer_of(library), verbose=True),
    "no optimizer": lambda library, m: m.StepLR(3, 1),
    "two lambdas for three groups": lambda library, m: m.LambdaLR(optimizer_of(library), [lambda e: 1] * 3),
    "ConstantLR factor": lambda library, m: m.ConstantLR(optimizer_of(library), 2.0),
    "LinearLR start": lambda library, m: m.LinearLR(optimizer_of(library), 0.0),
    "LinearLR end": lambda library, m: m.LinearLR(optimizer_of(library), 0.5, 2.0),
    "restarts of no length": lambda library, m: m.CosineAnnealingWarmRestarts(optimizer_of(library), 0),
    "restarts of a fraction": lambda library, m: m.CosineAnnealingWarmRestarts(optimizer_of(library), 2, 1.5),
    "restarts before the start": lambda library, m: m.CosineAnnealingWarmRestarts(optimizer_of(library), 2).step(-1),
    "cycle without momentum": lambda library, m: (
        m.CyclicLR(optimizer_of(library, lr=0.1), 0.1, 0.2) and optimizer_of(library).param_groups[0]["momentum"]
    ),
    "cycle of Adagrad": lambda library, m: m.CyclicLR(optimizer_of(library, "Adagrad"), 0.1, 0.2),
    "cycle of an unknown mode": lambda library, m: m.CyclicLR(optimizer_of(library), 0.1, 0.2, mode="square"),
    "one cycle of no length": lambda library, m: m.OneCycleLR(optimizer_of(library), 0.1),
    "one cycle of negative length": lambda library, m: m.OneCycleLR(optimizer_of(library), 0.1, -3),
    "one cycle, pct_start": lambda library, m: m.OneCycleLR(optimizer_of(library), 0.1, 10, pct_start=2.0),
    "one cycle, strategy": lambda library, m: m.OneCycleLR(optimizer_of(library), 0.1, 10, anneal_strategy="square"),
    "one cycle too long": lambda library, m: go(o := optimizer_of(library), m.OneCycleLR(o, 0.1, 3), 5),
    "plateau factor": lambda library, m: m.ReduceLROnPlateau(optimizer_of(library), factor=1.5),
    "plateau mode": lambda library, m: m.ReduceLROnPlateau(optimizer_of(library), mode="least"),
    "plateau threshold": lambda library, m: m.ReduceLROnPlateau(optimizer_of(library), threshold_mode="most"),
    "plateau rates": lambda library, m: m.ReduceLROnPlateau(optimizer_of(library), min_lr=[0.1]),
    "plateau without a metric": lambda library, m: m.ReduceLROnPlateau(optimizer_of(library)).step(),
    "plateau with an epoch": lambda library, m: m.ReduceLROnPlateau(optimizer_of(library)).step(0.1, 3),
    "sequence of nothing": lambda library, m: m.SequentialLR(optimizer_of(library), [], []),
    "sequence with a milestone too many": lambda library, m: m.SequentialLR(
        o := optimizer_of(library), [m.StepLR(o, 1)], [3]
    ),
    "sequence of two optimizers": lambda library, m: m.SequentialLR(
        o := optimizer_of(library), [m.StepLR(o, 1), m.StepLR(optimizer_of(library), 1)], [3]
    ),
    "chain of nothing": lambda library, m: m.ChainedScheduler([]),
    "chain of two optimizers": lambda library, m: m.ChainedScheduler(
        [m.StepLR(optimizer_of(library), 1), m.StepLR(optimizer_of(library), 1)]
    ),
    "chain with a plateau": lambda library, m: m.ChainedScheduler(
        [m.StepLR(o := optimizer_of(library), 1), m.ReduceLROnPlateau(o)]
    ),
    "the base class": lambda library, m: m.LRScheduler(optimizer_of(library)),
    "no lambda": lambda library, m: m.LambdaLR(optimizer_of(library), None),
    "rates in a tensor": lambda library, m: [
        round(float(g["lr"]), 7)
        for o in [optimizer_of(library, lr=library.tensor(0.1))]
        if go(o, m.StepLR(o, 2), 5)
        for g in o.param_groups
    ],
}


@pytest.mark.parametrize("name", STORIES)
def test_results_warnings_and_errors(name):
    ours, theirs = (warned_by(library, STORIES[name]) for library in (lampas, torch))
    plain = (str, int, float, list, type(None))
    assert ours[1] == theirs[1]
    if isinstance(theirs[0], plain):
        assert ours[0] == (pytest.approx(theirs[0], rel=1e-9) if isinstance(theirs[0], list) else theirs[0])
    else:
        assert type(ours[0]).__name__ == type(theirs[0]).__name__
