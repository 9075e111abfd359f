"""What the command line of ./dev bench accepts."""

import pytest
from benchmarks import arguments
from benchmarks.workloads import WORKLOADS

# what the goals are about
MAIN = [
    "micro_add",
    "micro_autograd",
    "tiny_mlp",
    "tutorial_loop",
    "mlp_mnist",
    "cnn_mnist",
    "resnet18_train",
    "resnet18_infer",
    "resnet18_infer_bf16",
    "lstm_train",
    "gpt_train",
    "gpt_train_bf16",
    "elementwise_chain",
    "softmax_big",
    "layernorm_train",
    "adam_step",
    "matmul_1024",
    "dataloader",
]


def test_without_arguments_every_workload_that_counts():
    options = arguments.parse([])
    assert options.kind == "workloads" and options.names == MAIN
    assert options.rounds == 5 and options.whole and not options.compile
    assert options.threads >= 1


def test_all_adds_the_extra_ones():
    options = arguments.parse(["all"])
    assert options.names == list(WORKLOADS) and options.whole
    assert set(options.names) - set(MAIN) >= {"import", "size", "conv3x3"}


def test_a_part_is_no_whole():
    assert not arguments.parse(["micro_add"]).whole
    assert not arguments.parse(["--quick"]).whole
    assert not arguments.parse(["--sizes", "--ops", "add"]).whole
    assert arguments.parse(["--sizes"]).whole


def test_the_curve():
    options = arguments.parse(["--sizes"])
    assert options.kind == "sizes" and options.rounds == 3
    assert options.point_sizes == [10**power for power in range(1, 9)]
    assert len({op.title for op in options.chosen_ops}) == 12
    options = arguments.parse(["--sizes", "--ops", "add, gelu,mean", "--largest", "1e3", "--steps", "2"])
    assert [op.name for op in options.chosen_ops] == ["add", "gelu", "mean_last", "mean_first"]
    assert options.point_sizes == [10, 30, 100, 300, 1000]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["nothing"], "there is no workload 'nothing'; there are: micro_add"),
        (["--rounds", "0"], "--rounds 0: must be at least 1"),
        (["--sizes", "--ops", "sin"], "--ops: there is no op 'sin'; there are: add, mul"),
        (["--ops", "add"], "--ops belongs to --sizes"),
        (["--sizes", "--steps", "4"], "--steps 4: must be 1, 2 or 3"),
        (["--sizes", "--largest", "1"], "--largest 1: the curve begins at 10 elements"),
        (["--sizes", "micro_add"], "--sizes takes --ops"),
        (["--memory", "--compile"], "--compile belongs to the workloads' times"),
        (["--memory", "--sizes"], "not allowed with"),
        (["--compare", "/nowhere.json"], "--compare /nowhere.json: there is no such file"),
        (["--publish", "--quick"], "--publish is for whole measurements"),
    ],
)
def test_what_makes_no_sense_is_refused(capsys, given, message):
    with pytest.raises(SystemExit) as ended:
        arguments.parse(given)
    assert ended.value.code == 2
    assert message in " ".join(capsys.readouterr().err.split())
