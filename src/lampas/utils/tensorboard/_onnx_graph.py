"""The graph of an ONNX file, as the graph TensorBoard shows."""

from __future__ import annotations

import os
from typing import Any

from tensorboard.compat.proto.attr_value_pb2 import AttrValue
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.node_def_pb2 import NodeDef
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.versions_pb2 import VersionDef

__all__ = ["load_onnx_graph", "parse"]


def load_onnx_graph(fname: str | os.PathLike) -> GraphDef:
    """Reads an ONNX file.

    Raises:
        ImportError: the package onnx is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise ImportError("add_onnx_graph needs the package onnx; install it with `pip install onnx`") from error
    return parse(onnx.load(fname).graph)


def parse(graph: Any) -> GraphDef:
    """A node for each input and output of an ONNX `GraphProto`, and one for each op, named by its first output."""
    nodes = []
    for end in (*graph.input, *graph.output):
        tensor = end.type.tensor_type
        # A dimension that has only a name is written with size 0.
        shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=dim.dim_value) for dim in tensor.shape.dim])
        attr = {"dtype": AttrValue(type=tensor.elem_type), "shape": AttrValue(shape=shape)}
        nodes.append(NodeDef(name=end.name, op="Variable", attr=attr))
    for node in graph.node:
        # The name, the value and the number of the value's type, which is how PyTorch writes an attribute.
        parameters = ", ".join(" = ".join(str(value) for _, value in a.ListFields()) for a in node.attribute)
        attr = {"parameters": AttrValue(s=parameters.encode())}
        nodes.append(NodeDef(name=node.output[0], op=node.op_type, input=node.input, attr=attr))
    return GraphDef(node=nodes, versions=VersionDef(producer=22))
