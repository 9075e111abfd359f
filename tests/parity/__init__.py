"""Tests that hold lampas against PyTorch; they are skipped where PyTorch is not installed."""
