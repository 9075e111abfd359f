"""LSTM made of linear layers, gates and products that can be observed and quantized one by one."""

from __future__ import annotations

import warnings
from typing import Any

import lampas
import lampas.nn as nn

__all__ = ["LSTM", "LSTMCell"]

_GATES = ("input", "forget", "cell", "output")
_State = tuple[lampas.Tensor, lampas.Tensor]


class LSTMCell(nn.Module):
    """One step of an LSTM.

    Args:
        input_dim, hidden_dim: sizes of input and state.
        bias: whether numbers are added to the gates.
        split_gates: a linear layer for each gate, so that each gets a scale of its own.
    """

    _FLOAT_MODULE = nn.LSTMCell

    def __init__(
        self,
        input_dim: int,
        hidden_dim: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        split_gates: bool = False,
    ) -> None:
        from lampas.ao.nn.quantized.modules.functional_modules import FloatFunctional

        super().__init__()
        self.input_size = input_dim
        self.hidden_size = hidden_dim
        self.bias = bias
        self.split_gates = split_gates

        def layer(size: int, width: int) -> nn.Linear:
            return nn.Linear(size, width, bias=bias, device=device, dtype=dtype)

        self.igates: Any
        self.hgates: Any
        self.gates: Any
        if split_gates:
            self.igates, self.hgates, self.gates = nn.ModuleDict(), nn.ModuleDict(), nn.ModuleDict()
            for gate in _GATES:
                self.igates[gate] = layer(input_dim, hidden_dim)
                self.hgates[gate] = layer(hidden_dim, hidden_dim)
                self.gates[gate] = FloatFunctional()
        else:
            self.igates = layer(input_dim, 4 * hidden_dim)
            self.hgates = layer(hidden_dim, 4 * hidden_dim)
            self.gates = FloatFunctional()
        self.input_gate = nn.Sigmoid()
        self.forget_gate = nn.Sigmoid()
        self.cell_gate = nn.Tanh()
        self.output_gate = nn.Sigmoid()
        self.fgate_cx = FloatFunctional()
        self.igate_cgate = FloatFunctional()
        self.fgate_cx_igate_cgate = FloatFunctional()
        self.ogate_cy = FloatFunctional()
        self.initial_hidden_state_qparams: tuple[float, int] = (1.0, 0)
        self.initial_cell_state_qparams: tuple[float, int] = (1.0, 0)
        self.hidden_state_dtype = lampas.quint8
        self.cell_state_dtype = lampas.quint8

    def forward(self, x: lampas.Tensor, hidden: _State | None = None) -> _State:
        """The next hidden and cell state, each (N, hidden_dim), for an input of (N, input_dim)."""
        if hidden is None or hidden[0] is None or hidden[1] is None:
            hidden = self.initialize_hidden(x.shape[0], x.is_quantized)
        hx, cx = hidden
        if self.split_gates:
            sums = [self.gates[g].add(self.igates[g](x), self.hgates[g](hx)) for g in _GATES]
        else:
            sums = self.gates.add(self.igates(x), self.hgates(hx)).chunk(4, 1)
        take, keep = self.input_gate(sums[0]), self.forget_gate(sums[1])
        new, show = self.cell_gate(sums[2]), self.output_gate(sums[3])
        kept = self.fgate_cx.mul(keep, cx)
        taken = self.igate_cgate.mul(take, new)
        cy = self.fgate_cx_igate_cgate.add(kept, taken)
        return self.ogate_cy.mul(show, lampas.tanh(cy)), cy

    def initialize_hidden(self, batch_size: int, is_quantized: bool = False) -> _State:
        """States of zeros."""
        states = [lampas.zeros((batch_size, self.hidden_size)) for _ in range(2)]
        if is_quantized:
            kinds = (
                (*self.initial_hidden_state_qparams, self.hidden_state_dtype),
                (*self.initial_cell_state_qparams, self.cell_state_dtype),
            )
            states = [lampas.quantize_per_tensor(state, *kind) for state, kind in zip(states, kinds)]
        return states[0], states[1]

    def _get_name(self) -> str:
        return "QuantizableLSTMCell"

    @classmethod
    def from_params(cls, wi: Any, wh: Any, bi: Any = None, bh: Any = None, split_gates: bool = False) -> LSTMCell:
        """A cell with the given weights (4 hidden, in) and biases of input and state.

        Raises:
            AssertionError: one bias without the other.
        """
        if (bi is None) != (bh is None):
            raise AssertionError("bi and bh must both be None or both have values")
        cell = cls(wi.shape[1], wh.shape[1], bi is not None, split_gates=split_gates)
        for layer, weight, bias in ((cell.igates, wi, bi), (cell.hgates, wh, bh)):
            layers = [layer[g] for g in _GATES] if split_gates else [layer]
            weights = weight.detach().chunk(len(layers), dim=0)
            biases = [None] * len(layers) if bias is None else bias.detach().chunk(len(layers), dim=0)
            for part, w, b in zip(layers, weights, biases):
                part.weight = nn.Parameter(w)
                if b is not None:
                    part.bias = nn.Parameter(b)
        return cell

    @classmethod
    def from_float(cls, other: Any, use_precomputed_fake_quant: bool = False, split_gates: bool = False) -> LSTMCell:
        """A cell with the parameters and the qconfig of `lampas.nn.LSTMCell`.

        Raises:
            AssertionError: another type of module, or no qconfig.
        """
        if type(other) is not cls._FLOAT_MODULE:
            raise AssertionError(f"Expected module type {cls._FLOAT_MODULE}, got {type(other)}")
        if not hasattr(other, "qconfig"):
            raise AssertionError("The float module must have 'qconfig'")
        cell = cls.from_params(other.weight_ih, other.weight_hh, other.bias_ih, other.bias_hh, split_gates)
        _spread(cell, other.qconfig)
        return cell


