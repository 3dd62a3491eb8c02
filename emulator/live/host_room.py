"""Whether this host can hold a run's processes at all: their memory, and open files, without which libzmq aborts.

What cannot be is refused before a process is started: a host that swaps, or ends processes for want of memory, is no
good to anybody.
"""

import os

from emulator.errors import BadInput

NODE_BYTES = 20 << 20  # private memory of a node at rest: 21 MB (sixteen, x86-64 Linux, CPython 3.11)
MODEL_BYTES = 15 << 20  # more of one with a small model: 40 MB in all there
FOR_ITSELF = 64  # open files of the coordinator, or of a node with its links; programs that connect come on top
FOR_EACH_NODE = 4  # its pipe, its process, its connection, and one while it starts; sixteen needed 61


def make_room(nodes: int, here: int, infers: bool) -> None:
    """For a run of `nodes` nodes, `here` of them on this host: refuse it, or raise the limit of open files as it needs.

    The limit is this process's soft one, often 1024 where the hard one is a million; nodes inherit it. Raises BadInput.
    Only where the system is POSIX; others are not asked.
    """
    if os.name != "posix":
        return
    import resource

    memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    node_bytes = NODE_BYTES + MODEL_BYTES * infers
    if here * node_bytes > memory_bytes:
        raise BadInput(
            f"{here} nodes are as many processes of {node_bytes >> 20} MB or more, and this host has "
            f"{memory_bytes >> 20} MB in all: take fewer nodes, other hosts too (--remote), or --engine virtual"
        )
    needed = FOR_ITSELF + FOR_EACH_NODE * nodes
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise BadInput(
            f"a live run of {nodes} nodes needs {needed} open files, and this user may have {hard}: raise the limit "
            f"(`ulimit -n {needed}`, where the system lets you), or take fewer nodes"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
