"""Precisions: how many bytes they take, and which one a stored model runs in.

A model's bytes are as its file stores them. Deployed narrower, they shrink; a model that is stored narrower than
asked for stays as it is.
"""

from collections.abc import Iterable

from nodes.errors import NodeError

FLOAT32_SHARES: dict[str, int] = {"int8": 4, "fp16": 2, "fp32": 1}  # how many of these fill the four bytes of a float32
STORED_SHARES: dict[str, int] = {"int4": 8, **FLOAT32_SHARES}  # int4 is only stored: its products run wider


def known(precision: str) -> str:
    """The precision itself; raises NodeError for one that nothing runs in."""
    if precision in FLOAT32_SHARES:
        return precision
    raise NodeError(f"there is no precision {precision!r}; take one of {', '.join(FLOAT32_SHARES)}")


def running(stored: str, wanted: str, rates: Iterable[str]) -> str:
    """The precision that a model runs in: as wanted, or as stored where that is narrower and something runs in it.

    Where the processor has no rate for it (`rates` are those it has), the next wider one. Raises NodeError if there
    is none.
    """
    narrow = stored if FLOAT32_SHARES.get(stored, 0) > FLOAT32_SHARES[known(wanted)] else wanted
    having = list(rates)
    wider = [name for name in FLOAT32_SHARES if FLOAT32_SHARES[name] <= FLOAT32_SHARES[narrow] and name in having]
    if wider:
        return wider[0]
    raise NodeError(f"there is no rate for {narrow!r} nor a wider precision; it has {', '.join(having)}")


def narrower(runs: str, stored: str) -> bool:
    """Whether a model runs in fewer bits than its file stores."""
    return FLOAT32_SHARES[known(runs)] > STORED_SHARES.get(stored, 0)


def divisor(stored: str, runs: str) -> int:
    """By how much the bytes of a stored model shrink when it runs in `runs`; 1 where it is as narrow already."""
    if stored not in STORED_SHARES:
        raise NodeError(f"a model stored in {stored!r} cannot be; one of {', '.join(STORED_SHARES)}")
    return max(1, FLOAT32_SHARES[known(runs)] // STORED_SHARES[stored])
