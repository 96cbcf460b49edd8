"""Project 2: the network of project 1 written in PyTorch in three ways, with autograd."""
