"""The live engine: one process per node, links over ZeroMQ, real or stretched time."""
