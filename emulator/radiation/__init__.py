"""`orbitmesh upset`: what a model's answers are worth after bit flips."""
