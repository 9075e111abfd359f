"""Learning-rate schedules against PyTorch's: the same curves of rate and momentum, the same state."""

import math
import random
import warnings

import pytest

import lampas

torch = pytest.importorskip("torch")

SCHEDULES = {
    "step": lambda m, o: m.StepLR(o, 7),
    "milestones": lambda m, o: m.MultiStepLR(o, [3, 3, 9], 0.5),
    "lambda": lambda m, o: m.LambdaLR(o, lambda e: 0.9**e),
    "lambdas": lambda m, o: m.LambdaLR(o, [lambda e: 0.9**e, lambda e: 1 / (1 + e)]),
    "multiplicative": lambda m, o: m.MultiplicativeLR(o, lambda e: 0.95),
    "constant": lambda m, o: m.ConstantLR(o, 0.3, 6),
    "linear": lambda m, o: m.LinearLR(o, 0.1, 0.9, 8),
    "exponential": lambda m, o: m.ExponentialLR(o, 0.9),
    "polynomial": lambda m, o: m.PolynomialLR(o, 15, 2.0),
    "cosine": lambda m, o: m.CosineAnnealingLR(o, 9, 0.01),
    "restarts": lambda m, o: m.CosineAnnealingWarmRestarts(o, 4, 2, 0.01),
    "restarts of one length": lambda m, o: m.CosineAnnealingWarmRestarts(o, 4),
    "triangular": lambda m, o: m.CyclicLR(o, 0.01, 0.2, 5, 7),
    "triangular2": lambda m, o: m.CyclicLR(o, 0.01, [0.2, 0.4], 5, mode="triangular2"),
    "exp_range": lambda m, o: m.CyclicLR(o, 0.01, 0.2, 5, mode="exp_range", gamma=0.9),
    "scale_fn": lambda m, o: m.CyclicLR(o, 0.01, 0.2, 5, scale_fn=lambda x: 0.5**x, scale_mode="iterations"),
    "one cycle": lambda m, o: m.OneCycleLR(o, 0.3, 50),
    "one cycle in three": lambda m, o: m.OneCycleLR(
        o, [0.3, 0.4], epochs=5, steps_per_epoch=9, three_phase=True, anneal_strategy="linear"
    ),
    "sequence": lambda m, o: m.SequentialLR(
        o, [m.LinearLR(o, 0.1), m.CosineAnnealingLR(o, 20), m.ExponentialLR(o, 0.9)], [5, 25]
    ),
    "chain": lambda m, o: m.ChainedScheduler([m.ConstantLR(o, 0.1, 4), m.ExponentialLR(o, 0.9)]),
    "chain in a sequence": lambda m, o: m.SequentialLR(
        o, [m.ChainedScheduler([m.ConstantLR(o, 0.1, 4), m.ExponentialLR(o, 0.9)]), m.StepLR(o, 3)], [10]
    ),
}


def curve(library, make, cls="SGD", options=None, metrics=None, steps=40):
    params = [library.zeros(3).requires_grad_(), library.zeros(2).requires_grad_()]
    groups = [{"params": [params[0]]}, {"params": [params[1]], "lr": 0.5}]
    optimizer = getattr(library.optim, cls)(groups, **(options or {"lr": 0.1, "momentum": 0.9}))
    scheduler = make(library.optim.lr_scheduler, optimizer)
    seen = []
    for k in range(steps):
        optimizer.step()
        for group in optimizer.param_groups:
            seen += [group["lr"], group.get("momentum", 0), *group.get("betas", ())]
        scheduler.step(*([] if metrics is None else [metrics[k]]))
        seen += scheduler.get_last_lr()
    return seen, set(scheduler.state_dict())


@pytest.mark.parametrize(("cls", "options"), [("SGD", None), ("AdamW", {"lr": 0.1})])
@pytest.mark.parametrize("name", SCHEDULES)
def test_curve(name, cls, options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours, mine = curve(lampas, SCHEDULES[name], cls, options)
        theirs, others = curve(torch, SCHEDULES[name], cls, options)
    assert ours == pytest.approx(theirs, rel=1e-12, abs=1e-15)
    assert mine == others


@pytest.mark.parametrize("smooth", [True, False])
@pytest.mark.parametrize(
    "options",
    [
        {"patience": 2},
        {"patience": 1, "mode": "max", "threshold_mode": "abs", "cooldown": 2},
        {"patience": 1, "threshold_mode": "abs", "min_lr": [0.01, 0.02]},
        {"patience": 0, "mode": "max", "factor": 0.5},
    ],
)
def test_plateau(options, smooth):
    rng = random.Random(0)
    metrics = [math.sin(k) / (1 + k) if smooth else rng.random() for k in range(40)]
    ours, mine = curve(lampas, lambda m, o: m.ReduceLROnPlateau(o, **options), metrics=metrics)
    theirs, others = curve(torch, lambda m, o: m.ReduceLROnPlateau(o, **options), metrics=metrics)
    assert ours == pytest.approx(theirs, rel=1e-12) and mine == others


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("epochs", [0, 5])
def test_swalr(strategy, epochs):
    def make(library):
        return lambda m, o: library.optim.swa_utils.SWALR(o, 0.05, epochs, strategy)

    ours, theirs = (curve(library, make(library))[0] for library in (lampas, torch))
    assert ours == pytest.approx(theirs, rel=1e-12)
