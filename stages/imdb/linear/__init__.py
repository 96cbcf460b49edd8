"""Stage `linear`: logistic regression on n-grams, the baseline and the teacher of the networks."""
