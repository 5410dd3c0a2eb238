"""The active run, and the verbs that need no handle: as users of MLflow know them."""
