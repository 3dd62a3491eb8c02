"""One module per command: its arguments, what it does, what it prints."""
