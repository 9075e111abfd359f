"""`Variable` under the name of the module it stands in in PyTorch."""

from lampas.autograd import Variable

__all__ = ["Variable"]
