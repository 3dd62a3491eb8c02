"""Sphinx configuration of the documentation: MyST markdown, furo theme."""

project = "orbitmesh"
extensions = ["myst_parser"]
html_theme = "furo"
exclude_patterns = ["_build"]
myst_heading_anchors = 3
