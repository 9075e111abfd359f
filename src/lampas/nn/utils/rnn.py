"""Sequences of different lengths: padded, or packed without padding."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import lampas

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]

PackedSequence_ = namedtuple("PackedSequence_", ["data", "batch_sizes", "sorted_indices", "unsorted_indices"])


def invert_permutation(permutation: lampas.Tensor | None) -> lampas.Tensor | None:
    """The permutation that takes ``permutation`` back."""
    if permutation is None:
        return None
    result = lampas.empty_like(permutation, memory_format=lampas.legacy_contiguous_format)
    result.scatter_(0, permutation, lampas.arange(0, permutation.numel(), device=permutation.device))
    return result


class PackedSequence(PackedSequence_):
    """Sequences of different lengths, step by step: ``data`` holds step 0 of all, then step 1 of those that have
    one, ...

    ``batch_sizes`` says how many each step has. Made by :func:`pack_padded_sequence`, taken by recurrent layers.
    """

    def __new__(
        cls,
        data: lampas.Tensor,
        batch_sizes: lampas.Tensor | None = None,
        sorted_indices: lampas.Tensor | None = None,
        unsorted_indices: lampas.Tensor | None = None,
    ) -> PackedSequence:
        if isinstance(data, tuple) and batch_sizes is None:
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes is not None and batch_sizes.device.type != "cpu":
            raise ValueError(
                "batch_sizes should always be on CPU. Instances of PackedSequence should never be created manually. "
                "They "
                "should be instantiated by functions like pack_sequence and pack_padded_sequence. Got "
                f"{batch_sizes.device}"
            )
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def __reduce__(self) -> tuple:
        return type(self), tuple(self)

    def pin_memory(self) -> PackedSequence:
        """The same in page-locked memory."""
        return self._moved(lambda t: t.pin_memory())

    def _moved(self, move: Any) -> PackedSequence:
        data = move(self.data)
        if data is self.data:
            return self
        indices = [None if i is None else i.to(data.device) for i in (self.sorted_indices, self.unsorted_indices)]
        return type(self)(data, self.batch_sizes, *indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same with ``data`` converted as ``Tensor.to`` does."""
        return self._moved(lambda t: t.to(*args, **kwargs))

    def cuda(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same on a CUDA device."""
        return self._moved(lambda t: t.cuda(*args, **kwargs))

    def cpu(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same on the CPU."""
        return self._moved(lambda t: t.cpu())

    def double(self) -> PackedSequence:
        """The same in float64."""
        return self.to(dtype=lampas.float64)

    def float(self) -> PackedSequence:
        """The same in float32."""
        return self.to(dtype=lampas.float32)

    def half(self) -> PackedSequence:
        """The same in float16."""
        return self.to(dtype=lampas.float16)

    def long(self) -> PackedSequence:
        """The same in int64."""
        return self.to(dtype=lampas.int64)

    def int(self) -> PackedSequence:
        """The same in int32."""
        return self.to(dtype=lampas.int32)

    def short(self) -> PackedSequence:
        """The same in int16."""
        return self.to(dtype=lampas.int16)

    def char(self) -> PackedSequence:
        """The same in int8."""
        return self.to(dtype=lampas.int8)

    def byte(self) -> PackedSequence:
        """The same in uint8."""
        return self.to(dtype=lampas.uint8)

    @property
    def is_cuda(self) -> bool:
        """Whether ``data`` is on a CUDA device."""
        return self.data.is_cuda

    def is_pinned(self) -> bool:
        """Whether ``data`` is in page-locked memory."""
        return self.data.is_pinned()


def _steps_mask(lengths: lampas.Tensor, steps: int) -> lampas.Tensor:
    """``(steps, batch)``: whether a sequence has a step."""
    return lampas.arange(steps, device=lengths.device).unsqueeze(1) < lengths.unsqueeze(0)


def pack_padded_sequence(
    input: lampas.Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Padded sequences ``(L, N, *)`` (``(N, L, *)`` with ``batch_first``) without their padding.

    Args:
        lengths: how long each sequence is, at least 1; a list or a tensor on the CPU.
        enforce_sorted: the sequences come longest first; otherwise they are put in order here.

    >>> packed = pack_padded_sequence(lampas.zeros(3, 2, 5), [3, 1])
    >>> packed.batch_sizes
    tensor([2, 1, 1])
    """
    if not isinstance(lengths, lampas.Tensor):
        lengths = lampas.tensor(lengths, dtype=lampas.int64)
    lengths = lengths.long()
    if lengths.device.type != "cpu":
        raise RuntimeError(
            f"'lengths' argument should be a 1D CPU int64 tensor, but got {lengths.dim()}D {lengths.device} tensor"
        )
    if lengths.dim() != 1:
        raise RuntimeError(f"'lengths' argument should be a 1D CPU int64 tensor, but got a {lengths.dim()}D tensor")
    sorted_indices = None
    batch_dim = 0 if batch_first else 1
    if not enforce_sorted:
        lengths, sorted_indices = lengths.sort(descending=True)
        sorted_indices = sorted_indices.to(input.device)
        input = input.index_select(batch_dim, sorted_indices)
    if batch_first:
        input = input.transpose(0, 1)
    count = lengths.numel()
    if input.numel() == 0 or count == 0:
        raise RuntimeError("Cannot pack empty tensors.")
    if count != input.size(1):
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {count} (batch_size={input.size(1)})"
        )
    values = lengths.tolist()
    if values[-1] <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"
        )
    if any(a < b for a, b in pairwise(values)):
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
            "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement if you "
            "do not "
            "need ONNX exportability."
        )
    if values[0] > input.size(0):
        raise RuntimeError(f"Expected lengths of at most {input.size(0)}, the padded length, but got {values[0]}")
    mask = _steps_mask(lengths, values[0])
    rows = mask.flatten().nonzero().squeeze(1).to(input.device)
    data = input[: values[0]].flatten(0, 1).index_select(0, rows)
    return PackedSequence(data, mask.sum(1), sorted_indices, None)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[lampas.Tensor, lampas.Tensor]:
    """The way back from :func:`pack_padded_sequence`: padded sequences and their lengths.

    Args:
        total_length: pad to this length instead of the longest sequence's.
    """
    data, batch_sizes, _, unsorted_indices = sequence
    steps = longest = batch_sizes.size(0)
    if total_length is not None:
        if total_length < longest:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence in input, but got "
                f"total_length={total_length} and max sequence length being {longest}"
            )
        steps = total_length
    batch = int(batch_sizes[0])
    has = lampas.arange(batch).unsqueeze(0) < batch_sizes.unsqueeze(1)
    starts = batch_sizes.cumsum(0) - batch_sizes
    # Places without a value point at one row of padding behind the data.
    places = (starts.unsqueeze(1) + lampas.arange(batch).unsqueeze(0)).masked_fill(~has, data.size(0))
    if steps > longest:
        places = lampas.cat([places, lampas.full((steps - longest, batch), data.size(0), dtype=lampas.int64)])
    padding = lampas.full((1, *data.shape[1:]), padding_value, dtype=data.dtype, device=data.device)
    result = lampas.cat([data, padding]).index_select(0, places.flatten().to(data.device))
    result = result.unflatten(0, (steps, batch))
    lengths = has.sum(0)
    if batch_first:
        result = result.transpose(0, 1)
    if unsorted_indices is not None:
        result = result.index_select(0 if batch_first else 1, unsorted_indices)
        lengths = lengths[unsorted_indices.cpu()]
    return result, lengths


def pad_sequence(
    sequences: Any, batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> lampas.Tensor:
    """Tensors ``(L_i, *)`` of different lengths as one ``(L, N, *)`` (``(N, L, *)`` with ``batch_first``).

    >>> pad_sequence([lampas.ones(1), lampas.ones(2)], batch_first=True)
    tensor([[1., 0.],
            [1., 1.]])
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}"
        )
    sequences = tuple(sequences)
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"padding_side should be either right or left, got {padding_side}")
    if not sequences:
        raise RuntimeError("received an empty list of sequences")
    rest = sequences[0].shape[1:]
    longest = max(s.size(0) for s in sequences)
    padded = []
    for s in sequences:
        if s.shape[1:] != rest:
            raise RuntimeError(
                f"The sequences may differ in their first dimension alone, got {tuple(sequences[0].shape)} and "
                f"{tuple(s.shape)}"
            )
        missing = longest - s.size(0)
        if missing:
            gap = lampas.full((missing, *rest), padding_value, dtype=s.dtype, device=s.device)
            s = lampas.cat([s, gap] if padding_side == "right" else [gap, s])
        padded.append(s)
    return lampas.stack(padded, 0 if batch_first else 1)


def unpad_sequence(
    padded_sequences: lampas.Tensor, lengths: lampas.Tensor, batch_first: bool = False
) -> list[lampas.Tensor]:
    """The way back from :func:`pad_sequence`."""
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    return [sequence[: int(length)] for sequence, length in zip(padded_sequences.unbind(0), lengths)]


def pack_sequence(sequences: list[lampas.Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Tensors ``(L_i, *)`` as a :class:`PackedSequence`."""
    lengths = lampas.tensor([s.size(0) for s in sequences], dtype=lampas.int64)
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[lampas.Tensor]:
    """The way back from :func:`pack_sequence`."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
