"""What a message meets on a contact: its delay, and when its last bit has left.

Plain IEEE arithmetic on Python floats, no numpy and no functions whose last bit depends on the machine: the core
calls these on its hot path.
"""

from links.contacts import Contact


def delay_s(contact: Contact, from_a: bool, t_s: float) -> float:
    """One-way light time in seconds for light that leaves a (or b) at `t_s`; held constant beyond the ends."""
    delays = contact.delay_ab_s if from_a else contact.delay_ba_s
    step_s = contact.step_s
    x = (t_s - contact.start_s) / step_s
    if x <= 0.0:
        return delays[0]
    i = int(x)
    if i >= len(delays) - 1:
        return delays[-1]
    slopes = contact.slope_ab if from_a else contact.slope_ba
    x -= i
    y = 1.0 - x
    return y * y * ((1.0 + 2.0 * x) * delays[i] + x * step_s * slopes[i]) + x * x * (
        (3.0 - 2.0 * x) * delays[i + 1] - y * step_s * slopes[i + 1]
    )


def finish_s(contact: Contact, start_s: float, bits: float) -> float | None:
    """When the last of `bits` has left if the first leaves at `start_s` or as soon as the contact starts.

    None if they do not fit before the contact stops.
    """
    t_s = start_s if start_s > contact.start_s else contact.start_s
    stop_s = contact.stop_s
    if t_s > stop_s:
        return None
    rates = contact.bits_per_s
    step_s = contact.step_s
    last = len(rates) - 1
    i = int((t_s - contact.start_s) / step_s)
    while i < last:
        end_s = contact.start_s + (i + 1) * step_s
        room = (end_s - t_s) * rates[i]
        if bits <= room:
            return t_s + bits / rates[i]
        if room > 0.0:
            bits -= room
            t_s = end_s
        i += 1
    end_s = t_s + bits / rates[last]
    return end_s if end_s <= stop_s else None


def bits_until(contact: Contact, start_s: float, stop_s: float) -> float:
    """How many bits can leave between `start_s` and `stop_s`, as far as the contact covers them."""
    t_s = start_s if start_s > contact.start_s else contact.start_s
    until_s = stop_s if stop_s < contact.stop_s else contact.stop_s
    rates = contact.bits_per_s
    last = len(rates) - 1
    i = int((t_s - contact.start_s) / contact.step_s)
    bits = 0.0
    while t_s < until_s:
        end_s = contact.start_s + (i + 1) * contact.step_s if i < last else until_s
        if end_s > until_s:
            end_s = until_s
        if end_s > t_s:
            bits += (end_s - t_s) * rates[i if i < last else last]
            t_s = end_s
        i += 1
    return bits
