"""Tables from made-up results, against text and figures worked out by hand."""
from __future__ import annotations

import json
import math

import pytest

from ..evaluate.experts import FITTED, MOST_FREQUENT
from ..evaluate.generic import generic_figures
from ..evaluate.jobs import IS, LLM, MIX, PN, SLM
from ..evaluate.pretrained import fingerprint
from ..evaluate.results import append_line
from ..evaluate.summary import Summary
from ..evaluate.tables import MAIN, MISSING, cost_table, domain_table, effective_clusters, macro_tables, markdown_tables, write_results
from .evaluate_fixture import tiny_work, write_run


def result(domain, system, strategy, seed, before, after, **changes):
    """Perplexities before and after; two tokens a byte makes bits per byte 2 log2(perplexity)."""
    figure = lambda perplexity: {"loss": math.log(perplexity), "perplexity": perplexity, "bits_per_byte": 2 * math.log2(perplexity)}  # noqa: E731
    return {
        "domain": domain, "system": system, "strategy": strategy, "seed": seed, "status": "ok", "before": figure(before), "after": figure(after),
        "training_text_tokens": 900, "test_tokens": 200, "test_bytes": 100, "precision": "float32", "device": "a CPU", "torch": "1.13",
        "generic": {"tokens": 1000, "flops": 2e15, "seconds": 50.0}, "specialization": {"tokens": 100, "flops": 3.456e12, "seconds": 7.0}, **changes,
    }


def test_macro_average_is_exp_of_the_mean_loss_over_domains():
    summary = Summary([result("a", SLM, "", 1, 8, 4), result("b", SLM, "", 1, 32, 16)])
    assert summary.macro((SLM, ""), ["a", "b"], "after", "perplexity").mean == pytest.approx(8)  # sqrt(4 * 16)
    assert summary.macro((SLM, ""), ["a", "b"], "before", "perplexity").mean == pytest.approx(16)
    assert summary.macro((SLM, ""), ["a", "b"], "after", "bits_per_byte").mean == pytest.approx(6)  # (4 + 8) / 2
    assert summary.macro((SLM, ""), ["a", "c"], "after", "perplexity") is None


def test_a_seed_counts_in_the_macro_average_only_with_every_domain():
    summary = Summary([result("a", SLM, "", 1, 8, 4), result("b", SLM, "", 1, 8, 16), result("a", SLM, "", 2, 8, 1000)])
    assert summary.macro((SLM, ""), ["a", "b"], "after", "perplexity").mean == pytest.approx(8)
    assert summary.macro((SLM, ""), ["a", "b"], "after", "perplexity").seeds == 1


def test_mean_and_deviation_over_seeds():
    summary = Summary([result("a", SLM, "", 1, 8, 4), result("a", SLM, "", 2, 8, 9)])
    figure = summary.in_domain((SLM, ""), "a", "after", "perplexity")
    assert figure.mean == pytest.approx(6)  # sqrt(4 * 9)
    assert figure.deviation == pytest.approx(5 / math.sqrt(2))
    assert figure.seeds == 2


def test_domain_table_in_full():
    summary = Summary([
        result("a", SLM, "", 1, 8, 4), result("a", SLM, "", 2, 8, 9), result("a", PN, MOST_FREQUENT, 1, 8, 3.14159), result("b", SLM, "", 1, 8, 1234.5),
    ])
    assert domain_table(summary, [(SLM, ""), (PN, MOST_FREQUENT)], "after", "perplexity") == (
        "| domain | SLM | SLM-pn |\n"
        "|---|---:|---:|\n"
        "| a | 6.00 ± 3.54 | 3.14 (1) |\n"
        "| b | 1,234.50 (1) | – |"
    )


def test_macro_tables_compare_over_common_domains_and_say_which():
    outcomes = [(SLM, "", 10), (PN, MOST_FREQUENT, 9.4), (PN, FITTED, 9)]
    records = [result(domain, system, strategy, 1, 20, perplexity) for system, strategy, perplexity in outcomes for domain in "ab"]
    records += [result("a", IS, "", 1, 20, 8), result("c", LLM, "", 1, 5, 5)]
    parts = macro_tables(Summary(records), MAIN)
    assert parts == [
        "Over 2 domains: a, b.",
        "| system | perplexity before | after | after, against SLM | bits per byte before | after |\n"
        "|---|---:|---:|---:|---:|---:|\n"
        "| SLM | 20.00 | 10.00 | – | 8.644 | 6.644 |\n"
        "| SLM-pn | 20.00 | 9.40 | -6.0% | 8.644 | 6.465 |\n"
        "| SLM-pn, fitted | 20.00 | 9.00 | -10.0% | 8.644 | 6.340 |",
        "Over 1 domain: a.",
        "| system | perplexity before | after | after, against SLM | bits per byte before | after |\n"
        "|---|---:|---:|---:|---:|---:|\n"
        "| SLM | 20.00 | 10.00 | – | 8.644 | 6.644 |\n"
        "| SLM-pn | 20.00 | 9.40 | -6.0% | 8.644 | 6.465 |\n"
        "| SLM-pn, fitted | 20.00 | 9.00 | -10.0% | 8.644 | 6.340 |\n"
        "| SLM-is | 20.00 | 8.00 | -20.0% | 8.644 | 6.000 |",
    ]


