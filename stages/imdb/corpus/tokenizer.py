"""The tokenizer: how a text is normalized, and what counts as a word."""

import html
import re
import unicodedata

# The combining marks (Unicode category M), for which `re` has no name: vowel signs of Hindi, Thai
# and Arabic, and accents for which there is no character together with the letter.
MARKS = "".join(
    c
    for c in map(chr, (*range(0x300, 0x20000), *range(0xE0100, 0xE01F0)))
    if unicodedata.category(c).startswith("M")
)

# Letters and digits with their marks, and with apostrophes inside ("don't" is one word, because it
# contains "not"). Of the punctuation marks only "!" and "?" are words: they carry meaning.
# The range before the set of marks makes the pattern three times as fast.
TOKEN_PATTERN = re.compile(
    rf"[^\W_]+(?:'[^\W_]+|[{MARKS[0]}-{MARKS[-1]}](?<=[{MARKS}])[^\W_]*)*|[!?]"
)

TAG = re.compile(r"</?[A-Za-z][\w:-]*(?:\s[^<>]*)?/?>|<!--.*?-->", re.DOTALL)
ENTITY = re.compile(r"&(?:#[0-9]+|#[xX][0-9a-fA-F]+|[A-Za-z][A-Za-z0-9]*(?=;));?")
MAX_ENTITY_CHARS = 40  # no name of a character is longer

# Characters that are written for an apostrophe; characters that are invisible inside a word (soft
# hyphen, joiners, marks of the writing direction, byte order mark); the lower case of İ.
REPLACEMENTS = {
    **dict.fromkeys("’‘‛ʼʻ՚׳＇´′", "'"),
    **dict.fromkeys("\u00ad\u061c\u200c\u200d\u200e\u200f\u2060\ufeff", ""),
    **dict.fromkeys("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069", ""),
    "i\u0307": "i",
}
# These control characters are the quotation marks and dashes of a text in Windows-1252 that was
# read as Latin-1. HTML decodes their entities likewise.
C1_CONTROL = re.compile("[\x80-\x9f]")


def normalize(text: str) -> str:
    """Return a text in lower case and Unicode NFC, without HTML and typographic apostrophes.

    Every text is normalized, for training and for prediction alike. Tags become spaces, and
    entities become characters: once, so that "&amp;lt;" becomes "&lt;".

    >>> normalize("It wasn’t<br />BAD &amp; boring")
    "it wasn't bad & boring"
    """
    text = unicodedata.normalize("NFC", text)
    if "<" in text:
        text = TAG.sub(" ", text)
    if "&" in text:
        text = ENTITY.sub(_decode_entity, text)
    text = text.replace("`", "'")
    if text.isascii():
        return text.lower()
    text = C1_CONTROL.sub(_decode_windows_1252, text).lower()
    # Several times as fast as str.translate.
    for character, replacement in REPLACEMENTS.items():
        text = text.replace(character, replacement)
    return unicodedata.normalize("NFC", text)


def _decode_entity(match: re.Match[str]) -> str:
    return html.unescape(match[0]) if len(match[0]) <= MAX_ENTITY_CHARS else " "


def _decode_windows_1252(match: re.Match[str]) -> str:
    return match[0].encode("latin-1").decode("cp1252", "replace")


def tokenize(text: str) -> list[str]:
    """Split a text into normalized words.

    >>> tokenize("It wasn't <br />BAD at all!")
    ['it', "wasn't", 'bad', 'at', 'all', '!']
    """
    return TOKEN_PATTERN.findall(normalize(text))
