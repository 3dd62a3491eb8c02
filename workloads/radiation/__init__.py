"""Bit flips in weights: where, how often, how they are found."""
