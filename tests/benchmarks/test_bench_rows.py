"""The statistics of ./dev bench, from numbers made up here."""

import pytest
from benchmarks import memory, scaling
from benchmarks.costs import Cost, conv, gpt, lstm, matmul, resnet18, stream, tutorial_cnn
from benchmarks.limits import Limits, combined, pick
from benchmarks.processes import last_words
from benchmarks.rows import Row, Side, geometric_mean
from benchmarks.sizes import OPS, powers, shape_of
from benchmarks.turns import in_turn


def row(ours, theirs, **fields):
    sides = {"lampas": Side(list(ours)), "torch": Side(list(theirs))}
    return Row("name", "about", "step", sides, **fields)


def test_the_best_counts():
    measured = row([2.0, 1.0, 4.0], [3.0, 6.0, 9.0])
    assert measured.best("lampas") == 1 and measured.best("torch") == 3
    assert measured.ratio() == 3
    assert measured.sides["torch"].median == 6
    assert measured.noise == 1  # both usual samples are twice the best
    assert measured.best("compile") is None and measured.ratio("compile") is None


def test_goals():
    assert row([1], [3], goal=3).met is True
    assert row([1], [2.9], goal=3).met is False
    assert row([1], [3], goal=2, at_most=0.5).met is False
    assert row([1], [3]).met is None
    assert row([1], [], goal=1).met is None


def test_an_error_ends_a_side():
    side = Side()
    side.add({"samples": [1.0], "version": "2"})
    assert side.best == 1 and not side.done
    side.add({"error": "broken"})
    assert side.done and side.best is None and side.median is None


def test_geometric_mean_is_of_what_counts():
    rows = [row([1], [2]), row([1], [8]), row([1], [1000], counts=False), row([1], [])]
    assert geometric_mean(rows) == pytest.approx(4)
    assert geometric_mean(rows, "compile") is None
    assert geometric_mean([]) is None


def test_different_results_are_noticed():
    measured = row([1], [1])
    measured.sides["lampas"].checksum, measured.sides["torch"].checksum = 1.0, 1.001
    assert measured.mismatch == ""
    measured.sides["torch"].checksum = 1.1
    assert measured.mismatch == "they compute different things: lampas 1, torch 1.1"


def test_turns_alternate():
    assert list(in_turn(["a", "b"], 3)) == ["a", "b", "b", "a", "a", "b"]


def test_costs():
    assert matmul(2, 3, 4) == 48
    assert conv(2, 3, 4, 5, 6) == 2 * (2 * 4 * 6 * 6) * (3 * 5 * 5)
    # published: 1.8 and 0.56 thousand million multiply-adds for ResNet-18 on 224 × 224 and on 32 × 32
    assert resnet18(1, 1000, small=False) / 2 == pytest.approx(1.81e9, rel=0.01)
    assert resnet18(1, 10, small=True) / 2 == pytest.approx(0.556e9, rel=0.01)
    assert tutorial_cnn(64) == pytest.approx(0.955e9, rel=0.01)
    # 6 operations a step for each parameter of a matrix and token, and half of an attention's
    assert 3 * gpt(8, 4, 256, 128, 256) == pytest.approx(6 * 1024 * (12 * 4 * 256**2 + 256**2) + 0.805e9, rel=0.01)
    assert lstm(2, 3, [5, 7]) == 2 * 6 * (5 + 7) * 28
    assert stream(100, 7, kept=4) == Cost(bytes=2800, working_set=1600)


def test_limits():
    first = {"f32": 1e9, "bf16": 5e8, "bandwidth": {"1000": 8.0, "2000": 4.0}}
    limits = combined([first, {"f32": 2e9, "bf16": 1e8, "bandwidth": {"1000": 6.0, "2000": 5.0}}])
    assert limits == Limits(2e9, 5e8, {1000: 8.0, 2000: 5.0})
    assert limits.seconds(Cost(4e9)) == 2
    assert limits.seconds(Cost(4e9, "bf16")) == 2  # nobody must use the slower bf16
    assert limits.seconds(Cost(bytes=80, working_set=10)) == 10  # the smallest measured
    assert limits.seconds(Cost(bytes=80, working_set=1999)) == 10
    assert limits.seconds(Cost(bytes=80, working_set=1e9)) == 16
    assert limits.seconds(Cost(4e9, bytes=80, working_set=1e9)) == 16  # the slower of the two decides
    assert limits.seconds(Cost()) is None
    assert combined([]) is None
    assert row([4.0], [5.0], limit=1.0).share == 0.25
    assert pick(list(range(10)), 4) == [0, 3, 6, 9]


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_shapes_have_the_elements_they_should(steps):
    counts = powers(10, 10**8, steps)
    assert counts[0] == 10 and counts[-1] == 10**8 and len(counts) == 7 * steps + 1
    for images in (False, True):
        for count in counts:
            product = 1
            for length in shape_of(count, images):
                product *= length
            assert product == count
            assert not images or min(shape_of(count, images)[2:]) >= 2  # room for a window


def test_ops_say_how_many_tensors_they_read():
    for op in OPS.values():
        names = compile(op.statement, op.name, "eval").co_names
        assert ("b" in names) == (op.operands == 2)


def test_speed_up():
    measured = Row("name", "", "step", {"lampas 1": Side([8.0]), "lampas 2": Side([5.0])})
    assert scaling.speed_up(measured, "lampas", 2) == 1.6
    assert scaling.speed_up(measured, "torch", 2) is None
    assert scaling.Case("add", 1, 1000).title == "add, 1,000"


def test_growth_is_between_medians():
    trace = [100] * 200 + [130] * 800
    trace[199] = trace[-1] = 10**6  # a moment does not count
    assert memory.growth(trace, 200) == pytest.approx(0.3)
    assert memory.growth([7] * 10, 2) == 0


def test_whole_peaks():
    measured = row([1], [2])
    assert memory.whole_ratio(measured) is None
    measured.sides["lampas"].extra["peak"], measured.sides["torch"].extra["peak"] = 30, 40
    assert memory.whole_ratio(measured) == 0.75


def test_the_line_that_says_what_went_wrong():
    stderr = "Traceback\n  File x\ntorch._dynamo.exc.InternalError: no compiler\n\nSet SOMETHING=1 for more\n"
    assert last_words(stderr, 1) == "torch._dynamo.exc.InternalError: no compiler"
    assert last_words("just this\n", 1) == "just this"
    assert last_words("", -9) == "exit status -9"
