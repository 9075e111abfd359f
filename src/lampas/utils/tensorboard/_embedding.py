"""The files of TensorBoard's projector, which shows vectors in space."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
from tensorboard.plugins.projector.projector_config_pb2 import EmbeddingInfo

from lampas.utils.tensorboard._arrays import make_grid, make_np

__all__ = ["embedding_info", "write_metadata", "write_sprite", "write_vectors"]


def write_vectors(matrix: np.ndarray, folder: str) -> None:
    """tensors.tsv: a line for each vector."""
    with open(os.path.join(folder, "tensors.tsv"), "w") as file:
        for row in matrix:
            file.write("\t".join(str(x.item()) for x in row) + "\n")


def write_metadata(metadata: list, folder: str, header: list | None = None) -> None:
    """metadata.tsv: a label for each vector, or with a header several."""
    if not header:
        lines = [str(label) for label in metadata]
    elif len(header) != len(metadata[0]):
        raise AssertionError(f"metadata has {len(metadata[0])} columns, but metadata_header names {len(header)}")
    else:
        lines = ["\t".join(str(part) for part in row) for row in [header, *metadata]]
    with open(os.path.join(folder, "metadata.tsv"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def write_sprite(images: Any, folder: str) -> None:
    """sprite.png: the vectors' pictures, (N, 1 or 3, H, W), in a square."""
    from PIL import Image

    images = make_np(images)
    grid = make_grid(images, ncols=math.ceil(images.shape[0] ** 0.5)).transpose(1, 2, 0)
    square = np.zeros((grid.shape[1], grid.shape[1], 3))
    square[: grid.shape[0]] = grid
    Image.fromarray((square * 255).clip(0, 255).astype(np.uint8)).save(os.path.join(folder, "sprite.png"))


def embedding_info(metadata: Any, images: Any, folder: str, step: int, tag: str) -> EmbeddingInfo:
    """The entry of one set of vectors in projector_config.pbtxt."""
    info = EmbeddingInfo(tensor_name=f"{tag}:{str(step).zfill(5)}", tensor_path=os.path.join(folder, "tensors.tsv"))
    if metadata is not None:
        info.metadata_path = os.path.join(folder, "metadata.tsv")
    if images is not None:
        info.sprite.image_path = os.path.join(folder, "sprite.png")
        info.sprite.single_image_dim.extend([images.shape[3], images.shape[2]])
    return info
