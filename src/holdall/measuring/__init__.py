"""What a store's bytes are, and whose."""
