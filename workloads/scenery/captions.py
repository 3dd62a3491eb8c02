"""Short reports of synthetic tiles: what is true of one, said in one line of text, and text back into fields.

    scattered cloud, sand and bright sand, some water

Rules: the words follow from the tile's truth alone. Ground that cloud hides is not reported.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.scenery.scenes import CLOUD, WATER, Tile

ROLE = "captions"  # what a model's property `orbitmesh.role` says
# Of the 400 held-out reports: 38.5 bytes in the mean and END, a pass each over all that is said so far
ONE_BYTE = "one inference is one byte of a report; a whole one takes some 40, and a scene embedding's features first"
END = 0  # the byte before the first and after the last letter of a report
VOCABULARY = 128  # ASCII
MOST_BYTES = 64  # of a report, its END included: what the decoder was trained for
# Cover in words, up to which share: WMO-No. 8 and ICAO Annex 3: few 1-2 oktas, scattered 3-4, broken 5-7, overcast 8
COVERS = (("clear sky", 1 / 16), ("few clouds", 5 / 16), ("scattered cloud", 9 / 16), ("broken cloud", 15 / 16))
OVERCAST = "overcast"
# Water's share of what can be seen [guess]
WATERS = (("no water", 0.005), ("some water", 0.5), ("much water", 0.95))
OPEN_WATER = "open water"
FIELDS = ("cover", "land", "water")


def report(tile: Tile, landscape: tuple[str, str]) -> str:
    """What is true of a tile whose ground is of that `landscape` (`workloads.scenery.scenes.Surface`)."""
    seen = tile.mask[tile.mask != CLOUD]
    water = float(np.mean(seen == WATER)) if seen.size else 0.0
    return sentence(tile.cloud_fraction, " and ".join(landscape), water)


def sentence(cloud_fraction: float, land: str, water_fraction: float) -> str:
    """The report of a tile with that share of cloud, and of water in what can be seen; 0..1 each."""
    cover = _word(cloud_fraction, COVERS, OVERCAST)
    water = _word(water_fraction, WATERS, OPEN_WATER)
    parts = [cover] if cover == OVERCAST else [cover, water] if water == OPEN_WATER else [cover, land, water]
    return ", ".join(parts)


def fields(text: str) -> dict[str, str]:
    """The fields of a report: its cover, land and water, "" for what it does not say."""
    parts = text.split(", ")
    covers = {name for name, _ in COVERS} | {OVERCAST}
    waters = {name for name, _ in WATERS} | {OPEN_WATER}
    found = dict.fromkeys(FIELDS, "")
    for part in parts:
        found["cover" if part in covers else "water" if part in waters else "land"] = part
    return found


def tokens(text: str) -> NDArray[np.int64]:
    """A report as the decoder's tokens, (MOST_BYTES + 1,): END, its bytes, END to the end.

    Raises ValueError for text that is no ASCII or too long.
    """
    data = text.encode("ascii")
    if len(data) >= MOST_BYTES:
        raise ValueError(f"a report of {len(data)} bytes; the longest has {MOST_BYTES - 1}")
    row = np.full(MOST_BYTES + 1, END, dtype=np.int64)
    row[1 : len(data) + 1] = list(data)
    return row


def decode(session: Any, features: NDArray[np.float32]) -> list[str]:
    """Reports of scenes by their `features` (batch, places, channels): the likeliest next byte, again and again.

    `session` is an onnxruntime session of a captions model: `features` and `tokens` (batch, s) to `logits`
    (batch, s, VOCABULARY).
    """
    said = np.full((len(features), 1), END, dtype=np.int64)
    done = np.zeros(len(features), dtype=bool)
    while said.shape[1] < MOST_BYTES and not done.all():
        (logits,) = session.run(["logits"], {"features": features, "tokens": said})
        following = np.where(done, END, logits[:, -1].argmax(axis=-1))
        done |= following == END
        said = np.concatenate([said, following[:, None]], axis=1)
    return ["".join(chr(byte) for byte in row[1:] if byte != END) for row in said.tolist()]


def _word(share: float, words: tuple[tuple[str, float], ...], otherwise: str) -> str:
    return next((word for word, below in words if share < below), otherwise)
