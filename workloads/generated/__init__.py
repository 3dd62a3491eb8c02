"""Architectures as published, with seeded weights: untrained, for timing."""
