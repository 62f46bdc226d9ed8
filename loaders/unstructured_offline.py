"""The one door to `unstructured`: offline, silent, and without its English-only tokenizers.

Left alone, `unstructured` reports each import and each call to its maker's server, and downloads a spaCy model on the
first sentence it counts. Neither may happen in a local-first program, so both are switched off before it is imported.
"""

import os
import re
from functools import cache

LANGUAGES = ["zho", "eng"]  # explicit: the default "auto" runs a detector that mislabels short Chinese

_SENTENCE = re.compile(r"[^。！？!?；;.\n]+[。！？!?；;.\n]?")
_WORD = re.compile(r"[A-Za-z]+|\d+|[\u4e00-\u9fff]|\S")


def _sentences(text: str) -> list[str]:
    return [sentence for sentence in _SENTENCE.findall(text) if sentence.strip()] or ([text] if text else [])


def _words(text: str) -> list[str]:
    return _WORD.findall(text)


def _tagged_words(text: str) -> list[tuple[str, str]]:
    return [(word, "NN") for word in _words(text)]


@cache
def prepare_unstructured() -> None:
    """Make `unstructured` safe to import and to call; every loader that uses it calls this first. Cheap to repeat."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("SCARF_NO_ANALYTICS", "1")
    os.environ.setdefault("UNSTRUCTURED_DISABLE_NOTICE", "1")
    from unstructured.nlp import tokenize
    from unstructured.partition import text_type

    for module in (tokenize, text_type):
        for name, replacement in (("sent_tokenize", _sentences), ("word_tokenize", _words), ("pos_tag", _tagged_words)):
            setattr(module, name, replacement)
