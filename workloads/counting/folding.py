"""What a runtime computes in one with a product or a quantisation, and which tensors it therefore keeps quantised.

Rules: what DequantizeLinear makes, and what is made only to be quantised, counts as quantised. Into the node before
them fold, and so move nothing themselves (onnxruntime: QLinearConv, MatMulIntegerToFloat; TensorRT: its QDQ fusions):

- a quantisation of what nothing else reads;
- scaling and shifting by constants on the way there: with the quantisation it is one affine map;
- what makes floats of an integer product again: Cast, Mul by the scales, Add of a constant bias.
"""

from collections.abc import Sequence
from typing import Any

from workloads.counting.tensors import Tensors

QUANTISERS = {"QuantizeLinear", "DynamicQuantizeLinear"}
# A quantised product may apply these before it writes: they keep or cut what is there
FUSED = {"Relu", "Clip", "LeakyRelu", "BatchNormalization"}
AFFINE = {"Add", "Sub", "Mul", "Div"}
# The steps from an integer product to floats, as onnxruntime's quantize_dynamic writes them: each, and what is before
STEPS = {"Cast": {"MatMulInteger", "ConvInteger"}, "Mul": {"Cast"}, "Add": {"Mul"}}


class Folding:
    """`bits` of an element of the tensors that are kept narrower, or wider, than the graph shows them; `into` maps what
    a folded node makes to the tensor that it is made from, in whose place it is written.
    """

    def __init__(self, nodes: Sequence[Any], tensors: Tensors, results: Sequence[str]) -> None:
        self.bits: dict[str, int] = {}
        self.into: dict[str, str] = {}
        self._tensors = tensors
        self._maker = {name: node for node in nodes for name in node.output if name}
        self._reads: dict[str, int] = dict.fromkeys(results, 1)  # how often each is read; a result is, by the caller
        for node in nodes:
            for name in node.input:
                self._reads[name] = self._reads.get(name, 0) + 1
        for node in nodes:
            if node.op_type == "DequantizeLinear" and node.input and {*node.output}.isdisjoint(results):
                self.bits.update(dict.fromkeys(node.output, tensors.bits.get(node.input[0], 32)))
        for node in reversed(nodes):  # what reads a tensor comes before what makes it
            if node.input and node.output:
                self._fold(node)

    def _fold(self, node: Any) -> None:
        """Fold one node into the one before, if it is of that kind and reads what nothing else does."""
        made = node.output[0]
        narrow = self._tensors.bits.get(made, 32) if node.op_type in QUANTISERS else self.bits.get(made)
        if node.op_type in QUANTISERS or (node.op_type in FUSED and narrow is not None):
            source = node.input[0]
        else:
            source = self._from_product(node) or (self._affine(node) if narrow is not None else "")
        maker = self._maker.get(source)
        if maker is None or maker.op_type == "DequantizeLinear" or self._reads[source] > 1:
            return
        self.bits[source] = self._tensors.bits.get(made, 32) if narrow is None else narrow
        if node.op_type not in FUSED:
            self.into[made] = source

    def _affine(self, node: Any) -> str:
        """The tensor that the node only scales or shifts by constants, "" if it does anything else."""
        wide = [name for name in node.input if name not in self._tensors.constants]
        if node.op_type not in AFFINE or len(wide) != 1 or (node.op_type == "Div" and wide[0] != node.input[0]):
            return ""
        return wide[0] if self._same_shape(node, wide[0]) else ""

    def _from_product(self, node: Any) -> str:
        """The tensor that the node goes on with, if it is a step from an integer product to floats; else ""."""
        for place, name in enumerate(node.input if node.op_type in STEPS else ()):
            maker = self._maker.get(name)
            if maker is None or maker.op_type not in STEPS[node.op_type] or not self._same_shape(node, name):
                continue
            if node.op_type == "Cast":
                return str(name)
            if len(node.input) != 2:
                continue
            other = node.input[1 - place]
            fits = other in self._tensors.constants if node.op_type == "Add" else self._is_scale(other, name)
            if fits and self._from_product(maker):
                return str(name)
        return ""

    def _is_scale(self, name: str, of: str) -> bool:
        """One number, or fewer than there are products: one to a channel."""
        count = self._tensors.elements(name)
        return count == 1 or 0 < count < self._tensors.elements(of)

    def _same_shape(self, node: Any, name: str) -> bool:
        return self._tensors.shapes.get(node.output[0]) == self._tensors.shapes.get(name)
