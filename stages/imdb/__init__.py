"""Project 3: classify film reviews of IMDB with averaged embeddings and with an LSTM."""
