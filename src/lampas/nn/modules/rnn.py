"""Recurrent layers and cells: RNN, LSTM, GRU."""

from __future__ import annotations

import math
import warnings
from typing import Any

import lampas

from .. import init
from ..parameter import Parameter
from ..utils.rnn import PackedSequence
from .module import Module

__all__ = ["GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "RNNBase", "RNNCell", "RNNCellBase"]

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


def apply_permutation(tensor: lampas.Tensor, permutation: lampas.Tensor, dim: int = 1) -> lampas.Tensor:
    """``tensor`` with its entries along ``dim`` in the order ``permutation``."""
    return tensor.index_select(dim, permutation)


class RNNBase(Module):
    """Weights, checks and forward pass of all recurrent layers; ``mode`` says which.

    For layer k and direction d the parameters are ``weight_ih_l{k}``, ``weight_hh_l{k}``, ``bias_ih_l{k}``,
    ``bias_hh_l{k}`` and, with ``proj_size``, ``weight_hr_l{k}``; the backward direction adds ``_reverse``.
    """

    __constants__ = [
        *("mode", "input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional"),
        "proj_size",
    ]

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
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if mode not in _GATES:
            raise ValueError(f"Unrecognized RNN mode: {mode}")
        if isinstance(dropout, bool) or not isinstance(dropout, (int, float)) or not 0 <= dropout <= 1:
            raise ValueError(
                "dropout should be a number in range [0, 1] representing the probability of an element being zeroed, "
                f"got {dropout}"
            )
        if dropout > 0 and num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects "
                "num_layers "
                f"greater than 1, but got dropout={dropout} and num_layers={num_layers}",
                stacklevel=3,
            )
        for name, value in (("bias", bias), ("batch_first", batch_first)):
            if not isinstance(value, bool):
                raise TypeError(f"{name} should be of type bool, got: {type(value).__name__}")
        if not isinstance(hidden_size, int):
            raise TypeError(f"hidden_size should be of type int, got: {type(hidden_size).__name__}")
        if input_size <= 0:
            raise ValueError(f"input_size must be greater than zero, got {input_size}")
        if hidden_size <= 0:
            raise ValueError(f"hidden_size must be greater than zero, got {hidden_size}")
        if num_layers <= 0:
            raise ValueError(f"num_layers must be greater than zero, got {num_layers}")
        if proj_size < 0:
            raise ValueError(f"proj_size should be a positive integer or zero to disable projections, got {proj_size}")
        if proj_size >= hidden_size:
            raise ValueError(f"proj_size has to be smaller than hidden_size, got {proj_size} and {hidden_size}")
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        directions = 2 if bidirectional else 1
        gate_size = _GATES[mode] * hidden_size
        state_size = proj_size or hidden_size
        self._flat_weights_names: list[str] = []
        self._all_weights: list[list[str]] = []
        for layer in range(num_layers):
            for direction in range(directions):
                width = input_size if layer == 0 else state_size * directions
                suffix = f"_l{layer}" + ("_reverse" if direction else "")
                shapes: dict[str, tuple[int, ...]] = {
                    f"weight_ih{suffix}": (gate_size, width),
                    f"weight_hh{suffix}": (gate_size, state_size),
                }
                if bias:
                    shapes[f"bias_ih{suffix}"] = shapes[f"bias_hh{suffix}"] = (gate_size,)
                if proj_size:
                    shapes[f"weight_hr{suffix}"] = (proj_size, hidden_size)
                for name, shape in shapes.items():
                    setattr(self, name, Parameter(lampas.empty(shape, device=device, dtype=dtype)))
                self._flat_weights_names.extend(shapes)
                self._all_weights.append(list(shapes))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the initial values anew: evenly within ``1 / sqrt(hidden_size)``."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    @property
    def _flat_weights(self) -> list[lampas.Tensor]:
        own = self._parameters
        return [own[name] if name in own else getattr(self, name) for name in self._flat_weights_names]

    def __getstate__(self) -> dict:
        return {**super().__getstate__(), "_flat_weights": self._flat_weights}  # PyTorch keeps the list in the module

    def __setstate__(self, state: dict) -> None:
        super().__setstate__({name: value for name, value in state.items() if name != "_flat_weights"})

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def flatten_parameters(self) -> None:
        """Does nothing: the engine packs the weights itself. Programs may call it."""

    def check_input(self, input: lampas.Tensor, batch_sizes: lampas.Tensor | None) -> None:
        """RuntimeError if the input's dimensions do not fit."""
        wanted = 3 if batch_sizes is None else 2
        if input.dim() != wanted:
            raise RuntimeError(f"input must have {wanted} dimensions, got {input.dim()}")
        if input.size(-1) != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {input.size(-1)}"
            )

    def get_expected_hidden_size(self, input: lampas.Tensor, batch_sizes: lampas.Tensor | None) -> tuple[int, int, int]:
        """The shape of the hidden state."""
        if batch_sizes is not None:
            batch = int(batch_sizes[0])
        else:
            batch = input.size(0) if self.batch_first else input.size(1)
        return self.num_layers * (2 if self.bidirectional else 1), batch, self.proj_size or self.hidden_size

    def get_expected_cell_size(self, input: lampas.Tensor, batch_sizes: lampas.Tensor | None) -> tuple[int, int, int]:
        """The shape of an LSTM's cell state."""
        layers, batch, _ = self.get_expected_hidden_size(input, batch_sizes)
        return layers, batch, self.hidden_size

    def check_hidden_size(
        self,
        hx: lampas.Tensor,
        expected_hidden_size: tuple[int, int, int],
        msg: str = "Expected hidden size {}, got {}",
    ) -> None:
        """RuntimeError if a state's shape does not fit."""
        if tuple(hx.size()) != expected_hidden_size:
            raise RuntimeError(msg.format(expected_hidden_size, list(hx.size())))

    def check_forward_args(self, input: lampas.Tensor, hidden: Any, batch_sizes: lampas.Tensor | None) -> None:
        """Check input and states."""
        self.check_input(input, batch_sizes)
        states = hidden if isinstance(hidden, (tuple, list)) else (hidden,)
        message = "Expected hidden{} size {{}}, got {{}}"
        self.check_hidden_size(
            states[0], self.get_expected_hidden_size(input, batch_sizes), message.format("[0]" * (len(states) - 1))
        )
        if len(states) == 2:
            self.check_hidden_size(states[1], self.get_expected_cell_size(input, batch_sizes), message.format("[1]"))

    def permute_hidden(self, hx: Any, permutation: lampas.Tensor | None) -> Any:
        """States with their batch in another order."""
        if permutation is None:
            return hx
        if isinstance(hx, tuple):
            return tuple(apply_permutation(state, permutation) for state in hx)
        return apply_permutation(hx, permutation)

    def _run(self, *args: Any) -> tuple[lampas.Tensor, ...]:
        return getattr(lampas, self.mode.lower())(*args)

    def _zero_states(self, input: lampas.Tensor, batch_sizes: lampas.Tensor | None) -> Any:
        shape = self.get_expected_hidden_size(input, batch_sizes)
        hidden = lampas.zeros(shape, dtype=input.dtype, device=input.device)
        if self.mode != "LSTM":
            return hidden
        cell_shape = self.get_expected_cell_size(input, batch_sizes)
        return hidden, lampas.zeros(cell_shape, dtype=input.dtype, device=input.device)

    def _unbatched_states(self, hx: Any) -> Any:
        """States of one sequence, given a batch dimension."""
        states = hx if isinstance(hx, (tuple, list)) else (hx,)
        for state in states:
            if state.dim() != 2:
                raise RuntimeError(
                    f"For unbatched 2-D input, hx {'and cx ' if self.mode == 'LSTM' else ''}should also be 2-D but got "
                    f"{state.dim()}-D tensor"
                )
        states = tuple(state.unsqueeze(1) for state in states)
        return states if self.mode == "LSTM" else states[0]

    def forward(self, input: Any, hx: Any = None) -> Any:
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        if input.dim() not in (2, 3):
            raise ValueError(
                f"{self.mode.split('_')[0]}: Expected input to be 2D or 3D, got {input.dim()}D instead: the shape is "
                "(L, N, "
                "features), (N, L, features) with batch_first=True, or (L, features)"
            )
        batched = input.dim() == 3
        if not batched:
            input = input.unsqueeze(0 if self.batch_first else 1)
            if hx is not None:
                hx = self._unbatched_states(hx)
        elif hx is not None:
            for state in hx if isinstance(hx, (tuple, list)) else (hx,):
                if state.dim() != 3:
                    raise RuntimeError(
                        f"For batched 3-D input, hx {'and cx ' if self.mode == 'LSTM' else ''}should also be 3-D but "
                        "got "
                        f"{state.dim()}-D tensor"
                    )
        if hx is None:
            self.check_input(input, None)
            hx = self._zero_states(input, None)
        else:
            self.check_forward_args(input, hx, None)
        output, *states = self._run(
            *(input, hx, self._flat_weights, self.bias, self.num_layers, self.dropout, self.training),
            *(self.bidirectional, self.batch_first),
        )
        if not batched:
            output = output.squeeze(0 if self.batch_first else 1)
            states = [state.squeeze(1) for state in states]
        return output, tuple(states) if self.mode == "LSTM" else states[0]

    def _forward_packed(self, input: PackedSequence, hx: Any) -> Any:
        data, batch_sizes, sorted_indices, unsorted_indices = input
        if hx is None:
            self.check_input(data, batch_sizes)
            hx = self._zero_states(data, batch_sizes)
        else:
            hx = self.permute_hidden(tuple(hx) if self.mode == "LSTM" else hx, sorted_indices)
            self.check_forward_args(data, hx, batch_sizes)
        output, *states = self._run(
            *(data, batch_sizes, hx, self._flat_weights, self.bias, self.num_layers, self.dropout, self.training),
            self.bidirectional,
        )
        last = tuple(states) if self.mode == "LSTM" else states[0]
        return (
            PackedSequence(output, batch_sizes, sorted_indices, unsorted_indices),
            self.permute_hidden(last, unsorted_indices),
        )

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if self.proj_size != 0:
            text += f", proj_size={self.proj_size}"
        if self.num_layers != 1:
            text += f", num_layers={self.num_layers}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        if self.batch_first is not False:
            text += f", batch_first={self.batch_first}"
        if self.dropout != 0:
            text += f", dropout={self.dropout}"
        if self.bidirectional is not False:
            text += f", bidirectional={self.bidirectional}"
        return text


