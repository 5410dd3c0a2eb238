"""What a store keeps, as other tools want it: folders, images, and runs of MLflow."""
