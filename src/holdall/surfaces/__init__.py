"""Ways in: each a thin shape over `store`, none knowing another."""
