"""Project 2: the network of project 1 three ways in PyTorch, its gradients by autograd."""
