"""What an MLflow keeps: experiments, runs, logged models and the model registry."""
