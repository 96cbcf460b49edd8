"""Commands around the pipeline: the table of results and the page of plots."""
