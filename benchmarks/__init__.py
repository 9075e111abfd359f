"""`./dev bench`: lampas and PyTorch timed in turn, in processes of their own. Start reading at `__main__.py`."""
