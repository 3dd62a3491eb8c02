"""Readers of what missions and services leave behind: plans, catalogues of captures, request logs, telemetry."""
