"""Errors of nodes: orbital elements, stations or processors that cannot be.

The whole tree is drawn in `emulator/errors.py`.
"""


class NodeError(ValueError):
    """A node that cannot be; the message says what, the value, and what to do."""


class ElementsError(NodeError):
    """Orbital elements that cannot be read or propagated: the satellite's name, the line, the reason."""
