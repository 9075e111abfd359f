"""The messages (protocol buffers) that an event file holds, made from values."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.pr_curve.plugin_data_pb2 import PrCurvePluginData
from tensorboard.plugins.text.plugin_data_pb2 import TextPluginData

import lampas
from lampas.utils.tensorboard._arrays import make_np, to_hwc, video_frames

__all__ = [
    "audio",
    "compute_curve",
    "custom_scalars",
    "draw_boxes",
    "half_to_int",
    "histogram",
    "histogram_raw",
    "hparams",
    "image",
    "image_boxes",
    "int_to_half",
    "make_histogram",
    "make_image",
    "make_video",
    "mesh",
    "pr_curve",
    "pr_curve_raw",
    "scalar",
    "tensor_proto",
    "text",
    "video",
]


def _metadata(plugin: str, content: bytes = b"") -> SummaryMetadata:
    return SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=plugin, content=content))


def _shape(sizes: Sequence[int]) -> TensorShapeProto:
    return TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in sizes])


def _one(**fields: Any) -> Summary:
    return Summary(value=[Summary.Value(**fields)])


def scalar(
    name: str, tensor: Any, collections: Any = None, new_style: bool = False, double_precision: bool = False
) -> Summary:
    """One number; `new_style` as a tensor, which TensorBoard loads faster. `collections` is not used.

    Raises:
        AssertionError: `tensor` has more than one element.
    """
    values = make_np(tensor).squeeze()
    if values.ndim != 0:
        raise AssertionError(f"{name!r} must be one number, but has the shape {values.shape}")
    number = float(values)
    if not new_style:
        return _one(tag=name, simple_value=number)
    if double_precision:
        message = TensorProto(double_val=[number], dtype="DT_DOUBLE")
    else:
        message = TensorProto(float_val=[number], dtype="DT_FLOAT")
    return _one(tag=name, tensor=message, metadata=_metadata("scalars"))


# dtype -> the protocol's type and the field that holds the values
_TENSOR_FIELDS = {
    lampas.float16: ("DT_HALF", "half_val"),
    lampas.bfloat16: ("DT_BFLOAT16", "half_val"),
    lampas.float32: ("DT_FLOAT", "float_val"),
    lampas.float64: ("DT_DOUBLE", "double_val"),
    lampas.int8: ("DT_INT8", "int_val"),
    lampas.uint8: ("DT_UINT8", "uint32_val"),
    lampas.int16: ("DT_INT16", "int_val"),
    lampas.int32: ("DT_INT32", "int_val"),
    lampas.int64: ("DT_INT64", "int64_val"),
    lampas.bool: ("DT_BOOL", "bool_val"),
    lampas.complex64: ("DT_COMPLEX64", "scomplex_val"),
    lampas.complex128: ("DT_COMPLEX128", "dcomplex_val"),
}


def half_to_int(f: float) -> int:
    """The bits of a number's float32, read as an int: so a `TensorProto` holds 16-bit numbers."""
    return int(np.float32(f).view(np.int32))


def int_to_half(i: int) -> float:
    """The number whose `half_to_int` is `i`."""
    return float(np.int32(i).view(np.float32))


def tensor_proto(tag: str, tensor: Any) -> Summary:
    """A whole tensor.

    Raises:
        ValueError: it has 2 GB or more, or a dtype that the format lacks.
    """
    if tensor.numel() * tensor.element_size() >= 1 << 31:
        raise ValueError(f"{tag!r} has {tensor.numel() * tensor.element_size()} bytes; an event holds less than 2 GB")
    if tensor.dtype not in _TENSOR_FIELDS:
        raise ValueError(f"{tag} has unsupported tensor dtype {tensor.dtype}")
    kind, field = _TENSOR_FIELDS[tensor.dtype]
    flat = tensor.detach().cpu().flatten()
    if field == "half_val":
        # as `half_to_int` does for one
        values = flat.float().numpy().view(np.int32).tolist()
    elif tensor.dtype.is_complex:
        values = lampas.view_as_real(flat).flatten().tolist()
    else:
        values = flat.tolist()
    message = TensorProto(dtype=kind, tensor_shape=_shape(tensor.shape), **{field: values})
    return _one(tag=tag, tensor=message, metadata=_metadata("tensor"))


