"""Quantized tensors: real numbers stored as integers with a scale and a zero point, and the ops they have."""
