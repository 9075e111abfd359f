"""Recurrent layers that quantize their inputs and states in each call."""

from __future__ import annotations

import warnings
from typing import Any

import lampas
import lampas.nn as nn
from lampas.ao.nn.quantized.modules.utils import _quantize_weight
from lampas.nn.modules.rnn import apply_permutation
from lampas.nn.utils.rnn import PackedSequence

from .linear import weight_observer

__all__ = ["GRU", "LSTM", "GRUCell", "LSTMCell", "RNNBase", "RNNCell", "RNNCellBase"]


def _pack(weight: lampas.Tensor, bias: Any, dtype: Any) -> Any:
    ops = lampas.ops.quantized
    return (ops.linear_prepack if dtype == lampas.qint8 else ops.linear_prepack_fp16)(weight, bias)


def _unpack(packed: Any, dtype: Any) -> tuple[Any, Any]:
    ops = lampas.ops.quantized
    return (ops.linear_unpack if dtype == lampas.qint8 else ops.linear_unpack_fp16)(packed)


def _apply(x: lampas.Tensor, packed: Any, dtype: Any) -> lampas.Tensor:
    ops = lampas.ops.quantized
    if dtype == lampas.qint8:
        return ops.linear_dynamic(x, packed, reduce_range=True)
    return ops.linear_dynamic_fp16(x, packed)


def _lstm_step(inputs: Any, states: Any, cell: Any) -> tuple[Any, Any]:
    take, keep, new, show = (inputs + states).chunk(4, -1)
    cell = keep.sigmoid() * cell + take.sigmoid() * new.tanh()
    return show.sigmoid() * cell.tanh(), cell


def _gru_step(inputs: Any, states: Any, hidden: Any) -> Any:
    (reset_i, update_i, new_i), (reset_h, update_h, new_h) = inputs.chunk(3, -1), states.chunk(3, -1)
    new = (new_i + (reset_i + reset_h).sigmoid() * new_h).tanh()
    return (hidden - new) * (update_i + update_h).sigmoid() + new


class CellParams:
    """Packed weights and biases of a recurrent layer in one direction. Saved and loaded unpacked."""

    def __init__(self, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, dtype: Any) -> None:
        self.dtype = dtype
        self.packed_ih = _pack(w_ih, b_ih, dtype)
        self.packed_hh = _pack(w_hh, b_hh, dtype)

    def unpack(self) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        """(weight, bias) of the input, (weight, bias) of the state."""
        return _unpack(self.packed_ih, self.dtype), _unpack(self.packed_hh, self.dtype)

    def __reduce__(self) -> Any:
        (w_ih, b_ih), (w_hh, b_hh) = self.unpack()
        return CellParams, (w_ih, w_hh, b_ih, b_hh, self.dtype)


class PackedParameter(nn.Module):
    """Holds a `CellParams` where a state dict finds it."""

    def __init__(self, param: CellParams) -> None:
        super().__init__()
        self.param = param

    def _save_to_state_dict(self, destination: dict, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + "param"] = self.param

    def _load_from_state_dict(
        self,
        state_dict: dict,
        prefix: str,
        local_metadata: dict,
        strict: bool,
        missing_keys: list,
        unexpected_keys: list,
        error_msgs: list,
    ) -> None:
        self.param = state_dict.pop(prefix + "param")
        super()._load_from_state_dict(
            *(state_dict, prefix, local_metadata, False, missing_keys, unexpected_keys, error_msgs)
        )


def _quantized_weight(observer: Any, weight: Any) -> Any:
    weight = weight.detach().float()
    if observer.dtype != lampas.qint8:
        return weight
    observer(weight)
    return _quantize_weight(weight, observer)


def _check_dtype(dtype: Any) -> None:
    if dtype not in (lampas.qint8, lampas.float16):
        raise RuntimeError(f"Unsupported dtype: {dtype}; recurrent layers take qint8 or float16")


