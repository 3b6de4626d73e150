"""The rulebook and the engine that decides it."""
