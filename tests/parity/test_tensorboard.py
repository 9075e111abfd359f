"""SummaryWriter beside PyTorch's: the same calls must write the same files, up to times."""

import inspect
import os
import re
import sys
import types

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("tensorboard")

from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader  # noqa: E402
from tensorboard.compat.proto.event_pb2 import Event  # noqa: E402
from tensorboard.compat.proto.graph_pb2 import GraphDef  # noqa: E402
from torch.utils import tensorboard as theirs  # noqa: E402
from torch.utils.tensorboard import summary as their_summary  # noqa: E402

import lampas  # noqa: E402
from lampas.utils import tensorboard as ours  # noqa: E402
from lampas.utils.tensorboard import summary as our_summary  # noqa: E402

PIXELS = np.random.default_rng(0).random((11, 3, 12, 10)).astype(np.float32)
BYTES = (PIXELS * 255).astype(np.uint8)
NORMAL = np.random.default_rng(1).normal(size=500)
SOUND = np.sin(np.arange(400) / 9).astype(np.float32)
LABELS = np.random.default_rng(2).integers(0, 2, 60)
GUESSES = np.random.default_rng(3).random(60)


def read(path):
    events = [Event.FromString(raw) for raw in RawEventFileLoader(str(path)).Load()]
    for event in events:
        event.wall_time = 0
    return [str(event) for event in events]


