"""Which constants of an ONNX graph are weights that running nodes read, and how many parameters each holds.

Rules: parameters are numbers that are stored, each once, however many nodes read them and whatever reorders, cuts or
quantises them on the way; bytes are those of what running nodes read. Running statistics of BatchNormalization, scales,
zero points, whole-number shapes and indices, states that recurrent layers begin with, and single numbers without an
axis, or made by a node, hold bytes but no parameters: a quantised model has the parameters of the model it came from.
What a graph makes of nothing (ConstantOfShape) counts as stored: the light models of the onnx package make weights so.
The graphs of control flow have constants of their own, which count as those of the whole do.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from workloads.counting.tensors import Shape, Tensors, attribute, element_bits, precision

# Places of scales and zero points among the inputs: onnx.ai/onnx/operators, onnxruntime's docs/ContribOperators.md
SCALES = {
    "DequantizeLinear": (1, 2), "QuantizeLinear": (1, 2), "QLinearConv": (1, 2, 4, 5, 6, 7),
    "QLinearMatMul": (1, 2, 4, 5, 6, 7), "MatMulInteger": (2, 3), "ConvInteger": (2, 3), "QGemm": (1, 2, 4, 5, 7, 8),
    "MatMulNBits": (2, 3, 4), "MatMulBnb4": (2,), "QAttention": (3, 4, 6, 7), "MatMulIntegerToFloat": (2, 3, 4, 5),
    "DynamicQuantizeMatMul": (2, 3), "DynamicQuantizeLSTM": (8, 9, 10, 11), "QLinearAdd": (1, 2, 4, 5, 6, 7),
    "QLinearMul": (1, 2, 4, 5, 6, 7), "QLinearGlobalAveragePool": (1, 2, 3, 4), "QLinearAveragePool": (1, 2, 3, 4),
    "QLinearLeakyRelu": (1, 2, 3, 4), "QLinearSigmoid": (1, 2, 3, 4), "QLinearSoftmax": (1, 2, 3, 4),
    "QLinearReduceMean": (1, 2, 3, 4), "QLinearWhere": (2, 3, 5, 6, 7, 8), "GatherBlockQuantized": (2, 3),
    "QEmbedLayerNormalization": tuple(range(8, 18)),
}  # fmt: skip
SHAPES = {"Reshape", "Resize", "Slice", "Pad", "Clip", "Expand", "Tile"}  # they read shapes and bounds, not weights
BIASES = {"DequantizeLinear": 0, "QLinearConv": 8, "QGemm": 6}  # where a quantised bias of 32 bits stands
STATES = {"LSTM": (5, 6), "DynamicQuantizeLSTM": (5, 6), "GRU": (5,), "RNN": (5,)}  # where they begin: zeros, mostly
STATISTICS = 3  # BatchNormalization: its mean and variance follow input, scale and shift
# They hand on the numbers of their first input (Concat: of all), in another place, form or precision
SAME_NUMBERS = {
    "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout", "Transpose", "Slice", "Split", "Cast",
    "CastLike", "QuantizeLinear", "DequantizeLinear", "Expand", "Tile", "Pad", "Gather", "GatherElements", "GatherND",
    "DepthToSpace", "SpaceToDepth",
}  # fmt: skip
OF_SHAPES = {"Shape", "Size", "EyeLike"}  # they read no numbers of their input
WHOLE = ("int64", "bool", "string")  # precisions of shapes, places and texts
PACKED = {"MatMulNBits", "MatMulBnb4", "GatherBlockQuantized"}  # several parameters to an element

Home = tuple[int, Tensors]  # the graph that holds a constant: 0 is the whole; and what is known of its tensors


class Weights:
    """The constants that the running ones of all nodes read, or the graph answers with."""

    def __init__(self, nodes: Sequence[Any], running: Sequence[Any], results: Sequence[str], tensors: Tensors) -> None:
        self._stored: dict[tuple[int, str], int] = {}
        self._read_bytes: dict[tuple[int, str], int] = {}
        self._graphs = 0
        self._seen: set[str] = set()  # whose sources are counted
        self._maker = {name: node for node in nodes for name in node.output if name in tensors.constants}
        self._made = {name for node in running for name in node.output}
        self._numbers = {(0, name) for name in self._maker if tensors.elements(name) == 1}  # such as 1 / sqrt(size)
        self._dynamic = {
            node.output[1] for node in running if node.op_type == "DynamicQuantizeLinear" and len(node.output) > 1
        }
        self._states = _only_states(running, results)
        for node in running:
            self._read(node, ((0, tensors),))
        for name in results:
            if name in tensors.constants and name not in self._made:
                self._read_bytes[0, name] = tensors.size_bytes(name)

    @property
    def parameters(self) -> int:
        """Numbers that are stored, but for those that are no parameters."""
        return sum(self._stored.values())

    @property
    def size_bytes(self) -> int:
        """Bytes of all that is read, that without parameters included."""
        return sum(self._read_bytes.values())

    def _read(self, node: Any, homes: tuple[Home, ...]) -> None:
        """What one node reads, and the graphs of control flow in it; `homes` are the graphs around it."""
        rescales = any(name in self._dynamic for name in node.input)  # scales of weights, times those of inputs
        for place, name in enumerate(node.input):
            home, tensors = next((each for each in reversed(homes) if name in each[1].constants), (0, None))
            if tensors is None or name in self._made:
                continue
            self._read_bytes[home, name] = tensors.size_bytes(name)
            none = rescales or (home, name) in self._numbers or (not home and name in self._states)
            if (found := 0 if none else _parameters(node, place, name, tensors)) == 0:
                continue
            if home or name not in self._maker or node.op_type in PACKED:
                self._store(home, name, found)
                continue
            for source in self._sources(name, tensors):
                self._store(0, source, tensors.elements(source))
        for graph in _graphs(node):
            self._graphs += 1
            own = _own_constants(graph)
            self._numbers |= {(self._graphs, each.output[0]) for each in graph.node if _is_number(each, own)}
            inner = (*homes, (self._graphs, own))
            for each in graph.node:
                self._read(each, inner)

    def _store(self, home: int, name: str, parameters: int) -> None:
        self._stored[home, name] = max(parameters, self._stored.get((home, name), 0))

    def _sources(self, name: str, tensors: Tensors) -> set[str]:
        """The stored tensors that a constant is made of, but for those told before: a long chain is followed once.

        Single numbers that scale it are none.
        """
        found, waiting = set[str](), [name]
        while waiting:
            each = waiting.pop()
            maker = self._maker.get(each)
            if each in self._seen or (maker is not None and maker.op_type in OF_SHAPES):
                continue
            self._seen.add(each)
            if maker is None or maker.op_type in ("Constant", "ConstantOfShape"):
                found.add(each)
            elif maker.op_type in SAME_NUMBERS:
                waiting += maker.input[:1]
            else:
                waiting += [given for given in maker.input if given and tensors.elements(given) != 1]
        return {each for each in found if tensors.precisions.get(each) not in WHOLE}


def within(nodes: Iterable[Any]) -> Iterator[Any]:
    """The nodes, and those of the graphs of control flow among them: these too read the weights of the whole."""
    for node in nodes:
        yield node
        for graph in _graphs(node):
            yield from within(graph.node)


def stored_within(nodes: Iterable[Any]) -> int:
    """Bytes of the constants that the graphs of control flow have of their own."""
    own = (_own_constants(graph) for node in within(nodes) for graph in _graphs(node))
    return sum(each.size_bytes(name) for each in own for name in each.constants)


def _graphs(node: Any) -> list[Any]:
    return [graph for each in node.attribute for graph in ((each.g,) if each.HasField("g") else each.graphs)]


def _own_constants(graph: Any) -> Tensors:
    """What is stored in a graph of control flow: initializers, and the tensors of Constant nodes."""
    held = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.output and not node.domain:
            held.update((node.output[0], each.t) for each in node.attribute if each.name == "value")
    shapes: dict[str, Shape | None] = {name: tuple(max(0, dim) for dim in each.dims) for name, each in held.items()}
    return Tensors(
        shapes=shapes,
        bits={name: element_bits(each.data_type) for name, each in held.items()},
        constants=frozenset(held),
        assumed={},
        precisions={name: precision(each.data_type) for name, each in held.items()},
    )


def _is_number(node: Any, own: Tensors) -> bool:
    """Whether it makes a single number."""
    return node.op_type == "Constant" and bool(node.output) and own.elements(node.output[0]) == 1


def _only_states(running: Sequence[Any], results: Sequence[str]) -> set[str]:
    """The tensors that nothing reads but the places where recurrent layers begin, stretched on the way or not."""
    begins, others = set[str](), set(results)
    for node in reversed(running):  # what reads a tensor comes before what makes it
        hands_on = node.op_type == "Concat" or node.op_type in SAME_NUMBERS
        to_states = hands_on and all(name in begins and name not in others for name in node.output if name)
        for place, name in enumerate(node.input):
            (begins if to_states or place in STATES.get(node.op_type, ()) else others).add(name)
        for graph in _graphs(node):
            others.update(name for each in within(graph.node) for name in each.input)
    return begins - others


def _parameters(node: Any, place: int, name: str, tensors: Tensors) -> int:
    kind = node.op_type
    statistic = kind == "BatchNormalization" and place >= STATISTICS
    shape = kind in SHAPES and place > 0  # the first input is what is shaped: a class token, positions
    state = place in STATES.get(kind, ())
    if statistic or shape or state or _is_scale(node, place) or tensors.shapes.get(name) == ():
        return 0
    kept = tensors.precisions.get(name)
    if kept in WHOLE or (kept == "int32" and BIASES.get(kind) != place):
        return 0
    if kind in ("MatMulNBits", "MatMulBnb4") and place == 1:  # packed: several to a byte, and padded
        return attribute(node, "K") * attribute(node, "N")
    if kind == "GatherBlockQuantized" and place == 0 and kept == "int8":
        return tensors.elements(name) * 8 // attribute(node, "bits", 4)
    return tensors.elements(name)


def _is_scale(node: Any, place: int) -> bool:
    if node.op_type == "QLinearConcat":  # scale and zero point of the result, then input, scale, zero point of each
        return place < 2 or (place - 2) % 3 != 0
    return place in SCALES.get(node.op_type, ())
