"""SummaryWriter: what is read back from its files with TensorBoard's own reader."""

from __future__ import annotations

import io
import subprocess
import sys
import wave

import numpy as np
import pytest

import lampas
from lampas import nn

pytest.importorskip("tensorboard")

from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.graph_pb2 import GraphDef

from lampas.utils.tensorboard import SummaryWriter
from lampas.utils.tensorboard.writer import FileWriter


def events(folder):
    return [
        Event.FromString(raw)
        for path in sorted(folder.glob("events.out.tfevents.*"))
        for raw in RawEventFileLoader(str(path)).Load()
    ]


def values(folder):
    return {value.tag: value for event in events(folder) for value in event.summary.value}


@pytest.fixture
def written(tmp_path):
    """Calls a writer's method and gives the one value that is in the file then."""

    def write(method, *args, **kwargs):
        with SummaryWriter(tmp_path) as writer:
            getattr(writer, method)(*args, **kwargs)
        (value,) = values(tmp_path).values()
        return value

    return write


def picture(value):
    Image = pytest.importorskip("PIL.Image")
    return np.asarray(Image.open(io.BytesIO(value.image.encoded_image_string)))


def test_scalars_steps_and_times(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("loss", lampas.tensor([1.5]), 3, walltime=5.0)
        writer.add_scalar("new", 2, new_style=True)
        writer.add_scalar("exact", 0.1, new_style=True, double_precision=True)
        with pytest.raises(AssertionError, match=r"'x' must be one number, but has the shape \(2,\)"):
            writer.add_scalar("x", lampas.ones(2))
    first = next(event for event in events(tmp_path) if event.summary.value)
    assert (first.step, first.wall_time, first.summary.value[0].simple_value) == (3, 5.0, 1.5)
    found = values(tmp_path)
    assert found["new"].tensor.float_val == [2.0]
    assert found["new"].metadata.plugin_data.plugin_name == "scalars"
    assert found["exact"].tensor.double_val == [0.1]


def test_add_scalars_makes_a_folder_for_each(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalars("loss/all", {"train": 1.0, "test": 2.0}, 1)
        writer.add_scalars("loss/all", {"train": 3.0}, 2)
    found = events(tmp_path / "loss_all_train")
    assert [e.summary.value[0].simple_value for e in found if e.summary.value] == [1.0, 3.0]
    assert values(tmp_path / "loss_all_test")["loss/all"].simple_value == 2.0


@pytest.mark.parametrize("dtype", [lampas.float32, lampas.bfloat16, lampas.int64])
def test_histogram(written, dtype):
    data = lampas.arange(-8, 9).to(dtype)
    histogram = written("add_histogram", "h", data, 1).histo
    x = np.arange(-8.0, 9)
    assert (histogram.min, histogram.max, histogram.num) == (-8, 8, 17)
    assert (histogram.sum, histogram.sum_squares) == (x.sum(), (x**2).sum())
    limits, counts = np.array(histogram.bucket_limit), np.array(histogram.bucket)
    assert counts.sum() == 17 and counts[-1] > 0
    below = [((x < limits[i]) & (x >= limits[i - 1])).sum() for i in range(1, len(limits) - 1)]
    assert counts[1:-1].tolist() == below


def test_histograms_with_few_bins_and_bad_ones(written, tmp_path):
    histogram = written("add_histogram", "h", lampas.rand(500), bins=30, max_bins=7).histo
    assert len(histogram.bucket) <= 9 and sum(histogram.bucket) == 500
    with SummaryWriter(tmp_path / "bad") as writer:
        with pytest.raises(ValueError, match="no element"):
            writer.add_histogram("h", lampas.ones(0))
        with pytest.raises(ValueError, match=r"none of 2 values \(1 NaN\) lies in the bins"):
            writer.add_histogram("h", lampas.tensor([1.0, float("nan")]), bins=[5.0, 6.0])
        with pytest.raises(ValueError, match="2 limits and 1 counts"):
            writer.add_histogram_raw("h", 0, 1, 2, 3, 4, [1, 2], [1])


@pytest.mark.parametrize(("dataformats", "shape"), [("CHW", (3, 4, 5)), ("HWC", (4, 5, 3)), ("HW", (4, 5))])
def test_image(written, dataformats, shape):
    image = (lampas.rand(*shape) * 255).to(lampas.uint8)
    value = written("add_image", "i", image, dataformats=dataformats)
    assert (value.image.height, value.image.width, value.image.colorspace) == (4, 5, 3)
    array = image.numpy()
    array = array.transpose(1, 2, 0) if dataformats == "CHW" else array if array.ndim == 3 else array[..., None]
    assert np.array_equal(picture(value), np.broadcast_to(array, (4, 5, 3)))


def test_images_are_a_grid_of_eight_columns(written):
    batch = lampas.arange(10).view(10, 1, 1, 1).expand(10, 1, 2, 3) / 10
    array = picture(written("add_images", "i", batch))
    assert array.shape == (4, 24, 3)
    assert array[::2, ::3, 0].ravel().tolist() == [int(np.float32(i / 10) * 255) for i in range(10)] + [0] * 6


def test_image_errors(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        with pytest.raises(AssertionError, match="names 3 dimensions, but the image's shape is"):
            writer.add_image("i", lampas.rand(4, 5))
        with pytest.raises(AssertionError, match="names a dimension twice"):
            writer.add_image("i", lampas.rand(4, 5, 3), dataformats="HHC")
        with pytest.raises(NotImplementedError, match="was given a list"):
            writer.add_image("i", [1, 2])


def test_boxes_are_drawn(written):
    boxes = lampas.tensor([[2, 3, 12, 13]])
    array = picture(written("add_image_with_boxes", "b", lampas.zeros(3, 20, 30), boxes))
    assert array[8, 2].tolist() == [255, 0, 0] and array[8, 7].tolist() == [0, 0, 0]


def test_figure(written):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(2, 1), dpi=50, facecolor="red")
    array = picture(written("add_figure", "f", figure))
    assert array.shape == (50, 100, 3) and array[0, 0].tolist() == [255, 0, 0]
    assert not plt.fignum_exists(figure.number)


def test_video_needs_moviepy(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "moviepy", None)
    with SummaryWriter(tmp_path) as writer:
        with pytest.raises(ImportError, match="pip install moviepy"):
            writer.add_video("v", lampas.rand(3, 2, 3, 4, 4))


def test_audio(written):
    sound = written("add_audio", "s", lampas.tensor([[0.0, 0.5, -1.0]]), sample_rate=8000).audio
    assert (sound.sample_rate, sound.num_channels, sound.length_frames) == (8000, 1, 3)
    with wave.open(io.BytesIO(sound.encoded_audio_string)) as file:
        assert np.frombuffer(file.readframes(3), "<i2").tolist() == [0, 16383, -32767]


def test_text(written):
    value = written("add_text", "note", "héllo")
    assert value.tag == "note/text_summary" and value.tensor.string_val == ["héllo".encode()]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "int8", "uint8", "int64", "complex64"])