class RNNBase(nn.Module):
    """What LSTM and GRU share.

    Args:
        mode: "LSTM" or "GRU".
        dtype: of the weights: qint8, or float16 (computed in floating point).

    Raises:
        ValueError: `dropout` is no probability.
    """

    _FLOAT_MODULE: Any = nn.RNNBase
    _version = 2
    _STATES = 1
    _GATES = 3

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        dtype: Any = lampas.qint8,
    ) -> None:
        super().__init__()
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.dtype = dtype
        self.version = 2
        self.training = False
        if isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise ValueError(
                "dropout should be a number in range [0, 1] representing the probability of an element being zeroed, "
                f"got {dropout}"
            )
        if dropout > 0 and num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects "
                f"num_layers greater than 1, but got dropout={dropout} and num_layers={num_layers}",
                stacklevel=3,
            )
        width = self._GATES * hidden_size
        self._all_weight_values = nn.ModuleList()
        for layer, _ in self._directions():
            size = hidden_size * self._sides if layer else input_size
            weights = [lampas.randn(width, n) for n in (size, hidden_size)]
            if dtype == lampas.qint8:
                weights = [lampas.quantize_per_tensor(w, 0.1, 0, lampas.qint8) for w in weights]
            biases = (lampas.randn(width), lampas.randn(width)) if bias else (None, None)
            self._all_weight_values.append(
                PackedParameter(CellParams(weights[0], weights[1], biases[0], biases[1], dtype))
            )

    @property
    def _sides(self) -> int:
        return 2 if self.bidirectional else 1

    def _directions(self) -> list[tuple[int, str]]:
        return [(layer, "_reverse" if side else "") for layer in range(self.num_layers) for side in range(self._sides)]

    def _get_name(self) -> str:
        return "DynamicQuantizedRNN"

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        for name, usual in (("num_layers", 1), ("bias", True), ("batch_first", False), ("dropout", 0)):
            if getattr(self, name) != usual:
                text += f", {name}={getattr(self, name)}"
        return text + (f", bidirectional={self.bidirectional}" if self.bidirectional else "")

    def __repr__(self) -> str:
        return f"{self._get_name()}({self.extra_repr()})"

    def check_input(self, input: lampas.Tensor, batch_sizes: Any = None) -> None:
        """
        Raises:
            RuntimeError: the wrong number of dimensions, or of features.
        """
        expected = 2 if batch_sizes is not None else 3
        if input.dim() != expected:
            raise RuntimeError(f"input must have {expected} dimensions, got {input.dim()}")
        if input.size(-1) != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {input.size(-1)}"
            )

    def check_hidden_size(self, hx: lampas.Tensor, expected: tuple[int, ...], name: str) -> None:
        """
        Raises:
            RuntimeError: another shape than (num_layers * directions, N, hidden_size).
        """
        if tuple(hx.shape) != expected:
            raise RuntimeError(f"Expected {name} size {expected}, got {list(hx.shape)}")

    def _run_direction(self, params: CellParams, x: Any, sizes: list[int], states: list[Any], backward: bool) -> Any:
        """Steps over (steps, N, features), or over packed rows with `sizes` sequences at each step."""
        width = x.shape[-1]
        inputs = _apply(x.reshape(-1, width), params.packed_ih, self.dtype)
        offsets = [0]
        for n in sizes:
            offsets.append(offsets[-1] + n)
        outputs: list[Any] = [None] * len(sizes)
        order = range(len(sizes))
        for step in reversed(order) if backward else order:
            n = sizes[step]
            now = [state[:n] for state in states]
            gates = _apply(now[0], params.packed_hh, self.dtype)
            new = self._step(inputs[offsets[step] : offsets[step + 1]], gates, now)
            # Sequences that have ended, or not yet begun, keep their state.
            states = [lampas.cat([a, old[n:]]) if n < len(old) else a for a, old in zip(new, states)]
            outputs[step] = new[0]
        return lampas.cat(outputs), states

    def _step(self, inputs: Any, gates: Any, states: list[Any]) -> list[Any]:
        raise NotImplementedError

    def _run(self, input: Any, hx: Any = None) -> tuple[Any, list[Any]]:
        packed = isinstance(input, PackedSequence)
        sorted_indices = unsorted_indices = batch_sizes = None
        if packed:
            input, batch_sizes, sorted_indices, unsorted_indices = input
            sizes = batch_sizes.tolist()
            batch = sizes[0]
        else:
            self.check_input(input)
            if self.batch_first:
                input = input.transpose(0, 1)
            batch = input.size(1)
            sizes = [batch] * input.size(0)
        if packed:
            self.check_input(input, batch_sizes)
        shape = (self.num_layers * self._sides, batch, self.hidden_size)
        if hx is None:
            starts = [lampas.zeros(shape) for _ in range(self._STATES)]
        else:
            starts = list(hx) if self._STATES == 2 else [hx]
            for i, state in enumerate(starts):
                self.check_hidden_size(state, shape, f"hidden[{i}]" if self._STATES == 2 else "hidden")
                if sorted_indices is not None:
                    starts[i] = apply_permutation(state, sorted_indices)
        rows = input.reshape(-1, input.shape[-1])
        ends: list[list[Any]] = []
        for layer in range(self.num_layers):
            outs = []
            for side in range(self._sides):
                index = layer * self._sides + side
                params = self._all_weight_values[index].param
                first = [state[index] for state in starts]
                out, last = self._run_direction(params, rows, sizes, first, bool(side))
                outs.append(out)
                ends.append(last)
            rows = lampas.cat(outs, -1) if len(outs) > 1 else outs[0]
            if self.dropout and self.training and layer + 1 < self.num_layers:
                rows = nn.functional.dropout(rows, self.dropout, True)
        states = [lampas.stack([end[i] for end in ends]) for i in range(self._STATES)]
        if unsorted_indices is not None:
            states = [apply_permutation(state, unsorted_indices) for state in states]
        if packed:
            return PackedSequence(rows, batch_sizes, sorted_indices, unsorted_indices), states
        out = rows.reshape(len(sizes), batch, rows.shape[-1])
        return out.transpose(0, 1) if self.batch_first else out, states

    def _parts(self) -> list[tuple[str, tuple[Any, Any], tuple[Any, Any]]]:
        return [
            (f"l{layer}{suffix}", *holder.param.unpack())
            for (layer, suffix), holder in zip(self._directions(), self._all_weight_values)
        ]

    def get_weight(self) -> dict[str, Any]:
        """The quantized weights, under the names that the float layer's have."""
        return {
            f"weight_{which}_{name}": part[0]
            for name, ih, hh in self._parts()
            for which, part in (("ih", ih), ("hh", hh))
        }

    def get_bias(self) -> dict[str, Any]:
        """The biases, under the names that the float layer's have."""
        return {
            f"bias_{which}_{name}": part[1]
            for name, ih, hh in self._parts()
            for which, part in (("ih", ih), ("hh", hh))
        }

    def set_weight_bias(self, weight_bias_dict: dict[str, Any]) -> None:
        """Packs quantized weights and biases given by the names of the float layer."""
        for (layer, suffix), holder in zip(self._directions(), self._all_weight_values):
            end = f"l{layer}{suffix}"
            names = (f"weight_ih_{end}", f"weight_hh_{end}", f"bias_ih_{end}", f"bias_hh_{end}")
            w_ih, w_hh, b_ih, b_hh = (weight_bias_dict.get(name) for name in names)
            holder.param = CellParams(w_ih, w_hh, b_ih, b_hh, self.dtype)

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        """The quantized layer of a float layer with a qconfig.

        Raises:
            AssertionError: another type of layer, or no qconfig.
            RuntimeError: weights of another dtype than qint8 and float16.
        """
        if type(mod) not in (nn.LSTM, nn.GRU):
            raise AssertionError(
                f"nn.quantized.dynamic.RNNBase.from_float only works for nn.LSTM and nn.GRU, got {type(mod).__name__}"
            )
        if not hasattr(mod, "qconfig"):
            raise AssertionError("Input float module must have qconfig defined")
        dtype = weight_observer(mod).dtype
        _check_dtype(dtype)
        target = LSTM if type(mod) is nn.LSTM else GRU
        made = target(
            *(mod.input_size, mod.hidden_size, mod.num_layers, mod.bias, mod.batch_first, mod.dropout),
            *(mod.bidirectional, dtype),
        )
        params = {}
        for layer, suffix in made._directions():
            for which in ("ih", "hh"):
                name = f"{which}_l{layer}{suffix}"
                params[f"weight_{name}"] = _quantized_weight(weight_observer(mod), getattr(mod, f"weight_{name}"))
                params[f"bias_{name}"] = getattr(mod, f"bias_{name}").detach() if mod.bias else None
        made.set_weight_bias(params)
        return made


