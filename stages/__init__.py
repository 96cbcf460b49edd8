"""Three deep-learning projects as one DVC pipeline: one package a project, one module a stage."""
