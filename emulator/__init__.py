"""Composes nodes, links and workloads: scenario, core, engines, schedulers, trace, reports, command line."""
