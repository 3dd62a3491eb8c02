"""Count what a model costs and predict its latency on every processor that ships.

Multiply-accumulates of convolutions and matrix products, counted from the graph; one of them is two operations.
Latency is one inference at batch 1 by roofline: the larger of operations over reached rate and bytes over bandwidth,
plus launch overhead."""

import argparse

EXAMPLES = """examples:
  orbitmesh inspect cloud-screen
  orbitmesh inspect light-resnet50
  orbitmesh inspect model.onnx --json
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("model", metavar="MODEL", help="an ONNX file, or the name of a model that ships")
    parser.add_argument("--precision", choices=["int8", "fp16", "fp32"], default="int8", help="as deployed (int8)")
