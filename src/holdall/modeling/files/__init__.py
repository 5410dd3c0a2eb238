"""The files that models are kept in: equal models have equal bytes, and each is looked at before it is read."""
