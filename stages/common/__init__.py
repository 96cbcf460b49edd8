"""What the projects share: parameters, files, progress and the style of the pictures."""
