"""What joins two nodes: geometry, laser and radio links, topology, contact plan, routing."""
