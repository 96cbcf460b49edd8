"""Project 1: a multi-layer perceptron with its backward pass written by hand."""
