"""Analytic satellites and sites for tests of links: circular orbits, and places on a turning sphere."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

MU_M3_PER_S2 = 3.986004418e14  # WGS 84, NGA.STND.0036_1.0.0, table 3.1
EARTH_RATE_RAD_PER_S = 7.292115e-5  # same table
RADIUS_M = 6_378_137.0


class Circular:
    """Satellites on circular Kepler orbits, from tuples (name, altitude_m, inclination, raan, phase) in degrees."""

    def __init__(self, satellites: Sequence[tuple[str, float, float, float, float]]) -> None:
        self.names = tuple(satellite[0] for satellite in satellites)
        numbers = np.array([satellite[1:] for satellite in satellites], dtype=float).reshape(-1, 4)
        self.radius_m = RADIUS_M + numbers[:, 0]
        self.inclination, self.raan, self.phase = np.radians(numbers[:, 1:].T)

    def states(self, times_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rate = np.sqrt(MU_M3_PER_S2 / self.radius_m**3)[:, None]
        u = self.phase[:, None] + rate * np.asarray(times_s)[None]
        node, side = self._axes()
        position = np.cos(u)[..., None] * node[:, None] + np.sin(u)[..., None] * side[:, None]
        forward = np.cos(u)[..., None] * side[:, None] - np.sin(u)[..., None] * node[:, None]
        radius = self.radius_m[:, None, None]
        return radius * position, radius * rate[..., None] * forward

    def _axes(self) -> tuple[np.ndarray, np.ndarray]:
        node = np.stack([np.cos(self.raan), np.sin(self.raan), np.zeros_like(self.raan)], axis=-1)
        across = np.cos(self.inclination)
        side = np.stack([-np.sin(self.raan) * across, np.cos(self.raan) * across, np.sin(self.inclination)], axis=-1)
        return node, side


class Turning:
    """Places on a sphere that turns once a sidereal day, from tuples (name, latitude, longitude) in degrees."""

    def __init__(self, places: Sequence[tuple[str, float, float]]) -> None:
        self.names = tuple(place[0] for place in places)
        self.latitude, self.longitude = np.radians(np.array([p[1:] for p in places], dtype=float).reshape(-1, 2)).T

    def zeniths(self, times_s: np.ndarray) -> np.ndarray:
        angle = self.longitude[:, None] + EARTH_RATE_RAD_PER_S * np.asarray(times_s)[None]
        across = np.cos(self.latitude)[:, None]
        height = np.broadcast_to(np.sin(self.latitude)[:, None], angle.shape)
        return np.stack([across * np.cos(angle), across * np.sin(angle), height], axis=-1)

    def states(self, times_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        position = RADIUS_M * self.zeniths(times_s)
        return position, np.cross(np.array([0.0, 0.0, EARTH_RATE_RAD_PER_S]), position)


@pytest.fixture(scope="session")
def circular() -> type[Circular]:
    return Circular


@pytest.fixture(scope="session")
def turning() -> type[Turning]:
    return Turning


@pytest.fixture(scope="session")
def ring() -> Callable[..., Circular]:
    """`ring(count)`: satellites S00, S01, ... evenly spaced in one polar plane, 500 km up."""

    def build(count: int, altitude_m: float = 500e3, inclination_deg: float = 97.4) -> Circular:
        return Circular([(f"S{i:02d}", altitude_m, inclination_deg, 0.0, 360.0 * i / count) for i in range(count)])

    return build


@pytest.fixture(scope="session")
def stations() -> Turning:
    return Turning([("Kashi", 39.5, 75.9), ("Kiruna", 67.9, 21.0), ("Miyun", 40.5, 116.9), ("Sanya", 18.3, 109.3)])


@pytest.fixture(scope="session")
def uneven() -> Circular:
    """Seven satellites in three planes and at three altitudes, unevenly spaced: pairs come and go."""
    return Circular([
        ("A", 500e3, 97.4, 0.0, 0.0), ("B", 502e3, 97.4, 0.0, 20.0), ("C", 495e3, 97.4, 0.0, 31.0),
        ("D", 600e3, 53.0, 40.0, 10.0), ("E", 600e3, 53.0, 40.0, 130.0), ("F", 1100e3, 53.0, 100.0, 70.0),
        ("G", 500e3, 97.4, 0.0, 200.0),
    ])  # fmt: skip
