"""A store as MLflow's own: what it calls a tracking store, a model registry store and an artifact repository."""
