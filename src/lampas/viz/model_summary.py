"""A table of a model: its modules as a tree, with shapes, parameters, multiply-adds and memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import lampas
from lampas.viz._recording import calls_of_modules, op_name, ops_seen, tensors_in

__all__ = ["LayerRow", "ModelSummary", "multiply_adds", "summary"]


def _numel_over(weight: Any) -> int:
    # Every output number of a convolution is a sum over one filter.
    return weight[0].numel() if weight.shape[0] else 0


def _convolution(args: tuple, result: Any) -> int:
    return result.numel() * _numel_over(args[1])


def _transposed(args: tuple, result: Any) -> int:
    # Each input number meets one filter: all of the weight but its first dimension, the input's channels.
    return args[0].numel() * _numel_over(args[1])


def _product(left: int) -> Any:
    return lambda args, result: result.numel() * args[left].shape[-1]


def _attention(args: tuple, result: Any) -> int:
    query, key = args[0], args[1]
    return math.prod(query.shape[:-1]) * key.shape[-2] * (query.shape[-1] + result.shape[-1])


def _recurrent(args: tuple, result: Any) -> int:
    weights = next((a for a in args if isinstance(a, (list, tuple)) and len(a) >= 2 and a[0].dim() <= 2), ())
    output = result[0] if isinstance(result, tuple) else result
    steps = math.prod(output.shape[:-1])
    return steps * sum(w.numel() for w in weights if w.dim() == 2)


# Multiply-adds of the ops that do nearly all of a network's work. Elementwise ops count as none.
_FORMULAS: dict[str, Any] = {
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), _convolution),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), _transposed),
    **dict.fromkeys(("linear", "matmul", "rmatmul", "mm", "bmm", "mv", "dot", "inner"), _product(0)),
    **dict.fromkeys(("addmm", "addbmm", "baddbmm", "addmv"), _product(1)),
    "bilinear": lambda args, result: result.numel() * args[0].shape[-1] * args[1].shape[-1],
    "scaled_dot_product_attention": _attention,
    **dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu"), _recurrent),
    **dict.fromkeys(("lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"), lambda args, result: (
        args[0].shape[0] if args[0].dim() > 1 else 1) * sum(w.numel() for w in tensors_in(args) if _is_weight(w))),
}  # fmt: skip


def _is_weight(tensor: Any) -> bool:
    return isinstance(tensor, lampas.nn.Parameter) and tensor.dim() == 2


def multiply_adds(func: Any, args: tuple, result: Any) -> int:
    """How many times the op multiplies and adds; 0 for ops that are not products of matrices."""
    formula = _FORMULAS.get(op_name(func))
    return int(formula(args, result)) if formula is not None else 0


class LayerRow:
    """One module of the tree: what the table says of it."""

    def __init__(self, name: str, module: Any, level: int) -> None:
        self.name = name
        self.kind = type(module).__name__
        self.level = level
        self.children: list[LayerRow] = []
        self.calls = 0
        self.output_shape: Any = None
        self.output_bytes = 0
        self.mult_adds = 0
        # Of the module and what is in it, without what another row above has counted.
        self.params = 0
        self.trainable = 0
        self.shared = 0

    def __repr__(self) -> str:
        return f"LayerRow({self.name!r}, {self.kind}, output_shape={self.output_shape}, params={self.params})"


def _shape(value: Any) -> Any:
    if lampas.is_tensor(value):
        return list(value.shape)
    if isinstance(value, dict):
        return {key: _shape(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_shape(part) for part in value]
    return type(value).__name__


def _bytes(tensors: Any) -> int:
    return sum({id(t): t.numel() * t.element_size() for t in tensors}.values())


def _show_shape(shape: Any) -> str:
    if shape is None:
        return "not called"
    if isinstance(shape, dict):
        return "{" + ", ".join(f"{key}: {_show_shape(part)}" for key, part in shape.items()) + "}"
    if isinstance(shape, list) and shape and not all(isinstance(n, int) for n in shape):
        return "(" + ", ".join(_show_shape(part) for part in shape) + ")"
    return str(shape)


def _show_bytes(count: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1024 or unit == "GB":
            break
        count /= 1024
    return f"{count:,.0f} {unit}" if unit == "B" else f"{count:,.2f} {unit}"


def _show_count(count: float) -> str:
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
        if count >= size:
            return f"{count / size:,.2f} {unit}"
    return f"{count:,.0f}"


class ModelSummary:
    """What `lampas.summary` found. It prints as a table; the numbers are attributes.

    Attributes:
        root: the model's `LayerRow`, with those of its modules in ``children``.
        total_params, trainable_params: numbers, each parameter counted once.
        mult_adds: multiply-adds of one forward pass.
        input_bytes, output_bytes, param_bytes, buffer_bytes: memory of the inputs, of the outputs of all modules
            that contain no other, of parameters and of buffers.
    """

    def __init__(self, root: LayerRow, model: Any, input_bytes: int, depth: int, width: int | None) -> None:
        self.root = root
        self.depth = depth
        self.width = width
        parameters = list(model.parameters())
        self.total_params = sum(p.numel() for p in parameters)
        self.trainable_params = sum(p.numel() for p in parameters if p.requires_grad)
        self.param_bytes = _bytes(parameters)
        self.buffer_bytes = _bytes(model.buffers())
        self.mult_adds = root.mult_adds
        self.input_bytes = input_bytes
        self.output_bytes = sum(row.output_bytes for row in self.rows() if not row.children)

    def rows(self, depth: int | None = None) -> list[LayerRow]:
        """The rows from the top down; with `depth` only those that far from the model."""
        found, stack = [], [self.root]
        while stack:
            row = stack.pop()
            found.append(row)
            if depth is None or row.level < depth:
                stack.extend(reversed(row.children))
        return found

    def _tree(self) -> list[tuple[str, LayerRow]]:
        lines: list[tuple[str, LayerRow]] = []

        def add(row: LayerRow, own: str, below: str) -> None:
            title = f"{row.name}: {row.kind}" if row.name else row.kind
            calls = f" ×{row.calls}" if row.calls > 1 else ""
            hidden = " (+)" if row.children and row.level == self.depth else ""
            lines.append((own + title + calls + hidden, row))
            if row.level == self.depth:
                return
            for i, child in enumerate(row.children):
                last = i + 1 == len(row.children)
                add(child, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  "))

        add(self.root, "", "")
        return lines

    def __str__(self) -> str:
        cells = [("Layer", "Output shape", "Parameters", "Multiply-adds")]
        frozen = False
        for title, row in self._tree():
            params = f"{row.params:,}" if row.params else ("shared" if row.shared else "-")
            if row.params and row.trainable < row.params:
                params, frozen = params + "*", True
            mult_adds = _show_count(row.mult_adds) if row.mult_adds else "-"
            cells.append((title, _show_shape(row.output_shape), params, mult_adds))
        widths = [max(len(row[i]) for row in cells) for i in range(4)]
        if self.width is not None:
            widths[0] = max(12, min(widths[0], self.width - sum(widths[1:]) - 6))
        lines = []
        for name, shape, params, mult_adds in cells:
            name = name if len(name) <= widths[0] else name[: widths[0] - 1] + "…"
            lines.append(
                f"{name:<{widths[0]}}  {shape:<{widths[1]}}  {params:>{widths[2]}}  {mult_adds:>{widths[3]}}".rstrip()
            )
        rule = "─" * (sum(widths) + 6)
        frozen_params = self.total_params - self.trainable_params
        total = self.input_bytes + self.output_bytes + self.param_bytes + self.buffer_bytes
        lines = [lines[0], rule, *lines[1:], rule]
        lines.append(
            f"Parameters     {self.total_params:,} ({self.trainable_params:,} trainable, {frozen_params:,} frozen)"
        )
        lines.append(f"Multiply-adds  {_show_count(self.mult_adds)}")
        lines.append(
            f"Memory         {_show_bytes(total)}: input {_show_bytes(self.input_bytes)}, "
            f"outputs {_show_bytes(self.output_bytes)}, parameters {_show_bytes(self.param_bytes)}, "
            f"buffers {_show_bytes(self.buffer_bytes)}"
        )
        if frozen:
            lines.append("* not all trainable")
        return "\n".join(lines)

    __repr__ = __str__


def _count(row: LayerRow, module: Any, counted: set[int]) -> None:
    """Fills in a row's parameters; `counted` holds those that rows before it have, and is added to."""
    for parameter in module._parameters.values():
        if parameter is None:
            continue
        if id(parameter) in counted:
            row.shared += parameter.numel()
            continue
        counted.add(id(parameter))
        row.params += parameter.numel()
        row.trainable += parameter.numel() if parameter.requires_grad else 0