def written(folder):
    """Everything in a folder: event files as their events without times, other files as bytes."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = re.sub(r"tfevents\.\d+\..*\.\d+\.\d+", "tfevents", str(path.relative_to(folder)))
        found.setdefault(name, []).append(read(path) if "tfevents" in name else path.read_bytes())
    return found


def both(tmp_path, calls, **options):
    result = []
    for name, package, library in (("ours", ours, lampas), ("theirs", theirs, torch)):
        writer = package.SummaryWriter(tmp_path / name, **options)
        calls(writer, library)
        writer.close()
        result.append(written(tmp_path / name))
    return result


def figure(color="red"):
    pytest.importorskip("matplotlib").use("Agg")
    import matplotlib.pyplot as plt

    made = plt.figure(figsize=(2, 1), dpi=50, facecolor=color)
    made.gca().plot([1, 3, 2])
    return made


def video(w, t):
    moviepy = pytest.importorskip("moviepy")
    if not hasattr(moviepy, "editor"):
        # PyTorch asks for moviepy 1: its module `editor` and its arguments.
        class Clip(moviepy.ImageSequenceClip):
            def write_gif(self, *args, verbose=None, **kwargs):
                super().write_gif(*args, **kwargs)

        moviepy.editor = types.SimpleNamespace(ImageSequenceClip=Clip)
    frames = t.from_numpy(PIXELS[:10].reshape(1, 10, 3, 12, 10))
    w.add_video("v", frames, 1, fps=8)
    w.add_video("batch", t.cat([frames] * 3), 2)
    w.add_video("bytes", (frames * 255).to(t.uint8))


def hyperparameters(w, t):
    values = {"lr": 0.1, "n": 3, "name": "adam", "on": True, "none": None, "t": t.tensor([2.5])}
    w.add_hparams(values, {"acc": 0.5, "loss": t.tensor(0.25)}, {"name": ["adam", "sgd"], "n": [3, 4]}, "run", 7)
    w.add_hparams({}, {}, run_name="empty")


def tensors(w, t):
    names = "float16 bfloat16 float32 float64 int8 uint8 int16 int32 int64 bool complex64 complex128"
    for name in names.split():
        w.add_tensor(name, t.tensor([[0.5, 1.25], [2.0, 0.0]]).to(getattr(t, name)), 3)
    w.add_tensor("scalar", t.tensor(4.5))


CALLS = {
    "scalar": lambda w, t: (
        w.add_scalar("a/b", 0.1, 1),
        w.add_scalar("a/b", t.tensor([[2.5]], requires_grad=True), np.int64(2)),
        w.add_scalar("np", np.float64(3.5)),
        w.add_scalar("int", 7, 2, walltime=12.5),
        w.add_scalar("half", t.tensor(1.5).to(t.bfloat16), t.tensor(4)),
        w.add_scalar("nan", float("nan")),
        w.add_scalar("inf", float("inf")),
        w.add_scalar("new", 0.1, 3, new_style=True),
        w.add_scalar("double", 0.1, 3, new_style=True, double_precision=True),
    ),
    "scalars": lambda w, t: (
        w.add_scalars("run/14", {"x": 1.0, "y": t.tensor(2.0)}, 1),
        w.add_scalars("run/14", {"x": 3.0}, 2, walltime=5.0),
    ),
    "histogram": lambda w, t: (
        w.add_histogram("h", t.from_numpy(NORMAL), 1),
        w.add_histogram("h", NORMAL.astype(np.float32), 2),
        w.add_histogram("whole", t.arange(20).view(4, 5)),
        w.add_histogram("half", t.arange(8.0).to(t.bfloat16)),
        w.add_histogram("one", 3.0),
        w.add_histogram("zero", t.zeros(5)),
        w.add_histogram("bins", NORMAL, bins="auto"),
        w.add_histogram("thirty", NORMAL, bins=30, max_bins=7),
        w.add_histogram("few", NORMAL, max_bins=10),
        w.add_histogram("edges", NORMAL, bins=[-1.0, 0.0, 0.25, 1.0]),
    ),
    "histogram_raw": lambda w, t: w.add_histogram_raw("r", 0, 3, 6, 9.5, 20, [1.0, 2.0, 3.0], [1, 2, 3], 4),
    "image": lambda w, t: (
        w.add_image("chw", t.from_numpy(PIXELS[0]), 1),
        w.add_image("grey", t.from_numpy(PIXELS[0, :1])),
        w.add_image("hw", PIXELS[0, 0], dataformats="HW"),
        w.add_image("hwc", t.from_numpy(BYTES[0]).permute(1, 2, 0), dataformats="HWC"),
        w.add_image("whc", BYTES[0].transpose(2, 1, 0), dataformats="whc"),
        w.add_image("wide range", t.from_numpy(PIXELS[0]) * 3 - 1),
        w.add_image("half", t.from_numpy(PIXELS[0]).to(t.float16)),
        w.add_image("bool", t.from_numpy(PIXELS[0] > 0.5)),
        w.add_image("int", t.from_numpy(BYTES[0]).to(t.int64) // 128),
    ),
    "images": lambda w, t: (
        w.add_images("nchw", t.from_numpy(PIXELS), 1),
        w.add_images("grey", t.from_numpy(BYTES[:3, :1])),
        w.add_images("nhwc", BYTES.transpose(0, 2, 3, 1), dataformats="NHWC"),
    ),
    "image_with_boxes": lambda w, t: (
        w.add_image_with_boxes("b", t.zeros(3, 40, 50), t.tensor([[2, 3, 20, 30], [10, 10, 45, 35]]), 1),
        w.add_image_with_boxes("l", t.zeros(3, 40, 50), t.tensor([[2, 3, 20, 30.5]]), labels="cat", rescale=2),
        w.add_image_with_boxes("n", t.zeros(3, 40, 50), t.tensor([[2, 3, 20, 30]]), labels=["cat", "dog"]),
        w.add_image_with_boxes("e", np.ones((40, 50, 3)), np.array([[2, 3, 20, 30]]), dataformats="HWC", labels=[""]),
    ),
    "figure": lambda w, t: (w.add_figure("f", figure(), 1), w.add_figure("fs", [figure(), figure("blue")], 2)),
    "video": video,
    "audio": lambda w, t: (
        w.add_audio("one", t.from_numpy(SOUND).unsqueeze(0), 1, sample_rate=8000),
        w.add_audio("flat", SOUND),
        w.add_audio("loud", t.from_numpy(SOUND) * 3),
    ),
    "text": lambda w, t: (w.add_text("t", "# héllo\n\n* one", 1), w.add_text("a/b", "")),
    "pr_curve": lambda w, t: (
        w.add_pr_curve("p", t.from_numpy(LABELS), t.from_numpy(GUESSES), 1),
        w.add_pr_curve("few", LABELS, GUESSES, num_thresholds=9),
        w.add_pr_curve("many", LABELS.astype(bool), GUESSES, num_thresholds=500),
        w.add_pr_curve("weights", LABELS, GUESSES, weights=np.linspace(0, 1, 60)),
        w.add_pr_curve("edges", t.tensor([0, 1]), t.tensor([0.0, 1.0])),
    ),
    "pr_curve_raw": lambda w, t: w.add_pr_curve_raw(
        "p", *(t.tensor([float(i), i + 0.5, i + 0.75]) for i in range(6)), global_step=2, num_thresholds=3
    ),
    "custom_scalars": lambda w, t: w.add_custom_scalars(
        {"A": {"one": ["Multiline", ["x", "y"]]}, "B": {"two": ["Margin", ["x", "y", "z"]], "3": ["Multiline", ["q"]]}}
    ),
    "custom_scalars_multilinechart": lambda w, t: (
        w.add_custom_scalars_multilinechart(["a", "b"]),
        w.add_custom_scalars_multilinechart(["a", "b"], "category", "title"),
    ),
    "custom_scalars_marginchart": lambda w, t: w.add_custom_scalars_marginchart(["a", "b", "c"], title="title"),
    "mesh": lambda w, t: (
        w.add_mesh("points", t.arange(12.0).view(1, 4, 3), global_step=2),
        w.add_mesh(
            "all",
            t.arange(12.0).view(1, 4, 3),
            t.arange(12).view(1, 4, 3),
            t.tensor([[[0, 1, 2]]]),
            {"material": {"cls": "PointsMaterial", "size": 2}},
        ),
    ),
    "hparams": hyperparameters,
    "tensor": tensors,
    "embedding": lambda w, t: (
        w.add_embedding(t.arange(20.0).view(5, 4), list("abcdé"), t.from_numpy(PIXELS[:5]), 3, "one/two"),
        w.add_embedding(t.arange(6).view(3, 2), [["a", 1], ["b", 2], ["c", 3]], metadata_header=["name", "number"]),
        w.add_embedding(t.arange(20.0).view(10, 2), label_img=t.from_numpy(PIXELS[:10, :1]), tag="grey%"),
    ),
    "flush and two files": lambda w, t: (w.add_scalar("a", 1), w.flush(), w.close(), w.add_scalar("a", 2), w.close()),
    "with": lambda w, t: w.__enter__().add_scalar("a", 1) or w.__exit__(None, None, None),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_same_events(tmp_path, name, capsys):
    mine, other = both(tmp_path, CALLS[name])
    assert mine == other


@pytest.mark.parametrize("options", [{"purge_step": 3}, {"filename_suffix": ".x"}, {"max_queue": 1, "flush_secs": 1}])
def test_options(tmp_path, options):
    mine, other = both(tmp_path, lambda w, t: (w.add_scalar("a", 1, 3), w.add_scalars("b", {"c": 1}, 3)), **options)
    assert mine == other


def test_the_folders_names(tmp_path, monkeypatch):
    names = []
    for package in (ours, theirs):
        (tmp_path / package.__name__).mkdir()
        monkeypatch.chdir(tmp_path / package.__name__)
        with package.SummaryWriter(comment="-try") as writer:
            folder = writer.get_logdir()
            writer.add_hparams({"a": 1}, {"b": 2})
            (inner,) = (name for name in os.listdir(folder) if "tfevents" not in name)
            names.append((re.sub(r"\w{3}\d\d_\d\d-\d\d-\d\d_", "DATE_", folder), re.sub(r"\d", "0", inner)[:11]))
    assert names[0] == names[1]


BAD = {
    "scalar": lambda w, t: w.add_scalar("a", t.ones(2)),
    "scalar text": lambda w, t: w.add_scalar("a", "word"),
    "scalar list": lambda w, t: w.add_scalar("a", [1]),
    "empty histogram": lambda w, t: w.add_histogram("a", t.ones(0)),
    "histogram beside its bins": lambda w, t: w.add_histogram("a", t.ones(3), bins=[5.0, 6.0, 7.0, 8.0]),
    "histogram of NaN": lambda w, t: w.add_histogram("a", t.full((3,), float("nan"))),
    "raw histogram": lambda w, t: w.add_histogram_raw("a", 0, 1, 2, 3, 4, [1, 2], [1]),
    "image shape": lambda w, t: w.add_image("a", t.ones(4, 5)),
    "image letters": lambda w, t: w.add_image("a", t.ones(3, 4, 5), dataformats="CCH"),
    "image channels": lambda w, t: w.add_images("a", t.ones(2, 2, 4, 5)),
    "image list": lambda w, t: w.add_image("a", [1]),
    "sound": lambda w, t: w.add_audio("a", t.ones(2, 5)),
    "embedding": lambda w, t: w.add_embedding(t.ones(3)),
    "embedding's labels": lambda w, t: w.add_embedding(t.ones(3, 2), ["a"]),
    "embedding's pictures": lambda w, t: w.add_embedding(t.ones(3, 2), label_img=t.ones(2, 3, 4, 4)),
    "embedding's header": lambda w, t: w.add_embedding(t.ones(1, 2), [["a", "b"]], metadata_header=["x"]),
    "margin": lambda w, t: w.add_custom_scalars_marginchart(["a"]),
    "hparams": lambda w, t: w.add_hparams([], {}),
    "metrics": lambda w, t: w.add_hparams({}, []),
    "a list": lambda w, t: w.add_hparams({"a": []}, {}),
    "domain": lambda w, t: w.add_hparams({"a": 1}, {}, {"a": ["x"]}),
    "graph": lambda w, t: w.add_graph(t.nn.Linear(3, 2), t.ones(1, 5)),
    "tag": lambda w, t: w.add_scalar(3, 1.0),
    "text": lambda w, t: w.add_text("a", 3),
    "step": lambda w, t: w.add_scalar("a", 1.0, "x"),
}


@pytest.mark.parametrize("name", BAD)
def test_the_same_exceptions(tmp_path, name, capsys):
    raised = []
    for package, library in ((ours, lampas), (theirs, torch)):
        with package.SummaryWriter(tmp_path / library.__name__) as writer:
            with pytest.raises(Exception) as caught:
                BAD[name](writer, library)
        raised.append(caught.type)
    assert raised[0] is raised[1]


def parameters(function):
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("kind", ["SummaryWriter", "FileWriter"])
def test_the_same_methods(kind):
    names = [n for n, f in vars(getattr(theirs, kind)).items() if callable(f) and (n[0] != "_" or n == "__init__")]
    assert len(names) > 5
    for name in names:
        mine, other = (parameters(getattr(getattr(package, kind), name)) for package in (ours, theirs))
        assert mine == other, name


def test_the_functions_of_summary():
    for name in set(our_summary.__all__) & set(their_summary.__all__):
        assert parameters(getattr(our_summary, name)) == parameters(getattr(their_summary, name)), name
    assert set(their_summary.__all__) <= set(our_summary.__all__)


def network(nn):
    def block(i, o):
        return nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU(), nn.MaxPool2d(2))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Sequential(block(1, 4), block(4, 8))
            self.head = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(32, 10))

        def forward(self, image, scale):
            return self.head(self.features(image) * scale).log_softmax(1)

    return Net()


def test_graph(tmp_path):
    """The ops have names of their own here; the modules, their order, the shapes and both ends are the same."""
    found = []
    for package, library in ((ours, lampas), (theirs, torch)):
        folder = tmp_path / library.__name__
        with package.SummaryWriter(folder) as writer:
            writer.add_graph(network(library.nn), (library.ones(1, 1, 8, 8), library.ones(1)))
        (path,) = folder.iterdir()
        events = [Event.FromString(raw) for raw in RawEventFileLoader(str(path)).Load()]
        (run,) = (event.tagged_run_metadata for event in events if event.HasField("tagged_run_metadata"))
        (graph,) = (GraphDef.FromString(event.graph_def) for event in events if event.graph_def)
        shapes = {n.name: [d.size for s in n.attr["_output_shapes"].list.shape for d in s.dim] for n in graph.node}
        ends = {n.name: (shapes[n.name], n.attr["attr"]) for n in graph.node if n.op == "IO Node"}
        ops = [(n.name.rpartition("/")[0], shapes[n.name]) for n in graph.node if n.op.startswith("aten::")]
        found.append((ends, ops, run.tag, run.run_metadata, graph.versions))
    assert found[0] == found[1]


def test_onnx_graph(tmp_path, capsys):
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("Gemm", ["x", "w"], ["y"], alpha=0.5, transB=1),
        helper.make_node("Relu", ["y"], ["z"], name="relu"),
    ]
    ends = [helper.make_tensor_value_info(name, kind, shape) for name, shape in (("x", ["n", 3]), ("w", [2, 3]))]
    graph = helper.make_graph(nodes, "g", ends, [helper.make_tensor_value_info("z", kind, ["n", 2])])
    onnx.save(helper.make_model(graph), tmp_path / "model.onnx")
    mine, other = both(tmp_path, lambda w, t: w.add_onnx_graph(str(tmp_path / "model.onnx")))
    assert mine == other


def test_without_moviepy(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "moviepy", None)
    with ours.SummaryWriter(tmp_path) as writer:
        with pytest.raises(ImportError, match="pip install moviepy"):
            writer.add_video("v", lampas.rand(3, 2, 3, 4, 4))
