"""Functions of neural networks without state: what ``lampas.nn.functional`` offers, by subject.

Functions that need no Python of ours are the engine's own and are looked up at their first use.
"""

from __future__ import annotations

from typing import Any

import lampas

from .activation import *  # noqa: F403
from .attention import *  # noqa: F403
from .convolution import *  # noqa: F403
from .distance import *  # noqa: F403
from .dropout import *  # noqa: F403
from .embedding import *  # noqa: F403
from .loss import *  # noqa: F403
from .normalization import *  # noqa: F403
from .padding import *  # noqa: F403
from .pooling import *  # noqa: F403
from .vision import *  # noqa: F403

# The engine's functions shown here: name here -> where it stands in the engine.
_ENGINE = {
    **{
        name: name
        for name in (
            *("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "conv_tbc"),
            *("avg_pool1d", "adaptive_avg_pool1d", "bilinear", "channel_shuffle", "native_channel_shuffle"),
            *("pixel_shuffle", "pixel_unshuffle", "pairwise_distance", "cosine_similarity", "prelu"),
            *("hardshrink", "relu_", "rrelu_", "selu_", "celu_", "threshold_"),
        )
    },
    **{
        name: f"nn.{name}"
        for name in (
            *("linear", "gelu", "softplus", "softshrink", "elu_", "hardtanh_", "leaky_relu_", "avg_pool2d"),
            *("avg_pool3d", "scaled_dot_product_attention"),
        )
    },
    "logsigmoid": "nn.log_sigmoid",
}


def __getattr__(name: str) -> Any:
    if name == "pdist":
        return lampas.pdist
    where = _ENGINE.get(name)
    if where is None:
        raise AttributeError(f"module 'lampas.nn.functional' has no attribute '{name}'")
    function = lampas._C
    for part in where.split("."):
        function = getattr(function, part)
    globals()[name] = function
    return function


def __dir__() -> list[str]:
    return sorted({*globals(), *_ENGINE})
