"""From findings to cards: words, suggestions, merging, order."""