class LSTM(RNNBase):
    """`lampas.nn.LSTM` with quantized weights; the same arguments, and `dtype`.

    >>> out, (h, c) = LSTM(10, 20, num_layers=2)(lampas.randn(5, 3, 10))
    """

    _FLOAT_MODULE = nn.LSTM
    _STATES = 2
    _GATES = 4

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)

    def _get_name(self) -> str:
        return "DynamicQuantizedLSTM"

    def _step(self, inputs: Any, gates: Any, states: list[Any]) -> list[Any]:
        return list(_lstm_step(inputs, gates, states[1]))

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, tuple[Any, Any]]:
        """Outputs and last states, as `lampas.nn.LSTM` gives them."""
        out, (h, c) = self._run(input, hx)
        return out, (h, c)

    @classmethod
    def from_reference(cls, ref_mod: Any) -> LSTM:
        """The quantized layer of a reference layer."""
        return _from_reference(cls, ref_mod)


class GRU(RNNBase):
    """`lampas.nn.GRU` with quantized weights; the same arguments, and `dtype`.

    >>> out, h = GRU(10, 20)(lampas.randn(5, 3, 10))
    """

    _FLOAT_MODULE = nn.GRU

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("GRU", *args, **kwargs)

    def _get_name(self) -> str:
        return "DynamicQuantizedGRU"

    def _step(self, inputs: Any, gates: Any, states: list[Any]) -> list[Any]:
        return [_gru_step(inputs, gates, states[0])]

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """Outputs and last state, as `lampas.nn.GRU` gives them."""
        out, states = self._run(input, hx)
        return out, states[0]

    @classmethod
    def from_reference(cls, ref_mod: Any) -> GRU:
        """The quantized layer of a reference layer."""
        return _from_reference(cls, ref_mod)


