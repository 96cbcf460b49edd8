"""Project 3: is a film review good or bad? Averaged embeddings, then an LSTM, on IMDB."""
