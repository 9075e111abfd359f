"""Ops of the top namespace that are made of other ops, by subject."""
