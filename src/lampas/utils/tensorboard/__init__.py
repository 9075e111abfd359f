"""`SummaryWriter`: files that TensorBoard shows, written with TensorBoard's own event writer.

Needs the package tensorboard (and Pillow for images, matplotlib for figures, moviepy for videos, onnx for
ONNX graphs).
"""

from __future__ import annotations

try:
    from tensorboard.summary.writer.record_writer import RecordWriter
except ImportError as error:
    raise ImportError(
        "torch.utils.tensorboard needs the package tensorboard; install it with `pip install tensorboard`"
    ) from error

from lampas.utils.tensorboard.writer import FileWriter, SummaryWriter

__all__ = ["FileWriter", "RecordWriter", "SummaryWriter"]
