"""Names of persons: word lists, rules of our own, and the joining of both with a model."""
