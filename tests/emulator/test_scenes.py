"""A run in which nothing is captured says why."""

import re

import pytest

from emulator.assemble import assemble
from emulator.scenario import parse

TEXT = """extends = "three-body"
name = "dark"
duration_s = {duration_s}
[imaging]
distinct_tiles = 2
min_sun_elevation_deg = {limit_deg}
scene_interval_s = {interval_s}
"""


@pytest.mark.parametrize(
    ("duration_s", "limit_deg", "interval_s", "why"),
    [
        (600.0, 90.0, 3.61, "were over land, and there the Sun stood at .* below imaging.min_sun_elevation_deg = 90"),
        (60.0, 10.0, 1e6, "ends before imaging.scene_interval_s has passed once"),
    ],
)
def test_why_nothing_was_captured_is_noted(duration_s: float, limit_deg: float, interval_s: float, why: str) -> None:
    loaded = parse(TEXT.format(duration_s=duration_s, limit_deg=limit_deg, interval_s=interval_s), "dark", None)
    notes = assemble(loaded, ["mesh"], infer=False).notes
    assert notes[0].startswith("no scene was captured: ")
    assert re.search(why, notes[0])


def test_a_run_with_scenes_has_no_such_note() -> None:
    loaded = parse(TEXT.format(duration_s=600.0, limit_deg=10.0, interval_s=3.61), "light", None)
    assert not any("no scene" in note for note in assemble(loaded, ["mesh"], infer=False).notes)


@pytest.mark.parametrize(("source", "told"), [("a surveyor", False), ("a map, 1 km [guess]", True)])
def test_places_are_told_as_guessed_only_where_a_station_says_so(source: str, told: bool) -> None:
    own = f'[[stations]]\nname = "Here"\nlatitude_deg = 48.0\nlongitude_deg = 11.0\nsource = "{source}"\n'
    loaded = parse(TEXT.format(duration_s=60.0, limit_deg=10.0, interval_s=30.0) + own, "own", None)
    notes = assemble(loaded, ["mesh"], infer=False).notes
    (guessed,) = [note for note in notes if note.startswith("defaults that nobody published")]
    assert ("places and antennas" in guessed) is told
