"""Text for a terminal, for processes too that do without rich and its ten megabytes."""

_CONTROLS = dict.fromkeys({*range(0x20), *range(0x7F, 0xA0)} - {0x09, 0x0A}, "\ufffd")  # but tab and line end


def printable(text: str) -> str:
    """Text that cannot steer a terminal: a control character of a file from elsewhere becomes one that is unknown."""
    return text.translate(_CONTROLS)
