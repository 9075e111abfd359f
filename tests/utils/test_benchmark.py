"""`utils.benchmark`: statistics against NumPy, timers against clocks of our own, tables against texts."""

import pickle
import time

import numpy as np
import pytest

import lampas
from lampas.utils import benchmark
from lampas.utils.benchmark import Compare, Measurement, TaskSpec, Timer


def measured(times, number=10, stmt="f(x)", setup="", **texts):
    return Measurement(number, [t * number for t in times], TaskSpec(stmt, setup, **texts))


class TestMeasurement:
    def test_statistics(self):
        rng = np.random.default_rng(0)
        for n in (1, 2, 5, 8, 33):
            times = rng.uniform(1e-6, 2e-6, n)
            m = measured(times)
            np.testing.assert_allclose(m.times, times)
            low, high = np.percentile(times, [25, 75])
            np.testing.assert_allclose(
                [m.median, m.mean, m.iqr], [np.median(times), times.mean(), high - low], atol=1e-18
            )
            assert m.has_warnings == (n > 1 and (high - low) / np.median(times) >= 0.1)
            assert m.meets_confidence(0.3) == ((high - low) / np.median(times) < 0.3)

    def test_significant_figures(self):
        assert measured([1e-3]).significant_figures == 4
        assert measured([1e-6]).significant_figures == 1
        assert measured([1.0, 1.2, 0.9, 1.4, 0.8]).significant_figures == 1

    def test_text(self):
        text = repr(measured([1.0, 1.2, 1.1, 2.0], label="mm", sub_label="64x64", description="fast", num_threads=4))
        assert text.splitlines()[1:] == [
            "mm: 64x64",
            "fast",
            "  Median: 1.15 s",
            "  IQR:    0.32 s (1.08 to 1.40)",
            "  4 measurements, 10 runs per measurement, 4 threads",
            "  WARNING: Interquartile range is 28.3% of the median measurement.",
            "           This suggests significant environmental influence.",
        ]
        assert str(measured([1e-5], setup="x = 1")).splitlines() == [
            "f(x)",
            "setup: x = 1",
            "  10.00 us",
            "  1 measurement, 10 runs , 1 thread",
        ]

    def test_merge_and_pickle(self):
        a, b = measured([1.0], label="a"), measured([3.0], label="a")
        (one,) = Measurement.merge([a, b])
        assert one.times == [1.0, 3.0] and one.median == 2.0
        assert len(Measurement.merge([a, measured([1.0], label="b")])) == 2
        again = pickle.loads(pickle.dumps(a))
        assert again.times == a.times and again.task_spec == a.task_spec and again.label == "a"

    def test_without_times(self):
        with pytest.raises(AssertionError, match="without times"):
            measured([]).median
        with pytest.raises(AttributeError, match="nothing"):
            measured([1.0]).nothing


