"""Models that bring code of their own: how it is imported, and what it may see."""
