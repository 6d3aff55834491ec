"""Trains and evaluates the model that the repository bundles in `models/demo`."""
