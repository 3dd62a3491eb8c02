"""Errors of links: you asked for a link, a topology or a route that cannot be.

`links` imports nothing of ours, so its family starts here; the whole tree is drawn in `emulator/errors.py`.
"""


class LinkError(ValueError):
    """A link, terminal, topology or contact plan that cannot be; the message says what, the value, and what to do."""


class WireError(LinkError):
    """An end of the wire that cannot be (endpoint taken, unreachable by name, open to strangers without keys)."""
