"""Every module against PyTorch's: printed form, state, initial values, outputs, gradients."""

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import lampas  # noqa: E402

torch.set_num_threads(1)


def normal(*shape):
    return ("normal", shape)


def uniform(*shape):
    """Probabilities."""
    return ("uniform", shape)


def ints(high, *shape):
    return ("ints", shape, high)


def signs(*shape):
    return ("signs", shape)


def fixed(values, dtype="float32"):
    return ("fixed", values, dtype)


def make(spec, rng):
    kind = spec[0]
    if kind == "normal":
        return rng.standard_normal(spec[1]).astype("float32")
    if kind == "uniform":
        return rng.uniform(0.05, 0.95, spec[1]).astype("float32")
    if kind == "ints":
        return rng.integers(0, spec[2], spec[1]).astype("int64")
    if kind == "signs":
        return np.where(rng.uniform(size=spec[1]) < 0.5, -1.0, 1.0).astype("float32")
    return np.array(spec[1], dtype=spec[2])


X1, X2, X3 = normal(2, 4, 9), normal(2, 4, 8, 7), normal(2, 4, 5, 6, 7)
# class name, positional arguments, keyword arguments, inputs; a tensor argument is a spec
CASES = [
    ("Linear", (6, 4), {}, [normal(3, 6)]),
    ("Linear", (6, 4), {"bias": False}, [normal(2, 3, 6)]),
    ("Linear", (6, 4), {}, [normal(6)]),
    ("Bilinear", (3, 4, 5), {}, [normal(2, 3), normal(2, 4)]),
    ("Identity", (1, 2), {"a": 3}, [normal(2)]),
    ("Conv1d", (4, 6, 3), {}, [X1]),
    ("Conv1d", (4, 6, 3), {"padding": "same", "padding_mode": "circular"}, [X1]),
    ("Conv2d", (4, 6, 3), {}, [X2]),
    ("Conv2d", (4, 6, (3, 2)), {"stride": 2, "padding": (1, 0), "dilation": (1, 2), "groups": 2, "bias": False}, [X2]),
    ("Conv2d", (4, 6, 3), {"padding": "same", "dilation": 2}, [X2]),
    ("Conv2d", (4, 6, 4), {"padding": "same", "padding_mode": "reflect"}, [X2]),
    ("Conv2d", (4, 6, 3), {"padding": 1, "padding_mode": "replicate"}, [X2]),
    ("Conv2d", (4, 6, 3), {"padding": "valid"}, [normal(4, 8, 7)]),
    ("Conv3d", (4, 6, 3), {"padding": 1}, [X3]),
    ("ConvTranspose1d", (4, 6, 3), {"stride": 2, "output_padding": 1}, [X1]),
    ("ConvTranspose2d", (4, 6, 3), {"stride": 2, "padding": 1, "groups": 2}, [X2]),
    ("ConvTranspose3d", (4, 6, 2), {"stride": 2, "bias": False}, [X3]),
    ("MaxPool1d", (2,), {}, [X1]),
    ("MaxPool2d", (2,), {}, [X2]),
    ("MaxPool2d", ((3, 2),), {"stride": 2, "padding": 1, "ceil_mode": True, "dilation": 1}, [X2]),
    ("MaxPool2d", (2,), {"return_indices": True}, [X2]),
    ("MaxPool3d", (2,), {}, [X3]),
    ("AvgPool1d", (2,), {}, [X1]),
    ("AvgPool2d", (2,), {"padding": 1, "count_include_pad": False}, [X2]),
    ("AvgPool2d", (2,), {"divisor_override": 3}, [X2]),
    ("AvgPool3d", (2,), {}, [X3]),
    ("LPPool1d", (2, 3), {}, [X1]),
    ("LPPool2d", (2, 3), {"stride": 2}, [X2]),
    ("LPPool3d", (2, 2), {}, [X3]),
    ("AdaptiveAvgPool1d", (3,), {}, [X1]),
    ("AdaptiveAvgPool2d", ((3, None),), {}, [X2]),
    ("AdaptiveAvgPool3d", (2,), {}, [X3]),
    ("AdaptiveMaxPool1d", (3,), {}, [X1]),
    ("AdaptiveMaxPool2d", ((3, None),), {"return_indices": True}, [X2]),
    ("AdaptiveMaxPool3d", (2,), {}, [X3]),
    ("FractionalMaxPool2d", (2,), {"output_size": 4, "_random_samples": uniform(2, 4, 2)}, [X2]),
    ("FractionalMaxPool2d", (2,), {"output_ratio": 0.6}, [X2]),
    ("FractionalMaxPool3d", (2,), {"output_ratio": 0.6}, [X3]),
    ("MaxUnpool1d", (2,), {}, [fixed([[[5.0, 7.0]]]), fixed([[[1, 2]]], "int64")]),
    ("MaxUnpool2d", (2,), {}, [fixed([[[[5.0]]]]), fixed([[[[3]]]], "int64")]),
    ("MaxUnpool3d", (2,), {}, [fixed([[[[[5.0]]]]]), fixed([[[[[6]]]]], "int64")]),
    ("BatchNorm1d", (4,), {}, [normal(5, 4)]),
    ("BatchNorm1d", (4,), {}, [X1]),
    ("BatchNorm2d", (4,), {}, [X2]),
    ("BatchNorm2d", (4,), {"momentum": None, "affine": False}, [X2]),
    ("BatchNorm2d", (4,), {"track_running_stats": False, "bias": False}, [X2]),
    ("BatchNorm3d", (4,), {"eps": 1e-3}, [X3]),
    ("InstanceNorm1d", (4,), {}, [X1]),
    ("InstanceNorm2d", (4,), {"affine": True, "track_running_stats": True}, [X2]),
    ("InstanceNorm2d", (4,), {}, [normal(4, 5, 5)]),
    ("InstanceNorm3d", (4,), {}, [X3]),
    ("LayerNorm", (9,), {}, [X1]),
    ("LayerNorm", ((4, 9),), {"bias": False}, [X1]),
    ("LayerNorm", ((4, 9),), {"elementwise_affine": False}, [X1]),
    ("RMSNorm", (9,), {}, [X1]),
    ("RMSNorm", (9,), {"eps": 1e-3, "elementwise_affine": False}, [X1]),
    ("GroupNorm", (2, 4), {}, [X2]),
    ("GroupNorm", (2, 4), {"affine": False}, [X1]),
    ("LocalResponseNorm", (2,), {}, [X2]),
    ("LocalResponseNorm", (3,), {"alpha": 0.1, "k": 2.0}, [X1]),
    ("CrossMapLRN2d", (3,), {"alpha": 0.1}, [X2]),
    ("CrossMapLRN2d", (2,), {"alpha": 0.1}, [X2]),
    ("Dropout", (0.3,), {}, [X1]),
    ("Dropout1d", (0.3,), {}, [X1]),
    ("Dropout2d", (0.3,), {}, [X2]),
    ("Dropout3d", (0.3,), {}, [X3]),
    ("AlphaDropout", (0.3,), {}, [X1]),
    ("FeatureAlphaDropout", (0.3,), {}, [X2]),
    ("Embedding", (10, 3), {}, [ints(10, 2, 5)]),
    ("Embedding", (10, 3), {"padding_idx": -1, "max_norm": 1.0}, [ints(10, 2, 5)]),
    ("Embedding", (10, 3), {"scale_grad_by_freq": True, "norm_type": 1.0}, [ints(10, 2, 5)]),
    ("EmbeddingBag", (10, 3), {}, [ints(10, 2, 5)]),
    ("EmbeddingBag", (10, 3), {"mode": "sum", "padding_idx": 2}, [ints(10, 6), fixed([0, 2], "int64")]),
    ("EmbeddingBag", (10, 3), {"mode": "max", "max_norm": 1.5}, [ints(10, 2, 5)]),
    ("Flatten", (), {}, [X2]),
    ("Flatten", (), {"start_dim": 0, "end_dim": 1}, [X2]),
    ("Unflatten", (1, (2, 2)), {}, [X2]),
    ("Fold", ((4, 5), 2), {}, [normal(1, 12, 12)]),
    ("Unfold", ((2, 3),), {"padding": 1}, [X2]),
    ("PixelShuffle", (2,), {}, [X2]),
    ("PixelUnshuffle", (2,), {}, [normal(1, 1, 4, 4)]),
    ("ChannelShuffle", (2,), {}, [X2]),
    ("PairwiseDistance", (), {}, [normal(3, 4), normal(3, 4)]),
    ("CosineSimilarity", (), {}, [normal(3, 4), normal(3, 4)]),
    ("Upsample", (), {"scale_factor": 2}, [X2]),
    ("Upsample", (), {"size": (5, 9), "mode": "bilinear"}, [X2]),
    ("Upsample", (), {"scale_factor": (2.0, 1.5), "mode": "bicubic", "align_corners": True}, [X2]),
    ("Upsample", (), {"scale_factor": 1.7, "mode": "linear", "recompute_scale_factor": True}, [X1]),
    ("Upsample", (), {"size": 6, "mode": "trilinear"}, [X3]),
    ("Upsample", (), {"size": 6, "mode": "nearest-exact"}, [X2]),
    ("Upsample", (), {"size": 6, "mode": "area"}, [X2]),
    ("UpsamplingNearest2d", (), {"scale_factor": 2}, [X2]),
    ("UpsamplingBilinear2d", (), {"scale_factor": 2}, [X2]),
    ("MultiheadAttention", (8, 2), {}, [normal(5, 2, 8)] * 3),
    ("MultiheadAttention", (8, 2), {"add_bias_kv": True, "add_zero_attn": True}, [normal(5, 2, 8)] * 3),
    ("MultiheadAttention", (8, 2), {"kdim": 3, "vdim": 5, "batch_first": True, "bias": False}, None),
    ("TransformerEncoderLayer", (8, 2, 16), {"dropout": 0.0}, [normal(5, 2, 8)]),
    ("TransformerEncoderLayer", (8, 2, 16), {"dropout": 0.0, "norm_first": True, "activation": "gelu"}, [normal(5, 8)]),
    ("TransformerDecoderLayer", (8, 2, 16), {"dropout": 0.0, "batch_first": True}, [normal(2, 5, 8), normal(2, 4, 8)]),
    ("Transformer", (8, 2, 2, 2, 16, 0.0), {}, [normal(5, 2, 8), normal(4, 2, 8)]),
    ("AdaptiveLogSoftmaxWithLoss", (16, 20, [5, 10]), {}, [normal(6, 16), ints(20, 6)]),
    ("LSTM", (3, 4), {}, [normal(5, 2, 3)]),
    ("LSTM", (3, 4, 2), {"bidirectional": True, "proj_size": 2, "batch_first": True}, [normal(2, 5, 3)]),
    ("LSTM", (3, 4), {"bias": False}, [normal(5, 3)]),
    ("GRU", (3, 4, 2), {"bidirectional": True}, [normal(5, 2, 3)]),
    ("GRU", (3, 4), {}, [normal(5, 2, 3), normal(1, 2, 4)]),
    ("RNN", (3, 4, 2), {"nonlinearity": "relu"}, [normal(5, 2, 3)]),
    ("RNN", (3, 4, 2, "tanh", False), {}, [normal(5, 2, 3)]),
    ("LSTMCell", (3, 4), {}, [normal(2, 3)]),
    ("GRUCell", (3, 4), {}, [normal(3)]),
    ("RNNCell", (3, 4), {"nonlinearity": "relu"}, [normal(2, 3), normal(2, 4)]),
    # losses
    ("L1Loss", (), {}, [normal(3, 4), normal(3, 4)]),
    ("MSELoss", (), {"reduction": "sum"}, [normal(3, 4), normal(3, 4)]),
    ("SmoothL1Loss", (), {"beta": 0.5}, [normal(3, 4), normal(3, 4)]),
    ("SmoothL1Loss", (), {"beta": 0.0}, [normal(3, 4), normal(3, 4)]),
    ("HuberLoss", (), {"delta": 0.7, "reduction": "none"}, [normal(3, 4), normal(3, 4)]),
    ("CrossEntropyLoss", (), {}, [normal(5, 4), ints(4, 5)]),
    ("CrossEntropyLoss", (uniform(4),), {"label_smoothing": 0.1, "ignore_index": 1}, [normal(5, 4), ints(4, 5)]),
    ("CrossEntropyLoss", (), {"reduction": "none"}, [normal(2, 4, 3), ints(4, 2, 3)]),
    ("CrossEntropyLoss", (), {}, [normal(5, 4), uniform(5, 4)]),
    ("NLLLoss", (), {"reduction": "sum"}, [normal(5, 4), ints(4, 5)]),
    ("NLLLoss", (uniform(4),), {}, [normal(2, 4, 3, 3), ints(4, 2, 3, 3)]),
    ("BCELoss", (), {}, [uniform(3, 4), uniform(3, 4)]),
    ("BCELoss", (uniform(4),), {"reduction": "none"}, [uniform(3, 4), uniform(3, 4)]),
    ("BCEWithLogitsLoss", (), {"pos_weight": uniform(4)}, [normal(3, 4), uniform(3, 4)]),
    ("KLDivLoss", (), {"reduction": "batchmean"}, [normal(3, 4), uniform(3, 4)]),
    ("KLDivLoss", (), {"log_target": True}, [normal(3, 4), normal(3, 4)]),
    ("PoissonNLLLoss", (), {"full": True}, [normal(3, 4), fixed([[0, 1, 2, 3]] * 3)]),
    ("PoissonNLLLoss", (False,), {}, [uniform(3, 4), uniform(3, 4)]),
    ("GaussianNLLLoss", (), {"full": True}, [normal(3, 4), normal(3, 4), uniform(3, 1)]),
    ("HingeEmbeddingLoss", (), {}, [normal(3, 4), signs(3, 4)]),
    ("CosineEmbeddingLoss", (0.1,), {}, [normal(3, 4), normal(3, 4), signs(3)]),
    ("MarginRankingLoss", (0.1,), {}, [normal(3), normal(3), signs(3)]),
    ("SoftMarginLoss", (), {}, [normal(3, 4), signs(3, 4)]),
    ("MultiLabelMarginLoss", (), {}, [normal(3, 4), fixed([[3, 0, -1, 1], [1, -1, 0, 0], [-1, 0, 0, 0]], "int64")]),
    ("MultiLabelSoftMarginLoss", (), {}, [normal(3, 4), uniform(3, 4)]),
    ("MultiMarginLoss", (), {"p": 2, "weight": uniform(4)}, [normal(3, 4), ints(4, 3)]),
    ("MultiMarginLoss", (), {"reduction": "none"}, [normal(3, 4), ints(4, 3)]),
    ("TripletMarginLoss", (), {"swap": True}, [normal(3, 4), normal(3, 4), normal(3, 4)]),
    ("TripletMarginWithDistanceLoss", (), {}, [normal(3, 4), normal(3, 4), normal(3, 4)]),
    ("LinearCrossEntropyLoss", (6, 4), {}, [normal(5, 6), ints(4, 5)]),
    ("CTCLoss", (), {}, None),
    # padding
    *[(f"{kind}Pad{n}d", (p,), {}, [x]) for kind in ("Circular", "Reflection", "Replication", "Zero")
      for n, p, x in ((1, 2, X1), (1, (1, 0), X1), (2, 2, X2), (2, (1, 2, 0, 1), X2), (3, 1, X3))],
    *[(f"ConstantPad{n}d", (1, 2.5), {}, [x]) for n, x in ((1, X1), (2, X2), (3, X3))],
    # activations
    *[(name, (), {}, [X1]) for name in (
        "ReLU", "ReLU6", "SELU", "SiLU", "Mish", "Hardswish", "Hardsigmoid", "Hardtanh", "ELU", "CELU", "LeakyReLU",
        "RReLU", "Sigmoid", "Tanh", "LogSigmoid", "Softsign", "Tanhshrink", "GELU", "Softplus", "Hardshrink",
        "Softshrink", "PReLU")],
    *[(name, (), {"inplace": True}, [X1]) for name in (
        "ReLU", "ReLU6", "SELU", "SiLU", "Mish", "Hardswish", "Hardsigmoid", "Hardtanh", "ELU", "CELU", "LeakyReLU")],
    ("GELU", ("tanh",), {}, [X1]),
    ("GLU", (1,), {}, [X1]),
    ("PReLU", (4,), {}, [X1]),
    ("Threshold", (0.1, 20), {}, [X1]),
    ("Hardtanh", (-2, 2), {}, [X1]),
    *[(name, (1,), {}, [X1]) for name in ("Softmax", "Softmin", "LogSoftmax")],
    ("Softmax2d", (), {}, [X2]),
]  # fmt: skip