def histogram_raw(
    name: str, min: Any, max: Any, num: Any, sum: Any, sum_squares: Any, bucket_limits: Any, bucket_counts: Any
) -> Summary:
    """A histogram counted elsewhere: bucket i holds what is at most ``bucket_limits[i]``."""
    message = HistogramProto(
        min=min, max=max, num=num, sum=sum, sum_squares=sum_squares, bucket_limit=bucket_limits, bucket=bucket_counts
    )
    return _one(tag=name, histo=message)


def histogram(name: str, values: Any, bins: Any, max_bins: int | None = None) -> Summary:
    """The histogram of all values of a tensor."""
    return _one(tag=name, histo=make_histogram(make_np(values).astype(float), bins, max_bins))


def make_histogram(values: np.ndarray, bins: Any, max_bins: int | None = None) -> HistogramProto:
    """Counts values in bins (see ``numpy.histogram``), at most about `max_bins`, and drops empty bins at both ends.

    Raises:
        ValueError: there are no values, or none in the bins.
    """
    if values.size == 0:
        raise ValueError("The input has no element.")
    values = values.reshape(-1)
    counts, limits = np.histogram(values, bins=bins)
    if max_bins is not None and len(counts) > max_bins:
        step = len(counts) // max_bins
        rest = len(counts) % step
        padded = np.pad(counts, (0, step - rest)) if rest else counts
        counts = padded.reshape(-1, step).sum(axis=-1)
        limits = np.append(limits[:-1:step], limits[-1])
    filled = np.flatnonzero(counts)
    if filled.size == 0:
        missing = np.isnan(values).sum()
        raise ValueError(f"the histogram is empty: none of {values.size} values ({missing} NaN) lies in the bins")
    start, end = int(filled[0]), int(filled[-1]) + 1
    # The first bucket's limit is where the first filled bin begins, so one (empty) bin before it is kept.
    buckets = np.concatenate([counts[start - 1 : start] if start else [0], counts[start:end]])
    return HistogramProto(
        min=values.min(),
        max=values.max(),
        num=len(values),
        sum=values.sum(),
        sum_squares=values.dot(values),
        bucket_limit=limits[start : end + 1].tolist(),
        bucket=buckets.tolist(),
    )


def _to_bytes(array: np.ndarray) -> np.ndarray:
    """uint8 as it is; numbers from 0 to 1 as 0 to 255."""
    scale = 1 if array.dtype == np.uint8 else 255
    return (array.astype(np.float32) * scale).clip(0, 255).astype(np.uint8)


