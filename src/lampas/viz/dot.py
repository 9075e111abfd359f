"""The autograd graph of a tensor as a Graphviz drawing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import lampas

if TYPE_CHECKING:
    from graphviz import Digraph

__all__ = ["make_dot", "make_dot_from_trace", "resize_graph"]

_PROGRAM_MISSING = (
    "drawing needs Graphviz's program `dot`; install it (apt install graphviz, brew install graphviz, "
    "conda install graphviz), or keep the text in `.source` and draw it elsewhere"
)
_SAVED = "_saved_"


def _new_drawing() -> Digraph:
    try:
        import graphviz
    except ImportError as error:
        raise ImportError(
            "make_dot needs the Python package graphviz; install it with `pip install graphviz`"
        ) from error

    class Drawing(graphviz.Digraph):
        """A Digraph that says what to install when it cannot be drawn."""

        def render(self, *args: Any, **kwargs: Any) -> str:
            try:
                return super().render(*args, **kwargs)
            except graphviz.ExecutableNotFound as error:
                error.add_note(_PROGRAM_MISSING)
                raise

        def pipe(self, *args: Any, **kwargs: Any) -> Any:
            try:
                return super().pipe(*args, **kwargs)
            except graphviz.ExecutableNotFound as error:
                error.add_note(_PROGRAM_MISSING)
                raise

    boxes = {
        "style": "filled",
        "shape": "box",
        "align": "left",
        "fontsize": "10",
        "ranksep": "0.1",
        "height": "0.2",
        "fontname": "monospace",
    }
    return Drawing(node_attr=boxes, graph_attr={"size": "12,12"})


def _saved_values(node: Any) -> list[tuple[str, Any]]:
    # `_saved_tensors` is what a custom Function calls `saved_tensors`, which has its own place.
    names = sorted({name for name in dir(node) if name.startswith(_SAVED) and name != "_saved_tensors"})
    return [(name[len(_SAVED) :], getattr(node, name)) for name in names]


def _is_tensors(value: Any) -> bool:
    return isinstance(value, tuple) and any(lampas.is_tensor(v) for v in value)


class _Drawer:
    def __init__(self, names: dict[int, str], show_attrs: bool, show_saved: bool, max_chars: int) -> None:
        self.dot = _new_drawing()
        self.names = names
        self.show_attrs = show_attrs
        self.show_saved = show_saved
        self.max_chars = max(max_chars, 3)
        # Holding the objects keeps their ids, which name the boxes, from being given to others.
        self.seen: dict[int, Any] = {}

    def box(self, tensor: Any, colour: str, name: str | None = None) -> None:
        name = name or self.names.get(id(tensor), "")
        size = ", ".join(str(n) for n in tensor.shape)
        self.dot.node(str(id(tensor)), f"{name}\n ({size})", fillcolor=colour)

    def label(self, node: Any) -> str:
        name = type(node).__name__
        if not self.show_attrs:
            return name
        rows = {}
        for key, value in _saved_values(node):
            if lampas.is_tensor(value):
                rows[key] = "[saved tensor]"
            else:
                rows[key] = "[saved tensors]" if _is_tensors(value) else str(value)
        if not rows:
            return name
        keys = max(map(len, rows))
        values = min(max(map(len, rows.values())), self.max_chars)
        lines = [name, "-" * max(keys + values + 2, len(name))]
        for key, text in rows.items():
            short = text if len(text) <= values else text[: values - 3] + "..."
            lines.append(f"{key:<{keys}}: {short:>{values}}")
        return "\n".join(lines)

    def saved(self, node: Any) -> None:
        for key, value in _saved_values(node):
            values = [(key, value)]
            if isinstance(value, tuple):
                values = [(f"{key}[{i}]", v) for i, v in enumerate(value)]
            for name, tensor in values:
                if lampas.is_tensor(tensor):
                    if tensor is value:
                        self.seen[id(tensor)] = tensor
                    else:
                        self.seen.setdefault(id(value), value)
                    self.dot.edge(str(id(node)), str(id(tensor)), dir="none")
                    self.box(tensor, "orange", name)

    def visit(self, node: Any) -> Iterator[Any]:
        """Draws a node; gives the nodes that feed it, each when its turn comes."""
        self.seen[id(node)] = node
        if self.show_saved:
            self.saved(node)
        if hasattr(node, "variable"):
            leaf = node.variable
            self.seen[id(leaf)] = leaf
            self.box(leaf, "lightblue")
            self.dot.edge(str(id(leaf)), str(id(node)))
        self.dot.node(str(id(node)), self.label(node))
        for source, _ in getattr(node, "next_functions", ()):
            if source is not None:
                self.dot.edge(str(id(source)), str(id(node)))
                yield source
        for tensor in getattr(node, "saved_tensors", ()):
            self.seen[id(tensor)] = tensor
            self.dot.edge(str(id(tensor)), str(id(node)), dir="none")
            self.box(tensor, "orange")

    def nodes(self, root: Any) -> None:
        # A stack of half-drawn nodes: a long chain of ops must not exhaust Python's own stack.
        if id(root) in self.seen:
            return
        stack = [self.visit(root)]
        while stack:
            source = next(stack[-1], None)
            if source is None:
                stack.pop()
            elif id(source) not in self.seen:
                stack.append(self.visit(source))

    def output(self, tensor: Any) -> None:
        colour = "darkolivegreen1"
        below = []
        while id(tensor) not in self.seen:
            self.seen[id(tensor)] = tensor
            self.box(tensor, colour)
            if tensor.grad_fn is not None:
                self.nodes(tensor.grad_fn)
                self.dot.edge(str(id(tensor.grad_fn)), str(id(tensor)))
            if not tensor._is_view():
                break
            below.append((tensor._base, tensor))
            tensor, colour = tensor._base, "darkolivegreen3"
        for base, view in reversed(below):
            self.dot.edge(str(id(base)), str(id(view)), style="dotted")


def make_dot(
    var: Any,
    params: dict[str, Any] | None = None,
    show_attrs: bool = False,
    show_saved: bool = False,
    max_attr_chars: int = 50,
) -> Digraph:
    """Draws the graph of ops that autograd recorded for a tensor, as torchviz does.

    Grey boxes are graph nodes; light blue ones leaves whose ``.grad`` backward fills; orange ones saved tensors;
    green ones the outputs, dark green the tensor an output is a view of.

    Args:
        var: the output, or a tuple or list of outputs.
        params: tensors by the name to show for them, such as ``dict(model.named_parameters())``.
        show_attrs: whether to list what each node keeps for its gradient.
        show_saved: whether to draw the tensors that nodes keep. Those of a custom Function are always drawn.
        max_attr_chars: where to cut the text of one attribute (at least 3).

    Returns:
        A ``graphviz.Digraph``: ``.source`` is its text, ``.render("graph", format="svg")`` draws it.

    Raises:
        ImportError: the Python package graphviz is not installed.
        AssertionError: `params` holds something that is no tensor.

    Example:
        >>> x = lampas.ones(3, requires_grad=True)
        >>> lampas.viz.make_dot((x * 2).sum(), params={"x": x}).render("graph", format="svg")
    """
    for name, value in (params or {}).items():
        if not lampas.is_tensor(value):
            raise AssertionError(f"params[{name!r}] must be a tensor, but is a {type(value).__name__}")
    names = {id(tensor): name for name, tensor in (params or {}).items()}
    drawer = _Drawer(names, show_attrs, show_saved, max_attr_chars)
    for tensor in var if isinstance(var, (tuple, list)) else (var,):
        if not lampas.is_tensor(tensor):
            raise TypeError(
                f"make_dot draws the graph of a tensor or of a tuple of tensors, but was given a "
                f"{type(tensor).__name__}"
            )
        drawer.output(tensor)
    resize_graph(drawer.dot)
    return drawer.dot


def make_dot_from_trace(trace: Any) -> Digraph:
    """Always an error, as in torchviz, where this name is kept for old programs.

    Raises:
        NotImplementedError: always; ``SummaryWriter.add_graph`` draws a model's layers.
    """
    raise NotImplementedError(
        "make_dot_from_trace does not exist any more: use torch.utils.tensorboard.SummaryWriter.add_graph(model, "
        "input) for a model's layers, or make_dot(output) for its gradients"
    )


def resize_graph(dot: Digraph, size_per_element: float = 0.15, min_size: float = 12) -> None:
    """Sets the drawing's size, in inches, by the number of its boxes and lines."""
    size = max(min_size, len(dot.body) * size_per_element)
    dot.graph_attr.update(size=f"{size},{size}")