def test_failed_jobs_have_no_figure_anywhere():
    failed = {"domain": "b", "system": SLM, "strategy": "", "seed": 1, "status": "failed", "error": "The loss is not a finite number."}
    summary = Summary([result("a", SLM, "", 1, 8, 4), failed])
    assert summary.domains == ["a"] and summary.failed == [failed]
    assert summary.in_domain((SLM, ""), "b", "after", "perplexity") is None


def test_cost_table():
    cheaper = {"tokens": 300, "flops": 3.6e10, "seconds": 8.0}
    rows = cost_table(Summary([result("a", SLM, "", 1, 8, 4), result("b", SLM, "", 1, 8, 4, specialization=cheaper)]))[-1].splitlines()
    assert rows[2] == "| SLM | 1,000 | 2,000 | 50 | 200 | 1.75 | 8 |"  # TFLOP: (3.456 + 0.036) / 2
    assert rows[3] == "| SLM-nopt | – | – | – | – | – | – |"


def test_effective_clusters_of_even_and_single_histograms():
    assert effective_clusters([5, 5, 0, 0]) == pytest.approx(2)
    assert effective_clusters([0, 7]) == pytest.approx(1)


def test_generic_perplexity_is_the_last_validation_and_the_mixtures_is_weighted_by_held_out_text(tmp_path):
    import numpy as np

    config = tiny_work(tmp_path)
    figures = {figure.system: figure for figure in generic_figures(config)}
    assert figures[SLM].perplexity == pytest.approx(math.exp(3.0))
    assert figures[MIX].perplexity is None, "without the held-out text's sizes there is no mean"
    assert figures[MIX].tokens == 3000 and figures[MIX].tokens_per_second == 100
    for cluster, loss in enumerate((2.0, 3.0, 4.0)):
        write_run(config, f"mix-{cluster}", cluster, [loss if i == cluster else None for i in range(3)])
    (tmp_path / "blocks" / "experts").mkdir(parents=True)
    np.save(tmp_path / "blocks" / "experts" / "held_out.offsets.npy", np.array([0, 33, 50, 50]))  # 2, 1 and 0 blocks of 16 tokens
    figures = {figure.system: figure for figure in generic_figures(config)}
    assert figures[MIX].perplexity == pytest.approx(math.exp((2 * 2.0 + 3.0) / 3))


def test_results_file_keeps_other_sections_and_replaces_its_own(tmp_path):
    config = tiny_work(tmp_path, runs=("slm", "pn"))
    path = tmp_path / "RESULTS.md"
    write_results(config)
    first = path.read_text()
    assert "## tiny" in first and "SLM-mix is left out: not pretrained (mix-0, mix-1, mix-2)." in first
    path.write_text(first + "\n<!-- begin base -->\nother\n<!-- end base -->\n")
    append_line(config.result_lines, {**result("law", SLM, "", 1, 9.87, 6.54), "fingerprint": fingerprint(config, SLM, "law")})
    append_line(config.result_lines, {**result("songs", SLM, "", 1, 7.77, 7.77), "fingerprint": "of another time"})
    write_results(config)
    text = path.read_text()
    assert text.count("## tiny") == 1 and "other\n" in text
    assert f"| law | 6.54 |{f' {MISSING} |' * 7}" in text and "7.77" not in text
    assert "Fine-tuned in float32 on a CPU with PyTorch 1.13;" in text
    again = path.read_text()
    write_results(config)
    assert path.read_text() == again


def test_tables_say_what_is_not_run(tmp_path):
    config = tiny_work(tmp_path, runs=("slm", "is-law"), seeds=[1])
    text = markdown_tables(config)
    assert "- SLM-is is left out for songs: not pretrained (is-songs)." in text
    # Two domains of SLM and SLM-nopt, one of SLM-is.
    assert "- 5 of 5 jobs are not run yet." in text
    assert json.dumps(text, allow_nan=False) and "nan" not in text.lower().replace("finance", "")
