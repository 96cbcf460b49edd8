"""Code that all stages of project 3 share: parameters, tokenizer, corpus and predictions."""