def _build(model: Any) -> tuple[LayerRow, dict[int, LayerRow]]:
    counted: set[int] = set()
    rows: dict[int, LayerRow] = {}

    def build(name: str, module: Any, level: int, above: tuple[int, ...]) -> LayerRow:
        row = LayerRow(name, module, level)
        first = rows.setdefault(id(module), row) is row
        _count(row, module, counted)
        for child_name, child in module._modules.items():
            if child is None or id(child) in above:
                continue
            part = build(child_name, child, level + 1, (*above, id(child)))
            row.children.append(part)
            row.params += part.params
            row.trainable += part.trainable
            row.shared += part.shared
        if not first:
            # The same module under a second name: its numbers stand at its first.
            row.calls, row.children = 0, []
        return row

    return build("", model, 0, (id(model),)), rows


def _inputs(input_size: Any, dtypes: Any, device: Any) -> list:
    sizes = [input_size] if all(isinstance(n, int) for n in input_size) else list(input_size)
    kinds = list(dtypes) if isinstance(dtypes, (list, tuple)) else [dtypes] * len(sizes)
    if len(kinds) != len(sizes):
        raise ValueError(f"summary: {len(sizes)} input sizes need as many dtypes, but {len(kinds)} were given")
    inputs = []
    for size, kind in zip(sizes, kinds):
        kind = kind or lampas.get_default_dtype()
        values = lampas.rand(*size) if kind.is_floating_point or kind.is_complex else lampas.zeros(*size)
        inputs.append(values.to(device=device, dtype=kind))
    return inputs


