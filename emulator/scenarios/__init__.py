"""Scenarios that ship, as TOML."""