def _from_reference(cls: Any, ref: Any) -> Any:
    made = cls(ref.input_size, ref.hidden_size, ref.num_layers, ref.bias, ref.batch_first, ref.dropout)
    made.set_weight_bias(ref.get_quantized_weight_bias_dict())
    return made


class RNNCellBase(nn.Module):
    """What the cells share.

    Args:
        input_size, hidden_size: sizes of input and state.
        bias: whether numbers are added to the gates.
        num_chunks: how many gates there are.
        dtype: of the weights: qint8, or float16 (computed in floating point).
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, num_chunks: int = 4, dtype: Any = lampas.qint8
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        self.weight_dtype = dtype
        width = num_chunks * hidden_size
        weights = [lampas.randn(width, n) for n in (input_size, hidden_size)]
        if dtype == lampas.qint8:
            weights = [lampas.quantize_per_tensor(w, 1.0, 0, lampas.qint8) for w in weights]
        self.bias_ih = lampas.randn(width) if bias else None
        self.bias_hh = lampas.randn(width) if bias else None
        self._packed_weight_ih = _pack(weights[0], self.bias_ih, dtype)
        self._packed_weight_hh = _pack(weights[1], self.bias_hh, dtype)

    def _get_name(self) -> str:
        return f"DynamicQuantized{type(self).__name__}"

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        nonlinearity = getattr(self, "nonlinearity", "tanh")
        return text + (f", nonlinearity={nonlinearity}" if nonlinearity != "tanh" else "")

    def check_forward_input(self, input: lampas.Tensor) -> None:
        """
        Raises:
            RuntimeError: the wrong number of features.
        """
        if input.size(1) != self.input_size:
            raise RuntimeError(f"input has inconsistent input_size: got {input.size(1)}, expected {self.input_size}")

    def check_forward_hidden(self, input: lampas.Tensor, hx: lampas.Tensor, hidden_label: str = "") -> None:
        """
        Raises:
            RuntimeError: the state does not fit the input or the cell.
        """
        if input.size(0) != hx.size(0):
            raise RuntimeError(
                f"Input batch size {input.size(0)} doesn't match hidden{hidden_label} batch size {hx.size(0)}"
            )
        if hx.size(1) != self.hidden_size:
            raise RuntimeError(
                f"hidden{hidden_label} has inconsistent hidden_size: got {hx.size(1)}, expected {self.hidden_size}"
            )

    def _gates(self, input: Any, hidden: Any) -> tuple[Any, Any]:
        return (
            _apply(input, self._packed_weight_ih, self.weight_dtype),
            _apply(hidden, self._packed_weight_hh, self.weight_dtype),
        )

    def _zeros(self, input: Any) -> Any:
        return lampas.zeros(input.size(0), self.hidden_size, dtype=input.dtype)

    def get_weight(self) -> dict[str, Any]:
        """The quantized weights by name."""
        return {
            "weight_ih": _unpack(self._packed_weight_ih, self.weight_dtype)[0],
            "weight_hh": _unpack(self._packed_weight_hh, self.weight_dtype)[0],
        }

    def get_bias(self) -> dict[str, Any]:
        """The biases by name."""
        return {"bias_ih": self.bias_ih, "bias_hh": self.bias_hh}

    def set_weight_bias(self, weight_bias_dict: dict[str, Any]) -> None:
        """Packs quantized weights and biases given by name."""
        self.bias_ih = weight_bias_dict["bias_ih"]
        self.bias_hh = weight_bias_dict["bias_hh"]
        self._packed_weight_ih = _pack(weight_bias_dict["weight_ih"], self.bias_ih, self.weight_dtype)
        self._packed_weight_hh = _pack(weight_bias_dict["weight_hh"], self.bias_hh, self.weight_dtype)

    def _save_to_state_dict(self, destination: dict, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + "_packed_weight_ih"] = self._packed_weight_ih
        destination[prefix + "_packed_weight_hh"] = self._packed_weight_hh

    def _load_from_state_dict(
        self,
        state_dict: dict,
        prefix: str,
        local_metadata: dict,
        strict: bool,
        missing_keys: list,
        unexpected_keys: list,
        error_msgs: list,
    ) -> None:
        self._packed_weight_ih = state_dict.pop(prefix + "_packed_weight_ih")
        self._packed_weight_hh = state_dict.pop(prefix + "_packed_weight_hh")
        self.bias_ih = _unpack(self._packed_weight_ih, self.weight_dtype)[1]
        self.bias_hh = _unpack(self._packed_weight_hh, self.weight_dtype)[1]
        super()._load_from_state_dict(
            *(state_dict, prefix, local_metadata, False, missing_keys, unexpected_keys, error_msgs)
        )

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        """The quantized cell of a float cell with a qconfig.

        Raises:
            AssertionError: another type of module, or no qconfig.
            RuntimeError: weights of another dtype than qint8 and float16.
        """
        targets = {nn.LSTMCell: LSTMCell, nn.GRUCell: GRUCell, nn.RNNCell: RNNCell}
        if type(mod) not in targets:
            raise AssertionError(
                "nn.quantized.dynamic.RNNCellBase.from_float only works for nn.LSTMCell, nn.GRUCell and nn.RNNCell, "
                f"got {type(mod).__name__}"
            )
        if not hasattr(mod, "qconfig"):
            raise AssertionError("Input float module must have qconfig defined")
        dtype = weight_observer(mod).dtype
        _check_dtype(dtype)
        extra = {"nonlinearity": mod.nonlinearity} if type(mod) is nn.RNNCell else {}
        made = targets[type(mod)](mod.input_size, mod.hidden_size, bias=mod.bias, dtype=dtype, **extra)
        made.set_weight_bias(
            {
                "weight_ih": _quantized_weight(weight_observer(mod), mod.weight_ih),
                "weight_hh": _quantized_weight(weight_observer(mod), mod.weight_hh),
                "bias_ih": mod.bias_ih.detach() if mod.bias else None,
                "bias_hh": mod.bias_hh.detach() if mod.bias else None,
            }
        )
        return made


class RNNCell(RNNCellBase):
    """`lampas.nn.RNNCell` with quantized weights.

    Args:
        nonlinearity: "tanh" or "relu".
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        dtype: Any = lampas.qint8,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, num_chunks=1, dtype=dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: lampas.Tensor, hx: Any = None) -> lampas.Tensor:
        """The next state, (N, hidden_size).

        Raises:
            RuntimeError: shapes do not fit, or an unknown nonlinearity.
        """
        self.check_forward_input(input)
        hx = self._zeros(input) if hx is None else hx
        self.check_forward_hidden(input, hx)
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}; expected 'tanh' or 'relu'")
        inputs, states = self._gates(input, hx)
        return getattr(lampas, self.nonlinearity)(inputs + states)


