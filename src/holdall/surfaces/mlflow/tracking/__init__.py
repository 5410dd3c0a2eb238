"""MLflow's tracking store over a store, by subject: experiments, runs, measurements, inputs, models, garbage."""
