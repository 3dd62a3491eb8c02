"""What a node is: orbit, sun and shadow, processor, ground station."""
