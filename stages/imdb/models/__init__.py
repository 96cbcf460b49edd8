"""The networks, their batches, files and predictions."""
