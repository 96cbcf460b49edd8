"""The tokenizer: what counts as a word."""

import re

# Letters and digits, with apostrophes inside ("don't" is one word, because it contains "not"). Of
# the punctuation marks only "!" and "?" are words: they carry meaning of their own.
TOKEN_PATTERN = re.compile(r"[^\W_]+(?:'[^\W_]+)*|[!?]")
LINE_BREAK = "<br />"


def tokenize(text: str) -> list[str]:
    """Split a text into lower-case words.

    >>> tokenize("It wasn't <br />BAD at all!")
    ['it', "wasn't", 'bad', 'at', 'all', '!']
    """
    return TOKEN_PATTERN.findall(text.replace(LINE_BREAK, " ").lower())
