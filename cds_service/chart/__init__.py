"""One patient on one date in clinical words."""
