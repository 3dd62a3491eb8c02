"""Fills in a trace's header and footer from what runs and what came of it, and closes it."""

from typing import Any

import msgspec

from emulator import clock
from emulator.assemble import Assembled
from emulator.core import Core
from emulator.ledger import bundle_counts, counts
from emulator.recorder import Recorder
from emulator.report import Row, summarise
from emulator.tracing.header import (
    SCHEMA,
    SOURCES,
    Footer,
    Header,
    LinkBytes,
    NodeTotals,
    host,
    tai_minus_utc_s,
    versions,
)
from emulator.tracing.writer import TraceWriter
from emulator.version import installed_version

WAITED = "requests and batch jobs have no model: their nodes waited for the computed time, and no host did the work"


def header_of(assembled: Assembled, policy: str, engine: str) -> Header:
    """What runs; `events` and `digest` are filled in when the trace is closed."""
    scenario = assembled.loaded.scenario
    return Header(
        schema=SCHEMA,
        orbitmesh=installed_version(),
        created_utc=clock.utc_now(),
        scenario=scenario.name,
        scenario_sha256=assembled.loaded.sha256,
        epoch=scenario.epoch,
        policy=policy,
        seed=scenario.seed,
        engine=engine,
        tai_minus_utc_s=tai_minus_utc_s(scenario.epoch),
        scenario_table=msgspec.json.decode(msgspec.json.encode(scenario, order="sorted")),
        files=list(assembled.loaded.files),
        elements=msgspec.to_builtins(assembled.sky.elements),
        sources=sources_of(assembled, engine),
        notes=list(assembled.notes),
        versions=versions(),
        host=host(),
    )


def sources_of(assembled: Assembled, engine: str) -> dict[str, str]:
    """Where tasks and bundles come from, and whether a slow system slows them."""
    workload = assembled.loaded.scenario.workload
    kind = "captures" if workload is None else f"workload, {workload.arrivals}"
    found = {kind.partition(",")[0]: SOURCES[kind]}
    if engine == "live":
        found |= {"bundles": SOURCES["bundles"]}
        found |= {"work": WAITED} if assembled.mission is not None and assembled.mission.models else {}
    return found


def finish(writer: TraceWriter | None, header: Header, core: Core, recorder: Recorder, live: Any = None) -> Row:
    """Sum up what has run, and close its trace if there is one, with what only a live run has."""
    row = summarise(core, header.policy, recorder.digest())
    if writer is not None:
        header = msgspec.structs.replace(header, events=recorder.events, digest=row.digest)
        writer.close(header, core.world, row, live, footer_of(core, header))
    return row


def footer_of(core: Core, header: Header) -> Footer:
    """The ledger of a run that has ended."""
    return Footer(
        events=header.events,
        digest=header.digest,
        end_s=core.now_s,
        tasks=counts(core),
        bundles=bundle_counts(core),
        links=[
            LinkBytes(
                from_node=a, to_node=b, sent_bytes=account.sent_bytes, received_bytes=account.received_bytes,
                lost_bytes=account.lost_bytes,
            )
            for (a, b), account in sorted(core.transport.accounts.items())
        ],
        nodes=[
            NodeTotals(node=name, ops=None if node.budget is None else node.budget.ops, stored_bytes=node.stored_bytes)
            for name, node in sorted(core.nodes.items())
        ],
    )  # fmt: skip
