"""A program on a ground station: sends pings to one on a satellite, and waits as long as the sky makes it wait.

    python examples/ground.py --to "SCS-01 A" --messages 5      with ORBITMESH_NODE set to the station's endpoint

While the satellite is below the horizon a ping waits for the next contact; the delays printed are emulated seconds.
"""

import argparse

from nodes.client import Node


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", default="SCS-01 A", help="the satellite's name")
    parser.add_argument("--messages", type=int, default=5)
    arguments = parser.parse_args()
    with Node(service="ground") as node:
        for link in node.links():
            if link.peer == arguments.to:
                state = (
                    f"in sight, {1e3 * (link.delay_s or 0.0):.2f} ms away" if link.open else f"not there: {link.reason}"
                )
                print(f"{node.name} at {node.now_s():.1f} s: {link.peer} is {state}", flush=True)
        for number in range(1, arguments.messages + 1):
            ping = f"ping {number}".encode()
            node.send(arguments.to, ping, service="pong")
            while (answer := node.receive(timeout_s=1.0)) is None:  # nothing yet: perhaps there is no contact
                for outcome in node.outcomes():
                    if outcome.how != "done":
                        print(f"ping {number} {outcome.how}: {outcome.reason}; once more", flush=True)
                        node.send(arguments.to, ping, service="pong")
            print(
                f"{answer.payload.decode()!r} from {answer.source}, "
                f"sent at {answer.sent_s:.6f} s, {answer.delay_s:.6f} s on its way",
                flush=True,
            )


if __name__ == "__main__":
    main()