SPECIAL = {
    "MultiheadAttention": [normal(2, 5, 8), normal(2, 4, 3), normal(2, 4, 5)],
    "CTCLoss": [
        normal(6, 2, 5),
        fixed([[1, 2, 3], [4, 1, 0]], "int64"),
        fixed([6, 5], "int64"),
        fixed([3, 2], "int64"),
    ],
}


def build(library, name, args, kwargs, rng_seed):
    rng = np.random.default_rng(rng_seed)

    def real(value):
        return (
            library.from_numpy(make(value, rng)) if isinstance(value, tuple) and value and value[0] in KINDS else value
        )

    args = [real(a) for a in args]
    kwargs = {k: real(v) for k, v in kwargs.items()}
    library.manual_seed(7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(library.nn, name)(*args, **kwargs)


KINDS = ("normal", "uniform", "ints", "signs", "fixed")


def tensors_in(value):
    if hasattr(value, "detach"):
        return [value]
    return [t for v in value for t in tensors_in(v)] if isinstance(value, (tuple, list)) else []


def run(library, module, specs, seed=3):
    rng = np.random.default_rng(seed)
    inputs = [library.from_numpy(make(spec, rng)) for spec in specs]
    for t, spec in zip(inputs, specs):
        if t.is_floating_point() and spec[0] != "signs":
            t.requires_grad_()
    # In-place modules may not write on leaves.
    given = [t * 1 if getattr(module, "inplace", False) else t for t in inputs]
    library.manual_seed(11)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outputs = tensors_in(module(*given))
    total = sum((o * library.arange(o.numel()).view(o.shape).cos()).sum() for o in outputs if o.is_floating_point())
    if total.requires_grad:
        total.backward()
    grads = [t.grad for t in inputs] + [p.grad for p in module.parameters()]
    return outputs, grads


def close(mine, theirs, tolerance=2e-5):
    assert (mine is None) == (theirs is None)
    if mine is not None:
        mine, theirs = mine.detach().numpy(), theirs.detach().numpy()
        assert mine.shape == theirs.shape and mine.dtype == theirs.dtype
        np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name,args,kwargs,specs", CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])
def test_module(name, args, kwargs, specs):
    specs = SPECIAL[name] if specs is None else specs
    mine, theirs = (build(library, name, args, kwargs, 5) for library in (lampas, torch))
    assert repr(mine) == repr(theirs)
    mine_state, their_state = mine.state_dict(), theirs.state_dict()
    assert list(mine_state) == list(their_state)
    assert mine_state._metadata == their_state._metadata
    for key in mine_state:
        np.testing.assert_array_equal(mine_state[key].numpy(), their_state[key].numpy(), err_msg=key)
    assert [n for n, _ in mine.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    missing = (
        set(theirs.__dict__)
        - set(mine.__dict__)
        - {"_flat_weights", "_flat_weight_refs", "options", "activation_relu_or_gelu"}
    )
    assert not missing
    for mode in (True, False):
        if mode is False:
            mine.eval(), theirs.eval()
        for a, b in list(zip(run(lampas, mine, specs), run(torch, theirs, specs)))[: 1 if name in ONLY_OUTPUTS else 2]:
            assert len(a) == len(b)
            for x, y in zip(a, b):
                close(x, y)
    for key, value in theirs.state_dict().items():
        close(mine.state_dict()[key], value)


# PyTorch's gradient of this one is not the derivative of what it computes; ours is.
ONLY_OUTPUTS = ("CrossMapLRN2d",)

LAZY = [
    ("LazyLinear", (4,), {}, [normal(3, 6)]),
    ("LazyConv1d", (6, 3), {}, [X1]),
    ("LazyConv2d", (6, 3), {"bias": False}, [X2]),
    ("LazyConv3d", (6, 3), {}, [X3]),
    ("LazyConvTranspose1d", (6, 3), {}, [X1]),
    ("LazyConvTranspose2d", (6, 3), {"stride": 2}, [X2]),
    ("LazyConvTranspose3d", (6, 2), {}, [X3]),
    ("LazyBatchNorm1d", (), {}, [X1]),
    ("LazyBatchNorm2d", (), {}, [X2]),
    ("LazyBatchNorm3d", (), {"affine": False}, [X3]),
    ("LazyInstanceNorm1d", (), {}, [X1]),
    ("LazyInstanceNorm2d", (), {"affine": True}, [X2]),
    ("LazyInstanceNorm3d", (), {}, [X3]),
]


@pytest.mark.parametrize("name,args,kwargs,specs", LAZY, ids=[c[0] for c in LAZY])
def test_lazy_module(name, args, kwargs, specs):
    mine, theirs = (build(library, name, args, kwargs, 5) for library in (lampas, torch))
    assert repr(mine) == repr(theirs)
    assert list(mine.state_dict()) == list(theirs.state_dict())
    for a, b in zip(run(lampas, mine, specs), run(torch, theirs, specs)):
        for x, y in zip(a, b):
            close(x, y)
    assert repr(mine) == repr(theirs)
    assert type(mine).__name__ == name.removeprefix("Lazy")
    for key, value in theirs.state_dict().items():
        close(mine.state_dict()[key], value)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("enforce_sorted", [True, False])
def test_packed(kind, enforce_sorted):
    lengths = [5, 3, 1] if enforce_sorted else [3, 5, 1]
    results = []
    for library in (lampas, torch):
        library.manual_seed(0)
        net = getattr(library.nn, kind)(3, 4, 2, bidirectional=True)
        x = library.from_numpy(make(normal(5, 3, 3), np.random.default_rng(0))).requires_grad_()
        rnn = library.nn.utils.rnn
        packed = rnn.pack_padded_sequence(x, lengths, enforce_sorted=enforce_sorted)
        out, states = net(packed)
        padded, back = rnn.pad_packed_sequence(out, batch_first=True, total_length=6, padding_value=-1.0)
        (padded * padded).sum().backward()
        results.append([packed.data, packed.batch_sizes, padded, back, *tensors_in(states), x.grad])
    for a, b in zip(*results):
        close(a, b)


def test_masks_of_attention():
    for need_weights in (True, False):
        for masks in (
            {"key_padding_mask": [[False, True, False, False], [False, False, False, True]]},
            {"attn_mask": np.triu(np.ones((4, 4), bool), 1)},
        ):
            outs = []
            for library in (lampas, torch):
                library.manual_seed(0)
                attention = library.nn.MultiheadAttention(8, 2)
                x = library.from_numpy(make(normal(4, 2, 8), np.random.default_rng(0)))
                given = {k: library.from_numpy(np.array(v)) for k, v in masks.items()}
                outs.append(tensors_in(attention(x, x, x, need_weights=need_weights, **given)))
            assert len(outs[0]) == len(outs[1])
            for a, b in zip(*outs):
                close(a, b)


def test_causal_transformer_decoder():
    outs = []
    for library in (lampas, torch):
        library.manual_seed(0)
        layer = library.nn.TransformerDecoderLayer(8, 2, 16, dropout=0.0)
        decoder = library.nn.TransformerDecoder(layer, 2)
        rng = np.random.default_rng(0)
        tgt, memory = (library.from_numpy(make(normal(n, 2, 8), rng)) for n in (5, 3))
        mask = library.nn.Transformer.generate_square_subsequent_mask(5)
        outs.append(decoder(tgt, memory, tgt_mask=mask))
    close(*outs)
