"""Errors of nodes: orbital elements, stations or processors that cannot be.

The whole tree is drawn in `emulator/errors.py`.
"""


class NodeError(ValueError):
    """A node that cannot be; the message says what, the value, and what to do."""


class ElementsError(NodeError):
    """Orbital elements that cannot be read or propagated: the satellite's name, the line, the reason."""


class EphemerisError(NodeError):
    """An ephemeris file that cannot be read, or that does not cover what is asked: the file, the line, the reason."""
