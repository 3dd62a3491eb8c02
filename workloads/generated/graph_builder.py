"""Writes ONNX graphs node by node: no exporter, so no leftovers and the same bytes from the same calls.

Rules: opset 17 and IR version 8, both understood by every onnxruntime since 1.12; the batch axis is free; the result
passes onnx's full check. onnx is imported when a graph is begun, 0.25 s.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.errors import ModelError

OPSET, IR_VERSION = 17, 8
BATCH = "batch"

Axes = Sequence[int | str]


class GraphBuilder:
    """Collects weights and nodes; methods return the name of the tensor they make."""

    def __init__(self, name: str) -> None:
        from onnx import helper, numpy_helper

        self.name = name
        self._helper: Any = helper
        self._to_tensor: Any = numpy_helper.from_array
        self._weights: dict[str, Any] = {}
        self._nodes: list[Any] = []
        self._inputs: list[Any] = []

    def input(self, name: str, axes: Axes, *, whole: bool = False) -> str:
        """An input of float32, or of int64 where `whole`; an axis that is text is free."""
        kind = self._helper.np_dtype_to_tensor_dtype(np.dtype(np.int64 if whole else np.float32))
        self._inputs.append(self._helper.make_tensor_value_info(name, kind, list(axes)))
        return name

    def weight(self, name: str, value: NDArray[Any]) -> str:
        """A constant tensor. Raises ModelError for a name that is taken by another."""
        if name in self._weights:
            raise ModelError(f"{self.name}: weight {name!r} is there already: give each its own name")
        self._weights[name] = self._to_tensor(np.array(value, order="C"), name)
        return name

    def number(self, value: float) -> str:
        """A float32 scalar, kept once."""
        name = f"number.{value:g}"
        return name if name in self._weights else self.weight(name, np.array(value, np.float32))

    def whole(self, *values: int) -> str:
        """An int64 vector, kept once."""
        name = "whole." + ",".join(map(str, values))
        return name if name in self._weights else self.weight(name, np.array(values, np.int64))

    def node(self, kind: str, inputs: Sequence[str], name: str = "", **attributes: object) -> str:
        """One operator with one output, whose name is the node's."""
        name = name or f"{kind.lower()}.{len(self._nodes)}"
        self._nodes.append(self._helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def conv(self, source: str, weights: Sequence[str], kernel: int, **more: int) -> str:
        """A square convolution; `more` is stride, pad, dilation, group where they are not 1, 0, 1, 1."""
        stride, pad, dilation = more.get("stride", 1), more.get("pad", 0), more.get("dilation", 1)
        return self.node(
            "Conv",
            [source, *weights],
            weights[0].removesuffix(".weight") + ".out",
            kernel_shape=[kernel] * 2,
            strides=[stride] * 2,
            pads=[pad] * 4,
            dilations=[dilation] * 2,
            group=more.get("group", 1),
        )

    def twice(self, source: str) -> str:
        """An image at twice its height and width, each pixel repeated."""
        if "twice" not in self._weights:
            self.weight("twice", np.array([1, 1, 2, 2], np.float32))
        how = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
        return self.node("Resize", [source, "", "twice"], **how)

    def model(self, outputs: Mapping[str, Axes], properties: Mapping[str, str]) -> Any:
        """The finished onnx ModelProto with float32 `outputs`; `properties` become its metadata.

        Raises ModelError if onnx's checker refuses it.
        """
        import onnx

        ends = [self._helper.make_tensor_value_info(name, 1, list(axes)) for name, axes in outputs.items()]
        graph = self._helper.make_graph(self._nodes, self.name, self._inputs, ends, list(self._weights.values()))
        opsets = [self._helper.make_opsetid("", OPSET)]
        made = self._helper.make_model(
            graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="orbitmesh", producer_version=""
        )
        self._helper.set_model_props(made, dict(properties))
        try:
            onnx.checker.check_model(made, full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
            raise ModelError(f"{self.name}: the graph does not hold together: {str(error)[:300]}") from error
        return made
