"""Opens model files that nobody vouches for: checks, bounds, and a first run in a child process."""
