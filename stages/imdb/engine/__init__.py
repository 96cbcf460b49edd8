"""What training and pretraining share: optimizers, checkpoints, distributed training."""
