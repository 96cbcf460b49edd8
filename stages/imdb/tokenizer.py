"""What a word is."""

import re

# A word is letters and digits, with apostrophes inside ("don't" is one word: "not" is in it);
# of the punctuation marks, those that carry meaning beyond their sentence.
TOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)*|[!?]")
BREAK = "<br />"


def tokenize(text: str) -> list[str]:
    """Cut a text into lower-case words.

    >>> tokenize("It wasn't <br />BAD at all!")
    ['it', "wasn't", 'bad', 'at', 'all', '!']
    """
    return TOKEN.findall(text.replace(BREAK, " ").lower())
