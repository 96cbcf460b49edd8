"""Code that all projects share: parameters, files, processes, progress and errors."""
