"""MLflow's `MlflowClient`, for a store: verbs that name their runs, experiments and models; nothing here is active."""
