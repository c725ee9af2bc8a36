"""What a cluster is about, in words: those that occur in many of its windows and in few of the others'."""
from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Sequence

import numpy as np
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

TERMS = 10
TERMS_IN_LABEL = 3
MIN_SHARE_OF_WINDOWS = 0.03
"""A term occurs in at least this share of a cluster's windows; rarer words are names out of single documents."""

_MARKUP = re.compile(r"https?://\S+|www\.\S+|<[^<>]{1,200}>|&#?\w{1,8};|\\[A-Za-z]+(?:\{[a-z*]{1,20}\})?")
_WORD = re.compile(r"(?<![\w\\@&/.$'’-])[^\W\d_]{3,}(?![\w\\@/=(:'’-])")
"""Whole words of letters; names in code, addresses and halves of hyphenated words are passed over."""
_UNINFORMATIVE = frozenset(ENGLISH_STOP_WORDS) | frozenset("""
    actually also although always another anything away basically bit came come comes coming consider considered did does doing don
    done else even every everything far following general get gets getting give given gives going gone gonna good got great had has
    have having href html http https just kind knew know large later less let like little long look looked lot made make makes making
    man may maybe men might mr mrs much must nbsp need never new non nor now okay old one ones particular possible pretty put quite
    rather really respectively right said saw say saying says seem seemed set several shall she should small something stuff suppose
    take taken thing things think thought till time times too took try trying two upon use used uses using various very want way well
    went were will within would yeah yes yet you
""".split())

_FIRST_NAMES = frozenset("""
    adam alan alex alice andrew anna anne ben bill bob charles charlie chris dan daniel dave david ed edward emily emma eric frank
    fred george greg harry helen henry jack jake james jane jeff jerod jim joe john jon joseph josh julia kate kevin louis luke
    margaret maria mark martin mary matt max michael mike nick patrick paul peter phil richard rob robert ryan sam sarah scott simon
    stephen steve susan thomas tim tom tony will william""".split())
"""Those who talk are not what they talk about."""
_NO_TERMS = _UNINFORMATIVE | _FIRST_NAMES


class TokenDecoder:
    """Text of token ids of a byte-level BPE tokenizer."""

    def __init__(self, tokenizer_json: Path) -> None:
        tokenizer = json.loads(tokenizer_json.read_text(encoding="utf-8"))
        byte_of = {character: byte for byte, character in enumerate(_byte_characters())}
        special = {token["content"] for token in tokenizer["added_tokens"]}
        self._bytes_of = {
            id: b"" if entry in special else bytes(byte_of[character] for character in entry)
            for entry, id in tokenizer["model"]["vocab"].items()
        }

    @property
    def vocab_size(self) -> int:
        return len(self._bytes_of)

    def text(self, ids: np.ndarray) -> str:
        """Bytes at the ends that are no whole character are left out."""
        return b"".join(map(self._bytes_of.__getitem__, ids.tolist())).decode("utf-8", errors="ignore")


def _byte_characters() -> list[str]:
    """The character that stands for each byte 0 to 255 in a byte-level vocabulary (GPT-2's bytes_to_unicode)."""
    characters, shifted = [], 0
    for byte in range(256):
        is_printable = 0x21 <= byte <= 0x7E or 0xA1 <= byte <= 0xAC or 0xAE <= byte
        characters.append(chr(byte if is_printable else 256 + shifted))
        shifted += not is_printable
    return characters


class WordStatistics:
    """In how many windows each word occurs, per cluster, with the forms it is written in and the sources it is seen in."""

    def __init__(self, k: int) -> None:
        self._windows = [0] * k
        self._windows_with: list[Counter[str]] = [Counter() for _ in range(k)]
        self._forms: dict[str, Counter[str]] = defaultdict(Counter)
        self._sources: dict[str, set[int]] = defaultdict(set)
        self._all_sources: set[int] = set()

    def add(self, text: str, cluster: int, source: int) -> None:
        """Counts one window."""
        forms = set(_WORD.findall(_MARKUP.sub(" ", text)))
        words = {form.casefold() for form in forms}
        self._windows[cluster] += 1
        self._windows_with[cluster].update(words)
        self._all_sources.add(source)
        for form in forms:
            self._forms[form.casefold()][form] += 1
        for word in words:
            self._sources[word].add(source)

    def top_terms(self) -> list[list[str]]:
        """Up to TERMS terms per cluster, the most telling first. A term's score is p log(p / q)^2, with p and q the shares of windows that
        hold it in the cluster and in all clusters, each cluster counted alike. The square prefers telling words to frequent ones."""
        shares = [
            {word: count / windows for word, count in counts.items()} for counts, windows in zip(self._windows_with, self._windows)
        ]
        mean_share: dict[str, float] = defaultdict(float)
        for of_cluster in shares:
            for word, share in of_cluster.items():
                mean_share[word] += share / len(shares)
        terms = []
        for of_cluster in shares:
            scores = {
                word: share * np.log(share / mean_share[word]) ** 2
                for word, share in of_cluster.items()
                if share >= MIN_SHARE_OF_WINDOWS and share > mean_share[word] and word not in _NO_TERMS
            }
            ranked = sorted(scores, key=lambda word: (-scores[word], word))
            # Words of one source alone are mostly its people's names and its page furniture.
            common = [word for word in ranked if len(self._sources[word]) > 1 or len(self._all_sources) == 1]
            chosen = _without_variants(common if len(common) >= TERMS_IN_LABEL else ranked)
            terms.append([self._usual_form(word) for word in chosen])
        return terms

    def _usual_form(self, word: str) -> str:
        forms = self._forms[word]
        return max(forms, key=lambda form: (forms[form], form))


def _without_variants(ranked: Sequence[str]) -> list[str]:
    """The first TERMS words of which none is another's plural."""
    chosen: list[str] = []
    for word in ranked:
        if not any(_are_variants(word, other) for other in chosen):
            chosen.append(word)
        if len(chosen) == TERMS:
            break
    return chosen


def _are_variants(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return long in (short + "s", short + "es") or short.endswith("y") and long == short[:-1] + "ies"


def labels_of(terms: list[list[str]]) -> list[str]:
    """A label per cluster, its first terms; where two clusters would be called alike, more terms, at last the cluster's number."""
    labels: list[str] = []
    for index, of_cluster in enumerate(terms):
        candidates = [", ".join(of_cluster[:count]) for count in range(TERMS_IN_LABEL, max(len(of_cluster), TERMS_IN_LABEL) + 1)]
        label = next((candidate for candidate in candidates if candidate and candidate not in labels), f"cluster {index}")
        labels.append(label)
    return labels