def summary(
    model: Any,
    *inputs: Any,
    input_size: Sequence[int] | Sequence[Sequence[int]] | None = None,
    dtype: Any = None,
    depth: int = 3,
    width: int | None = None,
    **kwargs: Any,
) -> ModelSummary:
    """Runs a model once and describes it: its modules as a tree with output shapes, parameters and multiply-adds.

    The run leaves no trace: it is in evaluation mode, without gradients, and the random numbers that follow are
    what they would have been. Multiply-adds are counted at the ops (convolutions, matrix products, attention,
    recurrent layers), whoever calls them. Parameters used in several places count once.

    Args:
        model: a module.
        inputs: what to call it with; any objects. Further keyword arguments are passed to it, too.
        input_size: instead of inputs, the shape of the input (batch included), or a list of shapes.
        dtype: with `input_size`, the inputs' dtype or a list of them. Integers are zeros, valid as an index.
        depth: how many levels of modules to show; ``(+)`` marks a row with more below.
        width: the widest that the table may be; by default as wide as it needs.

    Returns:
        A `ModelSummary`, which prints as the table.

    Raises:
        TypeError: neither inputs nor input_size are given, or both are, or `model` is no module.

    Example:
        >>> lampas.summary(nn.Sequential(nn.Linear(8, 4), nn.ReLU()), input_size=(1, 8))
        >>> lampas.summary(model, tokens, mask=mask).total_params
    """
    if not isinstance(model, lampas.nn.Module):
        raise TypeError(f"summary expects a module, but was given a {type(model).__name__}")
    if input_size is not None and inputs:
        raise TypeError("summary takes inputs or input_size, not both")
    if input_size is None and not inputs and not kwargs:
        raise TypeError("summary needs something to call the model with: give inputs, or input_size=(batch, ...)")
    root, rows = _build(model)
    active: list[LayerRow] = []

    def entered(module: Any, args: tuple, named: dict) -> None:
        active.append(rows[id(module)])

    def left(module: Any, output: Any) -> None:
        row = active.pop()
        row.calls += 1
        row.output_shape = _shape(output)
        row.output_bytes += _bytes(tensors_in(output))

    def op(func: Any, args: tuple, named: dict, result: Any) -> None:
        count = multiply_adds(func, args, result)
        if count:
            for row in {id(row): row for row in active}.values():
                row.mult_adds += count

    modes = [(module, module.training) for module in model.modules()]
    random_state = lampas.get_rng_state()
    try:
        if input_size is not None:
            first = next(model.parameters(), None)
            inputs = tuple(_inputs(input_size, dtype, "cpu" if first is None else first.device))
        model.eval()
        with lampas.no_grad(), calls_of_modules(model, entered, left), ops_seen(op):
            model(*inputs, **kwargs)
    finally:
        lampas.set_rng_state(random_state)
        for module, training in modes:
            module.training = training
    return ModelSummary(root, model, _bytes(tensors_in((inputs, kwargs))), depth, width)