class LSTMCell(RNNCellBase):
    """`lampas.nn.LSTMCell` with quantized weights."""

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, dtype: Any = lampas.qint8) -> None:
        super().__init__(input_size, hidden_size, bias, num_chunks=4, dtype=dtype)

    def forward(self, input: lampas.Tensor, hx: Any = None) -> tuple[lampas.Tensor, lampas.Tensor]:
        """The next hidden and cell state, each (N, hidden_size)."""
        self.check_forward_input(input)
        hx = (self._zeros(input),) * 2 if hx is None else hx
        self.check_forward_hidden(input, hx[0], "[0]")
        self.check_forward_hidden(input, hx[1], "[1]")
        return _lstm_step(*self._gates(input, hx[0]), hx[1])


class GRUCell(RNNCellBase):
    """`lampas.nn.GRUCell` with quantized weights."""

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, dtype: Any = lampas.qint8) -> None:
        super().__init__(input_size, hidden_size, bias, num_chunks=3, dtype=dtype)

    def forward(self, input: lampas.Tensor, hx: Any = None) -> lampas.Tensor:
        """The next state, (N, hidden_size)."""
        self.check_forward_input(input)
        hx = self._zeros(input) if hx is None else hx
        self.check_forward_hidden(input, hx)
        return _gru_step(*self._gates(input, hx), hx)
