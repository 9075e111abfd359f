"""What ./dev bench writes, from numbers made up here: tables, pictures, comparisons."""

import json
import xml.etree.ElementTree as xml

import pytest
from benchmarks import charts, reports, sizes, tables
from benchmarks.limits import Limits
from benchmarks.machine import Machine, this_machine
from benchmarks.rows import Row, Side

MACHINE = Machine("A Processor", ["avx2"], 2, 8 * 2**30, "Linux", "3.12", "2030-01-01")


def workload(name, ours, theirs, compiled=None, **fields):
    sides = {"lampas": Side([ours]), "torch": Side([theirs])}
    sides["compile"] = Side([compiled]) if compiled else Side(error="RuntimeError: no g++")
    return Row(name, f"about {name}", "step", sides, **fields)


def report(rows, kind="workloads", keys=("lampas", "torch", "compile"), limits=None):
    versions = {"lampas": "2.13.0+lampas0.1.0", "torch": "2.13.0+cpu"}
    return reports.Report(kind, MACHINE, versions, list(keys), 5, 2, [0.1, 1.9], limits, rows)


@pytest.mark.parametrize(
    ("value", "text"),
    [(76.1e-9, "76.1 ns"), (11.14e-6, "11.1 µs"), (0.1234, "123 ms"), (2.0, "2 s"), (1e-12, "0.001 ns"), (None, "")],
)
def test_seconds(value, text):
    assert tables.seconds(value) == text


def test_other_quantities():
    texts = [tables.times(value) for value in (1.234, 9.999, 15.31, 400.4, None)]
    assert texts == ["1.23×", "10.0×", "15.3×", "400×", ""]
    assert [tables.percent(value) for value in (0.0001, 0.004, 0.452, 0.0, None)] == ["~0%", "0.4%", "45%", "0%", ""]
    assert [tables.size(value) for value in (1.25e6, 52.4e6)] == ["1.2 MB", "52 MB"]


def test_the_two_tables_say_the_same():
    rows = [workload("fast", 1e-3, 4e-3, 2e-3, goal=2, limit=5e-4), workload("slow", 2e-3, 1e-3, goal=1)]
    columns = tables.workload_columns(["lampas", "torch", "compile"])
    table = tables.markdown(columns, rows).splitlines()
    assert table[0].startswith("|  | what | lampas | PyTorch | torch.compile | ratio | to compile | limit | of limit |")
    assert table[2] == "| `fast` | about fast | 1 ms | 4 ms | 2 ms | **4.00×** | 2.00× | 500 µs | 50% | ≥ 2× | yes |"
    assert table[3] == "| `slow` | about slow | 2 ms | 1 ms | failed | **0.50×** |  |  |  | ≥ 1× | no |"
    assert len({line.count("|") for line in table}) == 1
    lines = [tables.text_line(columns), *(tables.text_line(columns, row) for row in rows)]
    assert len({len(line) for line in lines}) == 1
    assert lines[1].split()[:5] == ["fast", "1", "ms", "4", "ms"]
    assert tables.remarks(rows[1]) == ["    compile: RuntimeError: no g++"]


def test_markdown_report():
    rows = [workload("fast", 1e-3, 4e-3, 2e-3, goal=2), workload("slow", 2e-3, 1e-3, goal=1)]
    text = reports.markdown(report(rows, limits=Limits(1e11, 2e11, {2**20: 3e10})))
    assert "A Processor (avx2), 2 cores, 8 GiB; Linux; Python 3.12; lampas 0.1.0, PyTorch 2.13.0" in text
    assert "Geometric mean against PyTorch: 1.41× (goal: at least 2)." in text
    assert "Geometric mean against torch.compile: 2.00× (goal: at least 1.2)." in text
    assert "Goals not met: slow." in text
    assert "f32 100 GF/s, in bf16 200 GF/s" in text and "30 GB/s at 1 MB" in text


def test_memory_report():
    extra = {"growth": 0.031, "between": [200, 1000], "caches": {"memory cached_bytes": 5e6}}
    sides = {"lampas": Side([30e6], extra={"peak": 80e6, **extra}), "torch": Side([20e6], extra={"peak": 200e6})}
    row = Row("random_shapes", "steps", "memory", sides, 1 / 1.1)
    text = reports.markdown(report([row], "memory", ("lampas", "torch")))
    assert "| 30 MB | 20 MB | **150%** | no | 80 MB | 200 MB | 40% |" in text
    assert "Random shapes, lampas: memory changes by +3.1% from step 200 to step 1000 (goal: less than +5%)." in text
    assert "memory cached_bytes 5.0 MB" in text


def points(ratios):
    made = []
    for index, ratio in enumerate(ratios):
        for op in ("add", "mean_last", "mean_first"):
            for layout in sizes.LAYOUTS:
                size, sides = 10 ** (index + 1), {"lampas": Side([1e-6]), "torch": Side([ratio * 1e-6])}
                name = f"{op} {layout} {size}"
                made.append(sizes.Point(name, "shape", "step", sides, 1.0, op=op, layout=layout, size=size))
    return made


