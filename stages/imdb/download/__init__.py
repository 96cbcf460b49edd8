"""Stages `source` and `download`: get the reviews from an archive, a package or a custom table."""
