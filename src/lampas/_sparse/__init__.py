"""Sparse tensors in Python over the engine's dense ones; :mod:`lampas.sparse` has what users call.

A sparse tensor is an object the engine knows by shape, dtype and place in the graph alone. Where its numbers stand is
its :mod:`pattern <lampas._sparse.pattern>`, the numbers are a dense tensor. Ops arrive at ``__torch_function__`` and
are looked up by name (:mod:`lampas._sparse.handlers`).
"""
