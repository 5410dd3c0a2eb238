"""Runs, logged models and registered models, into an MLflow."""
