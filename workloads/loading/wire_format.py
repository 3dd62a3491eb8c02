"""Walks an ONNX file as it is serialised, before anything is parsed: how many fields, how deep, and where weights lie.

Rules: builds no messages. A parser makes some hundred bytes of objects from two bytes of an empty message, so a file
within its limit of bytes may still fill the memory; here it is refused for its number of fields, at a few
microseconds each. Source: protobuf.dev, "Encoding".
"""

from collections.abc import Iterator, Mapping
from typing import Any

from workloads.errors import ModelError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types; 3 and 4, groups, are in no ONNX file
WIDTHS = {FIXED64: 8, FIXED32: 4}
MOST_VARINT_BYTES = 10  # of a 64-bit number, 7 bits to a byte
MOST_DEPTH = 48  # messages within messages; a tensor in a node's attribute is at 4, protobuf itself stops at 100
GRAPH, INITIALIZER, NAME, RAW_DATA = 7, 5, 8, 9  # onnx.proto: ModelProto, GraphProto, TensorProto twice

Span = tuple[int, int]  # first byte, and the one after the last


def check_fields(data: bytes, descriptor: Any, most_fields: int) -> None:
    """Refuse a serialised message of the protobuf type `descriptor` with more than `most_fields` fields in all.

    Raises ModelError also for what is cut short, too deep, or text that is no UTF-8, which parsing lets through.
    """
    count = 0
    kinds: dict[str, dict[int, Any]] = {}
    rest = [(fields(data, 0, len(data)), _of_interest(kinds, descriptor))]  # one entry to a level, not to a message
    while rest:
        walk, known = rest[-1]
        found = next(walk, None)
        if found is None:
            rest.pop()
            continue
        number, wire_type, first, last = found
        count += 1
        if count > most_fields:
            raise ModelError(f"more than {most_fields} fields, the limit")
        field = known.get(number)
        if field is None or wire_type != BYTES:
            continue
        if field.type == field.TYPE_STRING:
            _check_text(data[first:last])
            continue
        rest.append((fields(data, first, last), _of_interest(kinds, field.message_type)))
        if len(rest) > MOST_DEPTH:
            raise ModelError(f"messages lie more than {MOST_DEPTH} deep within each other")


def fields(data: bytes, start: int, stop: int) -> Iterator[tuple[int, int, int, int]]:
    """(number, wire type, first byte, byte after the last) of each field's value in a message. Raises ModelError."""
    place = start
    while place < stop:
        tag, place = _varint(data, place, stop)
        wire_type = tag & 7
        if wire_type == BYTES:
            size, place = _varint(data, place, stop)
            end = place + size
        elif wire_type == VARINT:
            _, end = _varint(data, place, stop)
        elif wire_type in WIDTHS:
            end = place + WIDTHS[wire_type]
        else:
            raise ModelError(f"byte {place - 1} begins a field of wire type {wire_type}, which ONNX does not use")
        if end > stop:
            raise ModelError(f"a field at byte {place} reaches {end - stop} bytes beyond its message")
        yield tag >> 3, wire_type, place, end
        place = end


def raw_spans(data: bytes) -> dict[str, Span]:
    """Where the `raw_data` of each initializer lies in a serialised ModelProto, by the tensor's name."""
    found: dict[str, Span] = {}
    for graph in _inside(data, (0, len(data)), GRAPH):
        for tensor in _inside(data, graph, INITIALIZER):
            name = [data[first:last].decode() for first, last in _inside(data, tensor, NAME)]
            raw = list(_inside(data, tensor, RAW_DATA))
            if name and raw:
                found[name[-1]] = raw[-1]
    return found


def _inside(data: bytes, span: Span, wanted: int) -> Iterator[Span]:
    for number, wire_type, first, last in fields(data, *span):
        if number == wanted and wire_type == BYTES:
            yield first, last


def _of_interest(kinds: dict[str, dict[int, Any]], kind: Any) -> Mapping[int, Any]:
    """The fields of a message type that hold messages or text, by number; looked up once."""
    if kind.full_name not in kinds:
        kinds[kind.full_name] = {
            number: field
            for number, field in kind.fields_by_number.items()
            if field.type in (field.TYPE_MESSAGE, field.TYPE_STRING)
        }
    return kinds[kind.full_name]


def _check_text(text: bytes) -> None:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise ModelError(f"it holds names that are no text: {text[:40]!r}") from error


def _varint(data: bytes, place: int, stop: int) -> Span:
    """A number of 7 bits to a byte, and the place after it."""
    value = shift = 0
    for at in range(place, min(stop, place + MOST_VARINT_BYTES)):
        byte = data[at]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at + 1
        shift += 7
    raise ModelError(f"byte {place} begins a number that does not end")