class RNN(RNNBase):
    """``h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)``, layer on layer (Elman 1990).

    Args:
        input_size, hidden_size: features of input and state.
        num_layers: layers on top of each other.
        nonlinearity: ``"tanh"`` or ``"relu"``.
        bias: whether the biases are there.
        batch_first: input and output are ``(N, L, features)`` instead of ``(L, N, features)``.
        dropout: probability of dropout between the layers.
        bidirectional: a second pass from the end; outputs are joined.

    Gives ``output, h_n``: every step of the last layer, and the last step of every layer.

    Example::

        >>> output, hn = nn.RNN(10, 20, 2)(lampas.randn(5, 3, 10))
        >>> output.shape, hn.shape
        (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        if len(args) > 3:
            nonlinearity = args[3]
            args = args[:3] + args[4:]
        else:
            nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__(f"RNN_{nonlinearity.upper()}", *args, **kwargs)
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """Long short-term memory (Hochreiter & Schmidhuber 1997), layer on layer.

    ``i, f, o = sigmoid(...)``, ``g = tanh(...)`` of ``W_i x_t + b_i + W_h h_{t-1} + b_h``;
    ``c_t = f c_{t-1} + i g``, ``h_t = o tanh(c_t)``; with ``proj_size`` then ``h_t = W_hr h_t``.

    Args:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional: as of :class:`RNN`.
        proj_size: features the state is projected to; 0 for none.

    Takes ``input, (h_0, c_0)`` and gives ``output, (h_n, c_n)``.

    Example::

        >>> output, (hn, cn) = nn.LSTM(10, 20, 2)(lampas.randn(5, 3, 10))
        >>> output.shape, hn.shape, cn.shape
        (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]), torch.Size([2, 3, 20]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)


