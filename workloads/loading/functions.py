"""Functions that a model brings along, put in the place of their calls: what is checked, counted and run has none.

Rules: how many nodes and bytes that makes is told before anything is expanded, since functions that call functions may
double at every level. What cannot be inlined is refused by the function's name: one that calls itself, is given a
graph, or is of another opset than the model. onnx does the inlining.
Source: onnx.proto, FunctionProto; onnx.inliner.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from workloads.errors import ModelError
from workloads.loading.opening import RAISE_FILE, Limits

Key = tuple[str, str, str]  # domain, name and overload: what a node calls a function by
MOST_DEPTH = 100  # functions within functions; exporters write two or three [guess]
MOST = 2**62  # where numbers that double at each level stop


@dataclass
class _Size:
    """What a body becomes: nodes, bytes, and attributes that its callers give."""

    nodes: int = 0
    size_bytes: int = 0
    given: int = 0
    calls: dict[Key, int] = field(default_factory=dict)

    def add(self, other: "_Size", times: int) -> None:
        """Put the body of another in the place of so many calls."""
        self.nodes = min(MOST, self.nodes + times * other.nodes)
        self.size_bytes = min(MOST, self.size_bytes + times * other.size_bytes)
        self.given = min(MOST, self.given + times * other.given)


def inlined(model: Any, limits: Limits) -> Any:
    """The model (an onnx ModelProto) without functions: the same if it has none. Its own may be emptied on the way.

    Raises ModelError for functions that expand to more nodes or bytes than `limits` allow, or cannot be inlined.
    """
    if not model.functions:
        return model
    bodies = {_key(each.domain, each.name, each): each for each in model.functions}
    if len(bodies) < len(model.functions):
        raise ModelError(f"has {len(model.functions)} functions of {len(bodies)} names: each name once")
    whole = _expanded(model, bodies)
    if whole.nodes > limits.nodes:
        raise ModelError(f"its functions expand to {whole.nodes} nodes; the limit is {limits.nodes}")
    if whole.size_bytes > limits.file_bytes:
        raise ModelError(f"its functions expand to {whole.size_bytes} bytes, over {limits.file_bytes}: {RAISE_FILE}")
    made = _without_functions(model)
    if made.functions:
        wanted = {each.domain: each.version for each in made.functions[0].opset_import}
        has = {each.domain: each.version for each in made.opset_import}
        raise ModelError(
            f"function {_label(made.functions[0])} cannot be inlined: it is written for opsets {wanted}, the model for "
            f"{has}; export it with the same ones, or inline it first (onnx.inliner, convert_version=True)"
        )
    return made


def _key(domain: str, name: str, of: Any) -> Key:
    return "" if domain == "ai.onnx" else domain, name, getattr(of, "overload", "")  # since onnx 1.16


def _label(function: Any) -> str:
    return f"{function.domain or 'ai.onnx'}::{function.name}"


def _expanded(model: Any, bodies: Mapping[Key, Any]) -> _Size:
    """The size of the whole with all calls replaced, at most: nothing is expanded to tell it."""
    sizes: dict[Key, _Size] = {}
    depth: dict[Key, int] = {}
    main = _measured(model.graph.node, bodies)
    largest = max(_given_bytes(node, bodies) for node in _nodes_of(model))  # of what a call gives to one attribute
    largest = max(largest, *(sum(each.ByteSize() for each in body.attribute_proto) for body in bodies.values()))
    waiting, open_keys = list(main.calls), set[Key]()
    while waiting:  # those that a function calls before it, without recursion: a file may nest any number
        key = waiting[-1]
        if key in depth:
            waiting.pop()
        elif key not in open_keys:
            open_keys.add(key)
            sizes[key] = _measured(bodies[key].node, bodies)
            left = [each for each in sizes[key].calls if each not in depth]
            if any(each in open_keys for each in left):
                raise ModelError(f"function {_label(bodies[key])} calls itself, at once or through others: no end")
            waiting += left
        else:
            waiting.pop()
            calls = sizes[key].calls
            depth[key] = 1 + max((depth[each] for each in calls), default=0)
            if depth[key] > MOST_DEPTH:
                raise ModelError(f"function {_label(bodies[key])} holds more than {MOST_DEPTH} levels of functions")
            for each, times in calls.items():
                sizes[key].add(sizes[each], times)
    for key, times in main.calls.items():
        main.add(sizes[key], times)
    main.size_bytes += main.given * largest
    return main


def _nodes_of(model: Any) -> Iterable[Any]:
    from workloads.counting.weights import within

    yield from within(model.graph.node)
    for function in model.functions:
        yield from within(function.node)


def _given_bytes(node: Any, bodies: Mapping[Key, Any]) -> int:
    return sum(each.ByteSize() for each in node.attribute) if _key(node.domain, node.op_type, node) in bodies else 0


def _measured(nodes: Iterable[Any], bodies: Mapping[Key, Any]) -> _Size:
    """One body by itself, graphs of control flow included. Raises ModelError for a call that is given a graph."""
    from workloads.counting.tensors import has_graph
    from workloads.counting.weights import within

    size = _Size()
    nodes = list(nodes)
    size.size_bytes = sum(node.ByteSize() for node in nodes)
    for node in within(nodes):
        size.given += sum(1 for each in node.attribute if each.ref_attr_name)
        key = _key(node.domain, node.op_type, node)
        if key not in bodies:
            size.nodes += 1
            continue
        if has_graph(node) or any(_is_graph(each) for each in bodies[key].attribute_proto):
            raise ModelError(f"function {_label(bodies[key])} is given a graph: inline it first (onnx.inliner)")
        size.calls[key] = size.calls.get(key, 0) + 1
    return size


def _is_graph(attribute: Any) -> bool:
    """Whether an attribute is a graph, or several."""
    return attribute.type in (attribute.GRAPH, attribute.GRAPHS)


def _without_functions(model: Any) -> Any:
    """Inlined by onnx; weights stay behind meanwhile, since each step copies the whole."""
    import onnx
    from onnx import inliner

    imported = {"" if each.domain == "ai.onnx" else each.domain for each in model.opset_import}
    for function in model.functions:
        for each in function.opset_import:
            if (domain := "" if each.domain == "ai.onnx" else each.domain) not in imported:
                imported.add(domain)
                model.opset_import.add(domain=domain, version=each.version)
    weights = list(model.graph.initializer)
    del model.graph.initializer[:]
    model.graph.initializer.extend(onnx.TensorProto(name=each.name, data_type=each.data_type) for each in weights)
    try:
        made = inliner.inline_local_functions(model)
    except Exception as error:  # the C++ side raises several unrelated kinds
        raise ModelError(f"its functions cannot be inlined: {str(error).strip()[-300:]}") from error
    del made.graph.initializer[:]
    made.graph.initializer.extend(weights)
    return made
