"""What an opened store offers under `store.maintenance`: one class, its verbs in a file for each subject."""
