"""Facts and orders in words, for people who read what a trace says."""

from collections.abc import Callable
from typing import Any

from emulator.events import (
    Captured,
    ContactClosed,
    ContactOpened,
    Delivered,
    Ended,
    Event,
    Finished,
    Missed,
    NodeFailed,
    NodeRecovered,
    Offered,
    SunRose,
    SunSet,
    TimerRang,
)
from emulator.orders import Cancel, End, Order, Rejected, Run, Send, Wake
from emulator.tracing.records import Clouds
from links.contacts import Contact


def named(said: Event | Order) -> str:
    """The task, stage or bundle that a fact or order is about; empty if it is about none."""
    if isinstance(said, Captured):
        return said.task.id
    if isinstance(said, Offered):
        return said.bundle.id
    return str(getattr(said, "task", ""))


def in_words(said: Event | Order, contacts: tuple[Contact, ...] = (), clouds: Clouds | None = None) -> str:
    """What a fact or order says, but for where, when and of which task; `contacts` are the plan's, to name ends.

    Without `clouds`, how much cloud inference saw is not told.
    """
    if isinstance(said, Finished):
        return _finished(said, None if clouds is None else clouds.of(said.task, said.outcome))
    if isinstance(said, ContactOpened | ContactClosed):
        became = "opened" if isinstance(said, ContactOpened) else "closed"
        return f"{_contact(said.contact, contacts)} {became}"
    return _WORDS[type(said)](said)


def sentence(said: Event | Order, at_s: float, contacts: tuple[Contact, ...], clouds: Clouds) -> str:
    """All that a fact or order says, on one line."""
    node, task = getattr(said, "node", ""), named(said)
    where = ", ".join(each for each in (f"on {node}" if node else "", f"{task}" if task else "") if each)
    return f"{at_s:.6f} s{f', {where}' if where else ''}: {in_words(said, contacts, clouds)}"


def _contact(number: int, contacts: tuple[Contact, ...]) -> str:
    if not 0 <= number < len(contacts):
        return f"contact {number}"
    contact = contacts[number]
    return f"the {contact.kind} contact {number}, {contact.a} - {contact.b},"


def _missed(said: Missed) -> str:
    return f"{said.what} never came{f': {said.why}' if said.why else ''}"


def _finished(said: Finished, cloud: float | None) -> str:
    answer = said.outcome
    shown = "" if cloud is None else f" cloud {cloud:g},"
    return f"run {said.run} finished: {answer.label},{shown} {answer.product_bytes:,} bytes"


def _captured(said: Captured) -> str:
    task = said.task
    return f"captured, {task.raw_bytes:,} bytes, {task.inferences:,} inferences of {task.model}"


def _sent(said: Send) -> str:
    return f"{said.what} sent to {said.to}, {said.size_bytes:,} bytes, due at {said.deliver_s:.6f} s"


def _rang(said: TimerRang) -> str:
    timers = {"decide": "the scheduler asked to be woken", "decision": "a decision was ready"}
    return timers.get(said.timer, f"the transmitter {_transmitter(said.timer)} was free")


def _wake(said: Wake) -> str:
    timers = {"decide": "the scheduler", "decision": "the decision"}
    return f"to be told at {said.at_s:.6f} s: {timers.get(said.timer, f'transmitter {_transmitter(said.timer)}')}"


def _transmitter(timer: str) -> str:
    return "to the ground" if timer == "radio" else f"to {timer}"


_WORDS: dict[type, Callable[[Any], str]] = {
    Captured: _captured,
    Offered: lambda said: f"bundle offered for {said.bundle.target}, {said.bundle.size_bytes:,} bytes",
    Delivered: lambda said: f"{said.what} delivered",
    Missed: _missed,
    NodeFailed: lambda said: "failed",
    NodeRecovered: lambda said: "came back",
    SunRose: lambda said: "left the shadow",
    SunSet: lambda said: "entered the shadow",
    TimerRang: _rang,
    Ended: lambda said: "the run ended",
    Send: _sent,
    Run: lambda said: f"run {said.run} started, until {said.finish_s:.6f} s ({said.basis})",
    Cancel: lambda said: f"run {said.run} cancelled",
    Wake: _wake,
    End: lambda said: f"{said.how}: {said.reason}" if said.reason else said.how,
    Rejected: lambda said: f"decision {said.decision} rejected: {said.code}",
}
