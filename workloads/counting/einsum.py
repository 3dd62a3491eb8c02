"""The multiply-accumulates of an Einsum, from its equation and the shapes of its operands.

Two operands: the product of the sizes of all distinct indices, as a matrix product counts. More operands are
contracted from left to right, as onnxruntime does, indices that nothing later names being summed on the way.
One operand is summed or moved and multiplies nothing.
"""

from collections.abc import Sequence
from math import prod

from workloads.counting.tensors import Shape

ELLIPSIS = "..."


def einsum_macs(equation: str, shapes: Sequence[Shape]) -> tuple[int, ...]:
    """Multiply-accumulates of each contraction in turn. Raises ValueError where equation and shapes do not fit."""
    terms, result = _terms(equation, shapes)
    size: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        _measure(term, shape, size)
    counts = []
    held = set(terms[0])
    for place, term in enumerate(terms[1:], 1):
        held |= set(term)
        counts.append(prod(size[index] for index in held))
        held &= set(result).union(*terms[place + 1 :])
    return tuple(counts)


def _terms(equation: str, shapes: Sequence[Shape]) -> tuple[list[list[str]], list[str]]:
    """The indices of each operand and of the result; an ellipsis becomes indices of its own, counted from the right."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    written = left.split(",")
    if len(written) != len(shapes) or not shapes:
        raise ValueError(f"{equation!r} names {len(written)} operands of {len(shapes)}")
    terms = []
    hidden: list[str] = []
    for term, shape in zip(written, shapes, strict=True):
        front, dots, back = term.partition(ELLIPSIS)
        more = [f"...{place}" for place in range(len(shape) - len(front) - len(back), 0, -1)] if dots else []
        hidden = max(hidden, more, key=len)
        terms.append([*front, *more, *back])
    if arrow:
        front, dots, back = right.partition(ELLIPSIS)
        return terms, [*front, *(hidden if dots else []), *back]
    letters = [index for term in terms for index in term if index not in hidden]
    return terms, [*hidden, *sorted(index for index in set(letters) if letters.count(index) == 1)]


def _measure(term: Sequence[str], shape: Shape, size: dict[str, int]) -> None:
    """Note the size of each index of one operand; an axis of one is stretched."""
    if len(term) != len(shape):
        raise ValueError(f"{len(term)} indices for {len(shape)} axes")
    for index, length in zip(term, shape, strict=True):
        if not (index.isalpha() or index.startswith(ELLIPSIS)):
            raise ValueError(f"{index!r} is no index")
        known = size.get(index, length)
        if known != length and 1 not in (known, length):
            raise ValueError(f"index {index!r} is {known} and {length}")
        size[index] = length if known == 1 else known
