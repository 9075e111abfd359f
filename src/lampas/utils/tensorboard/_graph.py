"""A model's ops, recorded in one run, as the graph TensorBoard shows."""

from __future__ import annotations

import inspect
from typing import Any

from tensorboard.compat.proto.attr_value_pb2 import AttrValue
from tensorboard.compat.proto.config_pb2 import RunMetadata
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.node_def_pb2 import NodeDef
from tensorboard.compat.proto.step_stats_pb2 import DeviceStepStats, StepStats
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.versions_pb2 import VersionDef

import lampas
from lampas.viz._recording import calls_of_modules, op_name, ops_seen, tensors_in

__all__ = ["graph"]


def _node(name: str, op: str, inputs: list[str], outputs: list, attributes: str) -> NodeDef:
    attr = {"attr": AttrValue(s=attributes.encode())}
    if outputs:
        shapes = [TensorShapeProto(dim=[TensorShapeProto.Dim(size=n) for n in t.shape]) for t in outputs]
        attr["_output_shapes"] = AttrValue(list=AttrValue.ListValue(shape=shapes))
    return NodeDef(name=name, op=op, input=inputs, attr=attr)


class _Recorder:
    """Every tensor that occurs gets the name of the node that made it."""

    def __init__(self, model: Any) -> None:
        self.nodes: list[NodeDef] = []
        self.made_by: dict[int, str] = {}
        self.kept: list[Any] = []  # so that no id is given twice
        self.used_names: dict[str, int] = {}
        self.scopes = {id(model): type(model).__name__}
        self.parameters: dict[int, tuple[str, str]] = {}
        self._name_modules(model)
        self.active: list[str] = []

    def _name_modules(self, model: Any) -> None:
        waiting = [model]
        while waiting:
            module = waiting.pop(0)
            scope = self.scopes[id(module)]
            for name, tensor in [*module._parameters.items(), *module._buffers.items()]:
                if tensor is not None:
                    self.parameters.setdefault(id(tensor), (scope, name))
            for name, child in module._modules.items():
                if child is not None and id(child) not in self.scopes:
                    self.scopes[id(child)] = f"{scope}/{type(child).__name__}[{name}]"
                    waiting.append(child)

    def name(self, wanted: str) -> str:
        count = self.used_names[wanted] = self.used_names.get(wanted, 0) + 1
        return wanted if count == 1 else f"{wanted}.{count}"

    def add(self, name: str, op: str, inputs: list[str], outputs: list, attributes: str = "{}") -> str:
        name = self.name(name)
        self.nodes.append(_node(name, op, inputs, outputs, attributes))
        for tensor in outputs:
            self.made_by[id(tensor)] = name
            self.kept.append(tensor)
        return name

    def source(self, tensor: Any) -> str:
        """The node that made a tensor; parameters and tensors from outside get one now."""
        if id(tensor) not in self.made_by:
            scope = self.active[-1] if self.active else next(iter(self.scopes.values()))
            where, name = self.parameters.get(id(tensor), (scope, "constant"))
            if id(tensor) in self.parameters:
                self.add(f"{where}/{name}", "prim::GetAttr", [], [tensor], f"{{ name :  {name} }}")
            else:
                self.add(f"{where}/{name}", "prim::Constant", [], [tensor])
        return self.made_by[id(tensor)]

    def op(self, func: Any, args: tuple, kwargs: dict, result: Any) -> None:
        outputs = list(tensors_in(result))
        written = getattr(func, "__name__", "") == "__setitem__"
        if written:
            outputs = [args[0]]
        if not outputs:
            return
        inputs = list(dict.fromkeys(self.source(t) for t in tensors_in((args, kwargs))))
        plain = [str(a) for a in args if not any(True for _ in tensors_in(a)) and not callable(a)]
        named = [f" {k} : {v}" for k, v in kwargs.items() if not any(True for _ in tensors_in(v))]
        attributes = "{" + ",".join(([f" args : ({', '.join(plain)})"] if plain else []) + named) + "}"
        name = "setitem" if written else op_name(func)
        # In place, a tensor that was there before gets a new maker.
        scope = self.active[-1] if self.active else next(iter(self.scopes.values()))
        self.add(f"{scope}/{name}", f"aten::{name}", inputs, outputs, attributes.replace("'", " "))


def _input_names(model: Any, count: int) -> list[str]:
    names = []
    for parameter in inspect.signature(model.forward).parameters.values():
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            names.append(parameter.name)
    return [names[i] if i < len(names) else f"input.{i + 1}" for i in range(count)]


def graph(model: Any, args: Any, verbose: bool = False, use_strict_trace: bool = True) -> tuple[GraphDef, RunMetadata]:
    """Runs the model once, in evaluation mode and without gradients, and gives the graph of its ops.

    Nodes are named by the modules that call them: ``Net/Conv2d[conv1]/conv2d``; inputs are ``input/x``, outputs
    ``output/output.1``. Each has its output's shape.

    Args:
        model: the module.
        args: its input, or a tuple or list of inputs.
        verbose: prints the graph.
        use_strict_trace: accepted for programs that set it; any containers can be outputs.

    Raises:
        TypeError: `model` is no module.
        Exception: what the model raises, with a note that no graph was written.
    """
    if not isinstance(model, lampas.nn.Module):
        raise TypeError(f"add_graph expects a module, but was given a {type(model).__name__}")
    inputs = tuple(args) if isinstance(args, (tuple, list)) else () if args is None else (args,)
    recorder = _Recorder(model)
    for name, value in zip(_input_names(model, len(inputs)), inputs):
        for tensor in tensors_in(value):
            recorder.add(f"input/{name}", "IO Node", [], [tensor], "")

    def entered(module: Any, args: tuple, kwargs: dict) -> None:
        recorder.active.append(recorder.scopes[id(module)])

    def left(module: Any, output: Any) -> None:
        recorder.active.pop()

    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with lampas.no_grad(), calls_of_modules(model, entered, left), ops_seen(recorder.op):
            result = model(*inputs)
    except Exception as error:
        error.add_note("add_graph: the model could not be run on this input, so no graph was written")
        raise
    finally:
        for module, training in modes:
            module.training = training
    for i, tensor in enumerate(tensors_in(result)):
        source = recorder.source(tensor)
        recorder.nodes.append(_node(f"output/output.{i + 1}", "IO Node", [source], [tensor], ""))
    definition = GraphDef(node=recorder.nodes, versions=VersionDef(producer=22))
    if verbose:
        print(definition)
    device = DeviceStepStats(device="/device:CPU:0")
    return definition, RunMetadata(step_stats=StepStats(dev_stats=[device]))
