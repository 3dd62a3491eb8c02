"""A program on a satellite: answers every ping with a pong that says where it was.

python examples/satellite.py --messages 5      with ORBITMESH_NODE set to the satellite's endpoint
"""

import argparse

from nodes.client import Node


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=5)
    arguments = parser.parse_args()
    with Node(service="pong") as node:
        for _ in range(arguments.messages):
            ping = node.receive()
            if ping is None:
                continue
            place = node.where()
            print(f"{ping.payload.decode()!r} from {ping.source}, {ping.delay_s:.6f} s on its way", flush=True)
            pong = ping.payload.replace(b"ping", b"pong").decode()
            pong += f" from {place.latitude_deg:+.2f}, {place.longitude_deg:+.2f} at {place.altitude_m / 1e3:.0f} km"
            pong += " in sunlight" if place.sunlit else " in shadow"
            node.send(ping.source, pong.encode(), service=ping.service)
        # The last answer waits on the node for its contact; what became of it is told once it is known.
        for outcome in node.outcomes():
            print(f"message {outcome.reference} {outcome.how} {outcome.reason}", flush=True)


if __name__ == "__main__":
    main()