class GRU(RNNBase):
    """Gated recurrent units (Cho et al. 2014), layer on layer.

    ``r, z = sigmoid(...)`` of ``W_i x_t + b_i + W_h h_{t-1} + b_h``, ``n = tanh(W_in x_t + b_in + r (W_hn h_{t-1} +
    b_hn))``,
    ``h_t = (1 - z) n + z h_{t-1}``.

    Args:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional: as of :class:`RNN`.

    Example::

        >>> output, hn = nn.GRU(10, 20, 2)(lampas.randn(5, 3, 10))
        >>> output.shape, hn.shape
        (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__("GRU", *args, **kwargs)


class RNNCellBase(Module):
    """Weights and checks of the cells: one step of a recurrent layer."""

    __constants__ = ["input_size", "hidden_size", "bias"]

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool, num_chunks: int, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows = num_chunks * hidden_size
        self.weight_ih = Parameter(lampas.empty((rows, input_size), device=device, dtype=dtype))
        self.weight_hh = Parameter(lampas.empty((rows, hidden_size), device=device, dtype=dtype))
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, Parameter(lampas.empty(rows, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the initial values anew: evenly within ``1 / sqrt(hidden_size)``."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        if getattr(self, "nonlinearity", "tanh") != "tanh":
            text += f", nonlinearity={self.nonlinearity}"
        return text

    def _step(self, function: Any, input: lampas.Tensor, states: tuple[lampas.Tensor, ...] | None, count: int) -> Any:
        """One step for a batch or a single vector."""
        name = type(self).__name__
        if input.dim() not in (1, 2):
            raise ValueError(f"{name}: Expected input to be 1D or 2D, got {input.dim()}D instead")
        for i, state in enumerate(states or ()):
            if state.dim() not in (1, 2):
                which = f"hx[{i}]" if count == 2 else "hidden"
                raise ValueError(f"{name}: Expected {which} to be 1D or 2D, got {state.dim()}D instead")
        batched = input.dim() == 2
        if not batched:
            input = input.unsqueeze(0)
        if states is None:
            zeros = lampas.zeros((input.size(0), self.hidden_size), dtype=input.dtype, device=input.device)
            states = (zeros,) * count
        elif not batched:
            states = tuple(state.unsqueeze(0) for state in states)
        hx = states if count == 2 else states[0]
        result = function(input, hx, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        if batched:
            return result
        return tuple(state.squeeze(0) for state in result) if count == 2 else result.squeeze(0)


class RNNCell(RNNCellBase):
    """``h' = tanh(W_ih x + b_ih + W_hh h + b_hh)``, or relu: one step of :class:`RNN`.

    Example::

        >>> nn.RNNCell(10, 20)(lampas.randn(3, 10)).shape
        torch.Size([3, 20])
    """

    __constants__ = ["input_size", "hidden_size", "bias", "nonlinearity"]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, num_chunks=1, device=device, dtype=dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: lampas.Tensor, hx: lampas.Tensor | None = None) -> lampas.Tensor:
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        function = lampas.rnn_tanh_cell if self.nonlinearity == "tanh" else lampas.rnn_relu_cell
        return self._step(function, input, None if hx is None else (hx,), 1)


class LSTMCell(RNNCellBase):
    """One step of :class:`LSTM`: ``(h', c')`` from ``x, (h, c)``.

    Example::

        >>> h, c = nn.LSTMCell(10, 20)(lampas.randn(3, 10))
        >>> h.shape
        torch.Size([3, 20])
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, num_chunks=4, device=device, dtype=dtype)

    def forward(
        self, input: lampas.Tensor, hx: tuple[lampas.Tensor, lampas.Tensor] | None = None
    ) -> tuple[lampas.Tensor, lampas.Tensor]:
        return self._step(lampas.lstm_cell, input, None if hx is None else tuple(hx), 2)


class GRUCell(RNNCellBase):
    """One step of :class:`GRU`: ``h'`` from ``x, h``.

    Example::

        >>> nn.GRUCell(10, 20)(lampas.randn(3, 10)).shape
        torch.Size([3, 20])
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, num_chunks=3, device=device, dtype=dtype)

    def forward(self, input: lampas.Tensor, hx: lampas.Tensor | None = None) -> lampas.Tensor:
        return self._step(lampas.gru_cell, input, None if hx is None else (hx,), 1)
