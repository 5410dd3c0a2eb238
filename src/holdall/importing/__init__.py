"""What other tools keep, brought into a store: planned first, verified, and begun again where it ended."""
