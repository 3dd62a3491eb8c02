"""Counts what one inference of an ONNX model costs, without running it."""
