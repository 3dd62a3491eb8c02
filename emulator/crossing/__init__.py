"""Ground versus orbit: where the crossover lies."""