def make_image(tensor: np.ndarray, rescale: float = 1, rois: Any = None, labels: Any = None) -> Summary.Image:
    """A uint8 array (H, W, 3) as a PNG, with boxes and their labels drawn on it, then resized by `rescale`.

    Raises:
        ImportError: the package Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError("writing images needs the package Pillow; install it with `pip install pillow`") from error
    height, width, channels = tensor.shape
    picture = Image.fromarray(tensor)
    if rois is not None:
        picture = draw_boxes(picture, rois, labels)
    size = (int(width * rescale), int(height * rescale))
    if size != picture.size:
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, format="PNG")
    return Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=file.getvalue())


def draw_boxes(disp_image: Any, boxes: Any, labels: Any = None) -> Any:
    """Draws boxes (N rows: left, top, right, bottom) with labels on a Pillow image, which it also returns."""
    from PIL import ImageDraw, ImageFont

    font, draw = ImageFont.load_default(), ImageDraw.Draw(disp_image)
    for i, (left, top, right, bottom) in enumerate(boxes[:, :4].tolist()):
        corners = [(left, top), (left, bottom), (right, bottom), (right, top), (left, top)]
        draw.line(corners, width=2, fill="Red")
        if labels is not None and labels[i]:
            x0, y0, x1, y1 = font.getbbox(labels[i])
            margin = np.ceil(0.05 * (y1 - y0))
            corner = (left, bottom - (y1 - y0) - 2 * margin)
            draw.rectangle([corner, (left + x1 - x0, bottom)], fill="Red")
            draw.text((left + margin, bottom - (y1 - y0) - margin), labels[i], fill="black", font=font)
    return disp_image


def image(tag: str, tensor: Any, rescale: float = 1, dataformats: str = "NCHW") -> Summary:
    """An image, or a batch of images as a grid: uint8, or numbers from 0 to 1."""
    return _one(tag=tag, image=make_image(_to_bytes(to_hwc(make_np(tensor), dataformats)), rescale))


def image_boxes(
    tag: str, tensor_image: Any, tensor_boxes: Any, rescale: float = 1, dataformats: str = "CHW", labels: Any = None
) -> Summary:
    """An image with boxes (N rows: left, top, right, bottom) drawn on it."""
    array = _to_bytes(to_hwc(make_np(tensor_image), dataformats))
    return _one(tag=tag, image=make_image(array, rescale, make_np(tensor_boxes), labels))


def video(tag: str, tensor: Any, fps: float = 4) -> Summary:
    """Videos of shape (N, T, C, H, W), uint8 or numbers from 0 to 1, as an animated GIF: see `make_video`."""
    return _one(tag=tag, image=make_video(_to_bytes(video_frames(make_np(tensor))), fps))


def make_video(tensor: np.ndarray, fps: float) -> Summary.Image:
    """Frames, uint8 of shape (T, H, W, C), as an animated GIF.

    Raises:
        ImportError: the package moviepy is not installed.
    """
    try:
        try:
            from moviepy import ImageSequenceClip
        except ImportError:
            from moviepy.editor import ImageSequenceClip
    except ImportError as error:
        raise ImportError("add_video needs the package moviepy; install it with `pip install moviepy`") from error
    import os
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "video.gif")
        ImageSequenceClip(list(tensor), fps=fps).write_gif(path, logger=None)
        with open(path, "rb") as file:
            encoded = file.read()
    _, height, width, channels = tensor.shape
    return Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=encoded)


def audio(tag: str, tensor: Any, sample_rate: int = 44100) -> Summary:
    """One channel of sound, numbers from -1 to 1, as a 16-bit WAV.

    Raises:
        AssertionError: the tensor has more than one dimension larger than 1.
    """
    import wave

    array = make_np(tensor).squeeze()
    if array.ndim != 1:
        raise AssertionError(f"sound must have one dimension, but {tag!r} has the shape {array.shape}")
    if abs(array).max() > 1:
        print("warning: audio amplitude out of range, auto clipped.")
        array = array.clip(-1, 1)
    array = (array * np.iinfo(np.int16).max).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(sample_rate)
        out.writeframes(array.data)
    message = Summary.Audio(
        sample_rate=sample_rate,
        num_channels=1,
        length_frames=array.shape[-1],
        encoded_audio_string=file.getvalue(),
        content_type="audio/wav",
    )
    return _one(tag=tag, audio=message)


def text(tag: str, text: str) -> Summary:
    """A text, which TensorBoard shows as Markdown."""
    message = TensorProto(dtype="DT_STRING", string_val=[text.encode()], tensor_shape=_shape([1]))
    metadata = _metadata("text", TextPluginData(version=0).SerializeToString())
    return _one(tag=tag + "/text_summary", metadata=metadata, tensor=message)


def custom_scalars(layout: dict) -> Summary:
    """A page of charts: {category: {chart: ["Multiline" or "Margin", tags]}}.

    Raises:
        AssertionError: a margin chart without exactly three tags (value, lower, upper).
    """
    categories = []
    for category, charts in layout.items():
        messages = []
        for title, (kind, tags, *_) in charts.items():
            if kind == "Margin":
                if len(tags) != 3:
                    raise AssertionError(f"chart {title!r} needs three tags (value, lower, upper), but has {len(tags)}")
                series = layout_pb2.MarginChartContent.Series(value=tags[0], lower=tags[1], upper=tags[2])
                content = layout_pb2.MarginChartContent(series=[series])
                messages.append(layout_pb2.Chart(title=title, margin=content))
            else:
                messages.append(layout_pb2.Chart(title=title, multiline=layout_pb2.MultilineChartContent(tag=tags)))
        categories.append(layout_pb2.Category(title=category, chart=messages))
    content = layout_pb2.Layout(category=categories).SerializeToString()
    message = TensorProto(dtype="DT_STRING", string_val=[content], tensor_shape=TensorShapeProto())
    return _one(tag="custom_scalars__config__", tensor=message, metadata=_metadata("custom_scalars"))


def _pr_curve(tag: str, data: np.ndarray, num_thresholds: int) -> Summary:
    content = PrCurvePluginData(version=0, num_thresholds=num_thresholds).SerializeToString()
    message = TensorProto(dtype="DT_FLOAT", float_val=data.reshape(-1).tolist(), tensor_shape=_shape(data.shape))
    return _one(tag=tag, tensor=message, metadata=_metadata("pr_curves", content))


def pr_curve_raw(
    tag: str,
    tp: Any,
    fp: Any,
    tn: Any,
    fn: Any,
    precision: Any,
    recall: Any,
    num_thresholds: int = 127,
    weights: Any = None,
) -> Summary:
    """A precision-recall curve counted elsewhere, one number for each threshold."""
    data = np.stack([make_np(values) for values in (tp, fp, tn, fn, precision, recall)])
    return _pr_curve(tag, data, min(num_thresholds, 127))


def pr_curve(tag: str, labels: Any, predictions: Any, num_thresholds: int = 127, weights: Any = None) -> Summary:
    """Precision and recall of predictions (0 to 1) against labels (0 or 1), at evenly spaced thresholds."""
    thresholds = min(num_thresholds, 127)
    return _pr_curve(tag, compute_curve(labels, predictions, thresholds, weights), thresholds)


def compute_curve(labels: Any, predictions: Any, num_thresholds: int | None = None, weights: Any = None) -> np.ndarray:
    """True and false positives, true and false negatives, precision and recall: six rows, a threshold in each column.

    Raises:
        TypeError: no number of thresholds is given.
    """
    if num_thresholds is None:
        raise TypeError("compute_curve needs num_thresholds, the number of thresholds from 0 to 1")
    labels, predictions = make_np(labels).astype(np.float64), make_np(predictions)
    weights = 1.0 if weights is None else make_np(weights)
    buckets = np.floor(predictions * (num_thresholds - 1)).astype(np.int32)

    def at_least(counted: np.ndarray) -> np.ndarray:
        # How many have a prediction in this bucket or above.
        found, _ = np.histogram(buckets, bins=num_thresholds, range=(0, num_thresholds - 1), weights=counted)
        return np.cumsum(found[::-1])[::-1]

    tp, fp = at_least(labels * weights), at_least((1.0 - labels) * weights)
    tn, fn = fp[0] - fp, tp[0] - tp
    precision = tp / np.maximum(1e-7, tp + fp)
    recall = tp / np.maximum(1e-7, tp + fn)
    return np.stack((tp, fp, tn, fn, precision, recall))


def mesh(
    tag: str,
    vertices: Any,
    colors: Any,
    faces: Any,
    config_dict: dict | None,
    display_name: str | None = None,
    description: str | None = None,
) -> Summary:
    """Points or a surface in space; each tensor has the shape (N, points, 3)."""
    from tensorboard.plugins.mesh import metadata
    from tensorboard.plugins.mesh.plugin_data_pb2 import MeshPluginData

    config = "{}" if config_dict is None else json.dumps(config_dict, sort_keys=True)
    kinds = ((vertices, MeshPluginData.VERTEX), (faces, MeshPluginData.FACE), (colors, MeshPluginData.COLOR))
    given = [(lampas.as_tensor(values), kind) for values, kind in kinds if values is not None]
    components = metadata.get_components_bitmask([kind for _, kind in given])
    summaries = []
    for values, kind in given:
        about = metadata.create_summary_metadata(
            tag, display_name, kind, components, list(values.shape), description, json_config=config
        )
        message = TensorProto(
            dtype="DT_FLOAT", float_val=values.reshape(-1).tolist(), tensor_shape=_shape(values.shape[:3])
        )
        name = metadata.get_instance_name(tag, kind)
        summaries.append(Summary.Value(tag=name, tensor=message, metadata=about))
    return Summary(value=summaries)


def hparams(
    hparam_dict: dict | None = None, metric_dict: dict | None = None, hparam_domain_discrete: dict | None = None
) -> tuple[Summary, Summary, Summary]:
    """The three messages of a run's hyperparameters: the experiment, the run's values, the run's end.

    Raises:
        TypeError: an argument is no dict, or a domain is not a list of values of the hyperparameter's type.
        ValueError: a hyperparameter is no number, string, bool or tensor.
    """
    from google.protobuf.struct_pb2 import ListValue, Value
    from tensorboard.plugins.hparams import metadata
    from tensorboard.plugins.hparams.api_pb2 import DataType, Experiment, HParamInfo, MetricInfo, MetricName, Status
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo

    domains = hparam_domain_discrete or {}
    arguments = {"hparam_dict": hparam_dict, "metric_dict": metric_dict, "hparam_domain_discrete": domains}
    for argument, value in arguments.items():
        if not isinstance(value, dict):
            raise TypeError(f"{argument} must be a dict, but is a {type(value).__name__}; nothing was logged")
    assert hparam_dict is not None and metric_dict is not None  # as all are dicts
    for name, domain in domains.items():
        kind = type(hparam_dict.get(name))
        if name not in hparam_dict or not isinstance(domain, list) or not all(isinstance(d, kind) for d in domain):
            raise TypeError(f"hparam_domain_discrete[{name!r}] must be a list of values like hparam_dict[{name!r}]")

    start, infos = SessionStartInfo(), []
    for name, value in hparam_dict.items():
        if value is None:
            continue
        if isinstance(value, lampas.Tensor):
            value = make_np(value).item()
        # TensorBoard's own writer for PyTorch keeps a bool as a number, too.
        if isinstance(value, (int, float)):
            field, data_type = "number_value", "DATA_TYPE_FLOAT64"
        elif isinstance(value, str):
            field, data_type = "string_value", "DATA_TYPE_STRING"
        else:
            raise ValueError(
                f"hyperparameter {name!r} must be a number, str, bool or tensor, but is a {type(value).__name__}"
            )
        setattr(start.hparams[name], field, value)
        domain = ListValue(values=[Value(**{field: d}) for d in domains[name]]) if name in domains else None
        infos.append(HParamInfo(name=name, type=DataType.Value(data_type), domain_discrete=domain))

    def message(tag: str, **data: Any) -> Summary:
        content = HParamsPluginData(version=metadata.PLUGIN_DATA_VERSION, **data).SerializeToString()
        return _one(tag=tag, metadata=_metadata(metadata.PLUGIN_NAME, content))

    metrics = [MetricInfo(name=MetricName(tag=name)) for name in metric_dict]
    end = SessionEndInfo(status=Status.Value("STATUS_SUCCESS"))
    return (
        message(metadata.EXPERIMENT_TAG, experiment=Experiment(hparam_infos=infos, metric_infos=metrics)),
        message(metadata.SESSION_START_INFO_TAG, session_start_info=start),
        message(metadata.SESSION_END_INFO_TAG, session_end_info=end),
    )
