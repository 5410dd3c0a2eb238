"""What goes into a model and what comes out of it: schemas, inferred from data and enforced on it."""
