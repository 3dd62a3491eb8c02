"""Synthetic scenes with their truth, and how well a model does on them."""
