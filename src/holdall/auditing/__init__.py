"""Who did what to a store, as its logs and its server tell it."""
