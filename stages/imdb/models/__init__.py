"""The two classifiers, their batches, files and predictions."""