def test_points_below_one_come_last_and_the_worst_first():
    made = report(points([4.0, 0.9, 0.5]), "sizes", ("lampas", "torch"))
    slower = reports.slower_points(made.rows)
    assert [row.ratio() for row in slower] == pytest.approx([0.5] * 6 + [0.9] * 6)
    text = reports.markdown(made)
    assert "Points where PyTorch is faster: 12 of 18." in text
    assert "| | | 10 | 100 | 1,000 |" in text and "| `add` | strided | 4.00× | 0.90× | 0.50× |" in text
    curves = reports.curve_chart(made, points([4.0, 0.9, 0.5])).curves
    labels = [(curve.panel, curve.label, curve.dashed) for curve in curves]
    assert labels[:3] == [("add", "", False), ("add", "", True), ("mean", "last dimension", False)]
    assert len(curves) == 6 and list(curves[0].sizes) == [10, 100, 1000]


def written(made, folder):
    name = folder / "new" / "report"
    files = [reports.write_json(made, name.with_suffix(".json")), *reports.publish(made, name)]
    assert [file.name for file in files] == [f"report.{suffix}" for suffix in ("json", "md", "png", "svg")]
    assert files[2].read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    xml.parse(files[3])
    return files[3].read_text()


def test_bars_are_written(tmp_path):
    rows = [workload("fast", 1e-3, 400e-3, 2e-3), workload("slow", 2e-3, 1e-3), workload("unpaired", 1, 1)]
    rows[2].sides["torch"] = Side(error="RuntimeError: no")
    picture = written(report(rows), tmp_path)
    for text in ("fast", "slow", "400×", "0.50×", "PyTorch = 1", "torch.compile", "400 ms", "A Processor (avx2)"):
        assert text in picture
    assert "unpaired" not in picture


def test_curves_are_written(tmp_path):
    picture = written(report(points([4.0, 0.9, 0.5]), "sizes", ("lampas", "torch")), tmp_path)
    for text in ("add", "mean", "last dimension", "first dimension", "strided", "4×"):
        assert text in picture


def test_without_ratios_there_is_no_picture(tmp_path):
    rows = [Row("alone", "", "step", {"lampas": Side([1.0])})]
    files = reports.publish(report(rows, keys=["lampas"]), tmp_path / "report")
    assert [file.suffix for file in files] == [".md"]


def test_ticks_are_few_and_have_one_among_them():
    values, texts = charts.ticks_between(0.2, 20)
    assert values == [0.25, 0.5, 1, 2, 4, 8, 16] and texts[:3] == ["¼×", "½×", "1×"]
    values, _ = charts.ticks_between(1e-3, 2000)
    assert 1 in values and len(values) <= charts.TICKS + 1


def test_a_number_is_not_written_upon_a_marker():
    assert charts.number_place(charts.Bar("", 2, "", "", 2.1), 0.8, 16) == 2.1
    assert charts.number_place(charts.Bar("", 2, "", "", 9), 0.8, 16) == 2
    assert charts.number_place(charts.Bar("", 2, "", "", 1.1), 0.8, 16) == 2
    assert charts.number_place(charts.Bar("", 0.5, "", ""), 0.4, 4) == 1


def test_two_runs_are_compared():
    before = json.loads(json.dumps(report([workload("a", 4e-3, 8e-3), workload("b", 1e-3, 2e-3)]).to_json()))
    now = report([workload("a", 1e-3, 8e-3), workload("b", 1.01e-3, 2e-3), workload("new", 1, 1)])
    lines = reports.compare(before, now)
    assert lines[1].split() == ["a", "4", "ms", "1", "ms", "-75.0%", "2.00×", "8.00×", "faster"]
    assert lines[2].split()[-1] == "1.98×"  # a change within the noise is not called one
    assert lines[-1] == "All together, now takes 0.50 of what before took." and len(lines) == 4
    before["threads"] = 1
    assert "Not the same conditions: A Processor, 1 threads before." in reports.compare(before, now)


def test_runs_that_cannot_be_compared():
    now = report([workload("a", 1e-3, 8e-3)])
    with pytest.raises(ValueError, match="it holds 'memory', this run measured 'workloads'"):
        reports.compare({"kind": "memory", "rows": []}, now)
    with pytest.raises(ValueError, match="it has nothing that this run measured"):
        reports.compare({"kind": "workloads", "rows": []}, now)


def test_this_machine():
    where = this_machine()
    assert where.cores >= 1 and where.memory > 2**28 and where.cpu and where.date
    assert where.text().startswith(where.cpu) and where.text().endswith("GiB")


def test_curve_text():
    text = tables.curve_text("add", [10, 100], {"contiguous": [2.0, None], "strided": [0.5, 1.0]})
    assert text.splitlines() == [
        "add                1e1     1e2",
        "  contiguous     2.00×       -",
        "  strided        0.50×   1.00×",
    ]