def _spread(module: nn.Module, qconfig: Any) -> None:
    """Gives the linear layers of a module its qconfig."""
    module.qconfig = qconfig
    for part in module.modules():
        if isinstance(part, nn.Linear):
            part.qconfig = qconfig


class _LSTMSingleLayer(nn.Module):
    """A layer in one direction: the cell, step by step over (L, N, size)."""

    def __init__(
        self,
        input_dim: int,
        hidden_dim: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        split_gates: bool = False,
    ) -> None:
        super().__init__()
        self.cell = LSTMCell(input_dim, hidden_dim, bias, device, dtype, split_gates=split_gates)

    def forward(self, x: lampas.Tensor, hidden: _State | None = None) -> tuple[lampas.Tensor, Any]:
        outputs = []
        for step in range(x.shape[0]):
            hidden = self.cell(x[step], hidden)
            outputs.append(hidden[0])
        return lampas.stack(outputs, 0), hidden

    @classmethod
    def from_params(cls, *args: Any, **kwargs: Any) -> _LSTMSingleLayer:
        cell = LSTMCell.from_params(*args, **kwargs)
        layer = cls(cell.input_size, cell.hidden_size, cell.bias, split_gates=cell.split_gates)
        layer.cell = cell
        return layer


class _LSTMLayer(nn.Module):
    """A layer in one direction or in both."""

    def __init__(
        self,
        input_dim: int,
        hidden_dim: int,
        bias: bool = True,
        batch_first: bool = False,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        split_gates: bool = False,
    ) -> None:
        super().__init__()
        self.batch_first = batch_first
        self.bidirectional = bidirectional
        options = (input_dim, hidden_dim, bias, device, dtype)
        self.layer_fw = _LSTMSingleLayer(*options, split_gates=split_gates)
        if bidirectional:
            self.layer_bw = _LSTMSingleLayer(*options, split_gates=split_gates)

    def forward(self, x: lampas.Tensor, hidden: _State | None = None) -> tuple[lampas.Tensor, _State]:
        if self.batch_first:
            x = x.transpose(0, 1)
        hx, cx = (None, None) if hidden is None else hidden

        def start(direction: int) -> Any:
            if hx is None or cx is None:
                return None
            return (hx[direction], cx[direction]) if self.bidirectional else (hx, cx)

        result, (h, c) = self.layer_fw(x, start(0))
        if self.bidirectional:
            backward, (h_back, c_back) = self.layer_bw(x.flip(0), start(1))
            result = lampas.cat([result, backward.flip(0)], result.dim() - 1)
            h, c = lampas.stack([h, h_back], 0), lampas.stack([c, c_back], 0)
        if self.batch_first:
            result = result.transpose(0, 1)
        return result, (h, c)

    @classmethod
    def from_float(
        cls, other: Any, layer_idx: int = 0, qconfig: Any = None, *, split_gates: bool = False, **kwargs: Any
    ) -> _LSTMLayer:
        """Layer `layer_idx` of `lampas.nn.LSTM`."""
        if not hasattr(other, "qconfig") and qconfig is None:
            raise AssertionError("other must have qconfig or qconfig must be provided")
        size = other.input_size
        if layer_idx:
            size = other.hidden_size * (2 if other.bidirectional else 1)
        layer = cls(
            *(size, other.hidden_size, other.bias, other.batch_first, other.bidirectional), split_gates=split_gates
        )

        def direction(suffix: str) -> _LSTMSingleLayer:
            names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            params = [getattr(other, f"{name}_l{layer_idx}{suffix}", None) for name in names]
            return _LSTMSingleLayer.from_params(*params, split_gates=split_gates)

        layer.layer_fw = direction("")
        if other.bidirectional:
            layer.layer_bw = direction("_reverse")
        _spread(layer, getattr(other, "qconfig", qconfig))
        return layer


