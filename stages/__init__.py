"""Three deep-learning projects as one DVC pipeline. Each folder holds the code of one step."""
