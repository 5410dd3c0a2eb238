"""What training frameworks, pipelines and tests call while they run; each thin, over the verbs that all have."""