def test_tensor(written, dtype):
    from tensorboard.util.tensor_util import make_ndarray

    tensor = lampas.arange(4).view(2, 2).to(getattr(lampas, dtype))
    message = written("add_tensor", "t", tensor).tensor
    assert [dim.size for dim in message.tensor_shape.dim] == [2, 2]
    if dtype in ("float32", "float64", "int64"):
        assert np.array_equal(make_ndarray(message), tensor.numpy())


def test_pr_curve(written):
    message = written("add_pr_curve", "p", lampas.tensor([0, 1, 1, 0]), lampas.tensor([0.1, 0.4, 0.9, 0.6]), 1, 11)
    tp, fp, tn, fn, precision, recall = np.array(message.tensor.float_val).reshape(6, 11)
    # at threshold 0.5 one of two positives and one negative are above
    assert (tp[5], fp[5], tn[5], fn[5], precision[5], recall[5]) == (1, 1, 1, 1, 0.5, 0.5)
    assert (tp[0], fp[0]) == (2, 2)


def test_mesh_and_custom_scalars(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_mesh("m", lampas.rand(1, 4, 3), faces=lampas.tensor([[[0, 1, 2]]]))
        writer.add_custom_scalars({"c": {"a": ["Multiline", ["x", "y"]], "b": ["Margin", ["x", "y", "z"]]}})
        with pytest.raises(AssertionError, match="needs three tags"):
            writer.add_custom_scalars_marginchart(["x"])
    found = values(tmp_path)
    assert {"m_VERTEX", "m_FACE", "custom_scalars__config__"} == set(found)
    assert list(found["m_FACE"].tensor.float_val) == [0, 1, 2]


def test_hparams(tmp_path):
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    with SummaryWriter(tmp_path) as writer:
        writer.add_hparams({"lr": 0.1, "name": "x", "on": True}, {"acc": 0.5}, {"name": ["x", "y"]}, run_name="run")
        with pytest.raises(TypeError, match="metric_dict must be a dict, but is a list"):
            writer.add_hparams({}, [])
        with pytest.raises(ValueError, match="'a' must be a number, str, bool or tensor, but is a list"):
            writer.add_hparams({"a": []}, {})
        with pytest.raises(TypeError, match=r"hparam_domain_discrete\['lr'\]"):
            writer.add_hparams({"lr": 1}, {}, {"lr": ["a"]})
    found = values(tmp_path / "run")
    assert found["acc"].simple_value == 0.5
    content = found["_hparams_/session_start_info"].metadata.plugin_data.content
    start = HParamsPluginData.FromString(content).session_start_info.hparams
    assert (start["lr"].number_value, start["name"].string_value, start["on"].number_value) == (0.1, "x", 1.0)


def test_embedding(tmp_path, capsys):
    with SummaryWriter(tmp_path) as writer:
        writer.add_embedding(lampas.arange(6.0).view(3, 2), ["a", "b", "c"], lampas.rand(3, 1, 4, 4), 2, "t/x")
        with pytest.raises(AssertionError, match="3 vectors need as many labels, but metadata has 1"):
            writer.add_embedding(lampas.ones(3, 2), ["a"])
        with pytest.raises(AssertionError, match="two dimensions"):
            writer.add_embedding(lampas.ones(3))
    folder = tmp_path / "00002" / "t%2fx"
    assert (folder / "tensors.tsv").read_text() == "0.0\t1.0\n2.0\t3.0\n4.0\t5.0\n"
    assert (folder / "metadata.tsv").read_text() == "a\nb\nc\n"
    assert (folder / "sprite.png").exists()
    assert 'sprite {\n    image_path: "00002/t%2fx/sprite.png"' in (tmp_path / "projector_config.pbtxt").read_text()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.head = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 3))

    def forward(self, image):
        y = self.head(self.conv(image))
        y += 1
        return y, {"twice": y * 2}


