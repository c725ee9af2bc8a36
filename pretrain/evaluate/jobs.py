"""What is to be run, in an order that makes every prefix a usable table."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Sequence

from ..config import ConfigError
from .experts import BEST_FINE_TUNED, BEST_PRETRAINED, FITTED, MIXTURE, MOST_FREQUENT

SLM, NOPT, MIX, PN, IS, DISTILLED, LLM = "SLM", "SLM-nopt", "SLM-mix", "SLM-pn", "SLM-is", "SLM-d", "LLM"
SYSTEMS = (SLM, NOPT, MIX, PN, IS, DISTILLED, LLM)
"""In the order of the tables; the paper's names."""

STRATEGIES = {
    MIX: (MOST_FREQUENT, BEST_PRETRAINED, BEST_FINE_TUNED),
    PN: (MOST_FREQUENT, BEST_PRETRAINED, BEST_FINE_TUNED, MIXTURE, FITTED),
}
"""Ways to choose the start, per system that has a choice; the first is the paper's default."""

DEFAULT_STRATEGIES = (MOST_FREQUENT, BEST_PRETRAINED, MIXTURE, FITTED)
"""Without the one that costs k times as much."""

_FIRST = ((SLM, ""), (PN, MOST_FREQUENT), (PN, FITTED), (NOPT, ""), (MIX, MOST_FREQUENT), (LLM, ""), (IS, ""), (DISTILLED, ""))
_LATER = ((PN, BEST_PRETRAINED), (PN, MIXTURE), (MIX, BEST_PRETRAINED), (PN, BEST_FINE_TUNED), (MIX, BEST_FINE_TUNED))


@dataclass(frozen=True)
class Job:
    domain: str
    seed: int
    """Order of the training windows; for SLM-nopt also the starting weights."""
    system: str
    strategy: str = ""
    """How the expert is chosen; empty for systems without one."""

    @property
    def key(self) -> str:
        return f"{self.domain}/{self.system}{'/' + self.strategy if self.strategy else ''}/seed {self.seed}"


def ordered_jobs(domains: Sequence[str], seeds: Sequence[int], systems: Iterable[str], strategies: Iterable[str]) -> list[Job]:
    """Seed by seed, the paper's question (SLM against SLM-pn) first, all domains of a system together."""
    systems, strategies = set(systems), set(strategies)
    return [
        Job(domain, seed, system, strategy)
        for seed in seeds
        for system, strategy in _FIRST + _LATER
        if system in systems and (not strategy or strategy in strategies)
        for domain in domains
    ]


def named(names: Sequence[str], known: Sequence[str], option: str) -> list[str]:
    """The known names meant by `names`, whatever their case, spaces and hyphens. Raises ConfigError."""
    by_letters = {_letters(name): name for name in known}
    for name in names:
        if _letters(name) not in by_letters:
            raise ConfigError(f"{option}: there is no '{name}'; known are {', '.join(known)}.")
    return [by_letters[_letters(name)] for name in names]


def _letters(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())