class TestTimer:
    def test_counts_executions(self):
        calls = []
        m = Timer("f()", globals={"f": lambda: calls.append(1)}).timeit(200)
        assert m.number_per_run == 200 and len(m.raw_times) == 1 and len(calls) == 202

    def test_measures_time(self):
        m = Timer("time.sleep(0.002)", setup="import time").timeit(5)
        assert 0.002 <= m.mean < 0.02

    def test_blocked(self):
        seen = []
        start = time.perf_counter()
        m = Timer("x.exp()", setup="x = torch.ones(4)").blocked_autorange(lambda n, t: seen.append((n, t)), 0.05)
        assert 0.05 <= sum(m.raw_times) <= time.perf_counter() - start
        assert [t for _, t in seen] == m.raw_times and all(n == m.number_per_run for n, _ in seen)
        assert 1e-8 < m.median < 1e-3

    def test_adaptive(self):
        ticks = iter(np.arange(0, 10_000, 0.5))  # a clock on which everything takes as long
        m = Timer("pass", timer=lambda: next(ticks)).adaptive_autorange(min_run_time=1.0, max_run_time=50.0)
        assert m.iqr == 0 and len(m.raw_times) == 4
        m = Timer("pass", timer=lambda: next(ticks)).adaptive_autorange(threshold=0.0, max_run_time=5.0)
        assert sum(m.raw_times) >= 5.0

    def test_threads(self):
        before = lampas.get_num_threads()
        seen = []
        Timer("seen.append(torch.get_num_threads())", globals={"seen": seen}, num_threads=1).timeit(1)
        assert set(seen) == {1} and lampas.get_num_threads() == before

    def test_indented_statements(self):
        m = Timer(
            """
            y = x + 1
            y = y + 1
            """,
            setup="""
            x = 1
            """,
        ).timeit(1)
        assert m.task_spec.stmt == "y = x + 1\ny = y + 1" and m.as_row_name == "y = x + 1\ny = y + 1"

    @pytest.mark.parametrize(
        ("call", "error", "text"),
        [
            (lambda: Timer(3), ValueError, "only a `str` stmt"),
            (lambda: Timer("x;", language="c++"), ValueError, "Python only"),
            (lambda: Timer("x", global_setup="#include"), ValueError, "put it into setup"),
            (lambda: Timer("x").repeat(), NotImplementedError, "blocked_autorange"),
            (lambda: Timer("x").autorange(), NotImplementedError, "blocked_autorange"),
            (lambda: Timer("no_such_name").timeit(1), NameError, "no_such_name"),
        ],
    )
    def test_refusals(self, call, error, text):
        with pytest.raises(error, match=text):
            call()


class TestCompare:
    def results(self):
        return [
            measured([a * b * 1e-6] * 3, label="L", sub_label=f"s{a}", description=f"d{b}", num_threads=threads)
            for a in (1, 30)
            for b in (1, 7)
            for threads in (1, 2)
        ]

    def test_table(self):
        assert str(Compare(self.results())) == (
            "[----------- L ------------]\n"
            "           |   d1   |    d7 \n"
            "1 threads: -----------------\n"
            "      s1   |   1.0  |    7.0\n"
            "      s30  |  30.0  |  210.0\n"
            "2 threads: -----------------\n"
            "      s1   |   1.0  |    7.0\n"
            "      s30  |  30.0  |  210.0\n"
            "\n"
            "Times are in microseconds (us).\n"
        )

    def test_figures_colours_and_marks(self, capsys):
        compare = Compare(self.results())
        compare.trim_significant_figures()
        assert "|   1.0  |    7\n" in str(compare)
        compare.colorize()
        assert "\033[92m\033[1m 1.0\033[0m\033[0m" in str(compare) and "\033[31m\033[1m30.0\033[0m\033[0m" in str(
            compare
        )
        compare.colorize(rowwise=True)
        assert "\033[92m\033[1m30.0\033[0m\033[0m" in str(compare)
        compare.extend_results([measured([1e-6 * i for i in range(1, 6)], label="noisy", description="d")])
        compare.highlight_warnings()
        compare.print()
        printed = capsys.readouterr().out
        assert " (! 67%)" in printed and "high variance" in printed

    def test_missing_cells_and_no_description(self):
        text = str(Compare([measured([1e-3], description="a"), measured([2e-3], sub_label="other")]))
        assert "Times are in milliseconds (ms)." in text and "other" in text

    def test_refusal(self):
        with pytest.raises(ValueError, match="Expected an instance of `Measurement`"):
            Compare([3])


def test_units():
    assert [benchmark.select_unit(t)[0] for t in (1e-9, 1e-6, 0.5, 1.0, 90.0)] == ["ns", "us", "ms", "s", "s"]
    assert benchmark.unit_to_english("us") == "microsecond"
    assert [benchmark.trim_sigfig(123.456, n) for n in (1, 3)] == [100.0, 123.0] and benchmark.trim_sigfig(0, 2) == 0
    assert benchmark.ordered_unique([3, 1, 3, 2, 1]) == [3, 1, 2]