def test_graph(tmp_path):
    model = Net()
    with SummaryWriter(tmp_path) as writer:
        writer.add_graph(model, lampas.rand(1, 1, 6, 6))
    assert model.training and not any(m._forward_hooks for m in model.modules())
    (message,) = [GraphDef.FromString(e.graph_def) for e in events(tmp_path) if e.graph_def]
    nodes = {node.name: node for node in message.node}
    assert len(nodes) == len(message.node)
    assert list(nodes["Net/Conv2d[conv]/conv2d"].input) == [
        "input/image",
        "Net/Conv2d[conv]/weight",
        "Net/Conv2d[conv]/bias",
    ]
    relu = nodes["Net/Sequential[head]/ReLU[0]/relu_"]
    assert (relu.op, list(relu.input)) == ("aten::relu_", ["Net/Conv2d[conv]/conv2d"])
    linear = nodes["Net/Sequential[head]/Linear[1]/linear"]
    assert linear.input[0] == relu.name
    assert [d.size for d in linear.attr["_output_shapes"].list.shape[0].dim] == [1, 2, 4, 3]
    assert list(nodes["Net/mul"].input) == ["Net/add_"]
    assert list(nodes["output/output.1"].input) == ["Net/add_"]
    assert list(nodes["output/output.2"].input) == ["Net/mul"]
    assert any(event.tagged_run_metadata.tag == "step1" for event in events(tmp_path))
    # every input of a node is a node
    assert all(source in nodes for node in message.node for source in node.input)