class LSTM(nn.Module):
    """`lampas.nn.LSTM` made of parts that can be observed: what `prepare` puts in its place.

    Args:
        input_size, hidden_size, num_layers, bias, batch_first, bidirectional: as of `lampas.nn.LSTM`.
        dropout: must be a probability; nothing is dropped here.
        split_gates: a linear layer for each gate.

    Raises:
        ValueError: `dropout` is no probability.
    """

    _FLOAT_MODULE = nn.LSTM

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        split_gates: bool = False,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.training = False
        if isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise ValueError(
                "dropout should be a number in range [0, 1] representing the probability of an element being zeroed, "
                f"got {dropout}"
            )
        if dropout > 0:
            warnings.warn("dropout option for quantizable LSTM is ignored", stacklevel=2)
        across = hidden_size * (2 if bidirectional else 1)
        self.layers = nn.ModuleList(
            _LSTMLayer(
                *(across if layer else input_size, hidden_size, bias, False, bidirectional, device, dtype),
                split_gates=split_gates,
            )
            for layer in range(num_layers)
        )

    def forward(self, x: lampas.Tensor, hidden: _State | None = None) -> tuple[lampas.Tensor, _State]:
        """Outputs of the last layer, and the last states (num_layers * directions, N, hidden_size)."""
        if self.batch_first:
            x = x.transpose(0, 1)
        directions = 2 if self.bidirectional else 1
        states: list[Any] = [None] * self.num_layers
        if hidden is not None:
            shape = (self.num_layers, directions, -1, self.hidden_size)
            hx, cx = (state.reshape(shape) for state in hidden)
            states = [(hx[n].squeeze(0), cx[n].squeeze(0)) for n in range(self.num_layers)]
        elif x.is_quantized:
            zeros = lampas.zeros(directions, x.size(1), self.hidden_size).squeeze(0)
            zeros = lampas.quantize_per_tensor(zeros, 1.0, 0, x.dtype)
            states = [(zeros, zeros)] * self.num_layers
        hs, cs = [], []
        for layer, state in zip(self.layers, states):
            x, (h, c) = layer(x, state)
            hs.append(h)
            cs.append(c)
        ends = tuple(lampas.stack(parts).reshape(-1, parts[0].size(-2), parts[0].size(-1)) for parts in (hs, cs))
        if self.batch_first:
            x = x.transpose(0, 1)
        return x, (ends[0], ends[1])

    def _get_name(self) -> str:
        return "QuantizableLSTM"

    @classmethod
    def from_float(cls, other: Any, qconfig: Any = None, split_gates: bool = False) -> Any:
        """An observable copy of `lampas.nn.LSTM`, ready for `convert` after it has seen data.

        Raises:
            AssertionError: another type of module, or no qconfig.
        """
        from lampas.ao.quantization import prepare, prepare_qat

        if not isinstance(other, cls._FLOAT_MODULE):
            raise AssertionError(f"Expected instance of {cls._FLOAT_MODULE}, got {type(other)}")
        if not hasattr(other, "qconfig") and not qconfig:
            raise AssertionError("other must have qconfig or qconfig must be provided")
        made = cls(
            *(other.input_size, other.hidden_size, other.num_layers, other.bias, other.batch_first),
            *(other.dropout, other.bidirectional),
            split_gates=split_gates,
        )
        made.qconfig = getattr(other, "qconfig", qconfig)
        for index in range(other.num_layers):
            made.layers[index] = _LSTMLayer.from_float(
                other, index, made.qconfig, split_gates=split_gates, batch_first=False
            )
            made.layers[index].batch_first = False
        if other.training:
            made.train()
            return prepare_qat(made, inplace=True)
        made.eval()
        return prepare(made, inplace=True)

    @classmethod
    def from_observed(cls, other: Any) -> Any:
        """
        Raises:
            NotImplementedError: always; `lampas.ao.nn.quantized.LSTM` is made from an observed one.
        """
        raise NotImplementedError(
            "Don't convert observed to observed: lampas.ao.nn.quantized.LSTM.from_observed makes the quantized module"
        )
