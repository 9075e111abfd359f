"""Pictures of a program: the graph that autograd recorded (`make_dot`) and tables of a model's layers.

`lampas.viz` has the names of torchviz, `lampas.viz.torchsummary` those of torchsummary.
"""

from __future__ import annotations

from lampas.viz.dot import make_dot, make_dot_from_trace

__all__ = ["make_dot", "make_dot_from_trace"]