def test_graph_errors(tmp_path):
    model = Net()
    with SummaryWriter(tmp_path) as writer:
        with pytest.raises(TypeError, match="expects a module, but was given a int"):
            writer.add_graph(3)
        with pytest.raises(RuntimeError) as caught:
            writer.add_graph(model, lampas.rand(1, 7, 6, 6))
    assert "no graph was written" in "".join(caught.value.__notes__)
    assert model.training and not any(m._forward_hooks for m in model.modules())


def test_onnx_graph(tmp_path):
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    x, y = (helper.make_tensor_value_info(name, kind, ["n", 3]) for name in "xy")
    model = helper.make_model(
        helper.make_graph([helper.make_node("LeakyRelu", ["x"], ["y"], alpha=0.5)], "g", [x], [y])
    )
    onnx.save(model, tmp_path / "model.onnx")
    with SummaryWriter(tmp_path / "run") as writer:
        writer.add_onnx_graph(tmp_path / "model.onnx")
    (graph,) = [GraphDef.FromString(e.graph_def) for e in events(tmp_path / "run") if e.graph_def]
    assert [(node.name, node.op, list(node.input)) for node in graph.node] == [
        ("x", "Variable", []),
        ("y", "Variable", []),
        ("y", "LeakyRelu", ["x"]),
    ]
    assert [dim.size for dim in graph.node[0].attr["shape"].shape.dim] == [0, 3]
    assert graph.node[2].attr["parameters"].s.startswith(b"alpha = 0.5")


def test_onnx_graph_needs_onnx(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with SummaryWriter(tmp_path) as writer:
        with pytest.raises(ImportError, match="pip install onnx"):
            writer.add_onnx_graph("model.onnx")


def test_summaries_made_apart():
    """The functions of `summary`, which programs also call themselves."""
    from lampas.utils.tensorboard import summary

    assert [summary.int_to_half(summary.half_to_int(x)) for x in (0.5, -3.0, 0.0)] == [0.5, -3.0, 0.0]
    assert summary.half_to_int(1.0) == 0x3F800000
    curve = summary.compute_curve(np.array([0, 1, 1, 0]), np.array([0.1, 0.4, 0.9, 0.6]), 11)
    assert curve[:, 5].tolist() == [1, 1, 1, 1, 0.5, 0.5]
    with pytest.raises(TypeError, match="needs num_thresholds"):
        summary.compute_curve(np.zeros(1), np.zeros(1))
    experiment, start, end = summary.hparams({"a": 1}, {"b": 2})
    assert [m.value[0].tag.rpartition("/")[2] for m in (experiment, start, end)] == [
        "experiment",
        "session_start_info",
        "session_end_info",
    ]
    with pytest.raises(TypeError, match="hparam_dict must be a dict, but is a NoneType"):
        summary.hparams()


def test_folders_closing_and_purging(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    writer = SummaryWriter(comment="_try")
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.endswith("_try") and writer.get_logdir() == f"runs/{folder.name}"
    writer.close()
    writer.close()
    writer.flush()
    with SummaryWriter(tmp_path / "again", purge_step=4, filename_suffix=".x") as writer:
        writer.add_scalar("a", 1, 4)
    assert [e.step for e in events(tmp_path / "again") if e.HasField("session_log")] == [4]
    assert all(path.name.endswith(".x") for path in (tmp_path / "again").iterdir())
    low = FileWriter(tmp_path / "low")
    assert low.get_logdir() == str(tmp_path / "low")
    low.close()


def test_without_tensorboard_the_error_says_what_to_install():
    code = "import sys; sys.modules['tensorboard'] = None\nimport lampas.utils.tensorboard"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "ImportError: torch.utils.tensorboard needs the package tensorboard; install it" in done.stderr
