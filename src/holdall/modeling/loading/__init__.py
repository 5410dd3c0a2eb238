"""From a folder to a model: found, trusted, loaded, called."""
