"""The tests. Their folders mirror those of `stages`; the files here test the whole repository."""
