"""From the blocks of a run to medians, tables, the page, and what fails the run."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from benchmarks import gate, page, summary, table
from benchmarks.counting import Counts
from benchmarks.phases import ITEM, MANY, PING, sittings
from benchmarks.results import Results
from tests.benchmarks.runs import block, end, kept


def test_results_are_read_as_they_were_written() -> None:
    """Every block, end and start, through JSON."""
    results = kept()
    assert Results.of_json(json.loads(json.dumps(results.as_json()))) == results


def test_a_block_knows_its_unit_costs() -> None:
    """Wrong answers have cost CPU time too, and count for no speed."""
    one = block("otelier", 0, 1_000.0, answered=60, wrong=40)
    assert one.micros == pytest.approx(1_000)
    assert one.per_second == 120


def test_ratios_are_taken_within_a_round() -> None:
    """The machine is twice as slow in the second round, and the ratio is the same in both."""
    blocks = [
        block("bare", 0, 1_000),
        block("otelier", 0, 1_500),
        block("bare", 1, 2_000),
        block("otelier", 1, 3_000),
    ]
    bare, otelier = summary.rows(Results(blocks=blocks), ITEM.name)
    assert (bare.contender, otelier.contender) == ("bare", "otelier")
    assert (otelier.ratio.least, otelier.ratio.most) == pytest.approx((1.5, 1.5))
    assert otelier.overhead.median == pytest.approx(750)
    assert (otelier.sent, otelier.expected) == (Counts(500, 400), Counts(500, 400))


def test_a_round_without_bare_is_not_compared() -> None:
    """A block that has nothing to stand beside is left out."""
    blocks = [block("bare", 0, 1_000), block("otelier", 0, 1_100), block("otelier", 1, 9_000)]
    rows = summary.rows(Results(blocks=blocks), ITEM.name)
    assert [row.micros.most for row in rows] == pytest.approx([1_000, 1_100])


def test_the_share_of_an_overhead() -> None:
    """200 µs of 2,000 µs; none where one of the two has not run."""
    share = summary.share_of_overhead(kept(), ITEM.name, "otelier", "upstream")
    assert share == pytest.approx(0.1)
    assert summary.share_of_overhead(kept(), ITEM.name, "otelier", "ddtrace") is None


def test_the_tables_show_what_was_found() -> None:
    """A row for each contender, bare without overhead, memory over bare's; the absent by reason."""
    results = replace(kept(), absent={"edot": "not installed: no such release"})
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table.markdown(results).splitlines()
        if line.startswith("|")
    ]
    found = {(line[0], line[1]): line for line in lines}
    bare = found["bare", "1000 (1000 – 1001)"]
    assert bare[2:5] == ["", "1.00", "200"]
    otelier = found["otelier", "1200 (1200 – 1201)"]
    assert otelier[2:4] == ["200 (200 – 200)", "1.20 (1.20 – 1.20)"]
    assert otelier[7:] == ["500 of 500", "400 of 400"]
    assert found["otelier", "1.0"][2:4] == ["1.30 (1.20 – 1.40)", "8.5"]
    assert found["bare", "1.0"][3] == "80 in all"
    assert [line[0] for line in lines].count("edot") == 2
    assert found["edot", "not installed: no such release"]


def test_the_table_of_routes_sets_both_phases_side_by_side() -> None:
    """One row for each contender that has run both."""
    blocks = [
        block(name, 0, micros, phase=phase)
        for phase, costs in ((PING.name, (100, 150)), (MANY.name, (900, 960)))
        for name, micros in zip(("bare", "otelier"), costs, strict=True)
    ]
    text = table.markdown(Results(blocks=blocks))
    assert "| otelier   | 50 (50 – 50)    | 60 (60 – 60)       |" in text


def test_a_table_can_be_read_as_it_is() -> None:
    """Columns are as wide as what is in them; a reason that stands alone widens none."""
    lines = table.grid(
        ("a", "b", "c"), [["one", "2", "3"], ["two", "a reason that is long"]]
    ).splitlines()
    assert lines[:3] == ["| a   | b | c |", "| --- | - | - |", "| one | 2 | 3 |"]


def test_a_run_that_keeps_all_promises_passes() -> None:
    """No line."""
    assert gate.failures(kept()) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"blocks": [block("bare", 0, 1_000), block("otelier", 0, 1_410)]}, "ratio 1.41"),
        (
            {
                "blocks": [
                    block("bare", 0, 1_000),
                    block("otelier", 0, 1_300),
                    block("upstream", 0, 2_000),
                ]
            },
            "0.30 of upstream's overhead",
        ),
        ({"ends": [end("otelier", Counts(499, 400), Counts(500, 400))]}, "499 of 500 spans"),
        ({"ends": [end("otelier", Counts(500, 398), Counts(500, 400))]}, "398 of 400 log records"),
        (
            {"blocks": [block("bare", 0, 1_000), block("otelier", 0, 1_000, wrong=3)]},
            "item: 3 answers were wrong",
        ),
        ({"absent": {"otelier": "not started: it ended"}}, "otelier was not measured"),
        ({"absent": {"upstream": "not installed: no"}}, "upstream was not measured"),
    ],
)
def test_a_broken_promise_fails_the_run(change: dict[str, object], said: str) -> None:
    """Each in one line that says which."""
    (line,) = gate.failures(replace(kept(), **change))  # type: ignore[arg-type]
    assert said in line


def test_others_may_break_what_is_promised_of_otelier_alone() -> None:
    """Upstream loses records: that is its own affair."""
    lost = end("upstream", Counts(1, 1), Counts(500, 400))
    assert gate.failures(replace(kept(), ends=[lost])) == []


MACHINE = {"python": "CPython 3.11.7", "store": "PostgreSQL 18"}


def test_the_page_keeps_what_is_written_by_hand() -> None:
    """Only what stands between the markers is replaced, and again the next time."""
    begin = page.BEGIN.format("overhead")
    text = f"before\n\n{begin}\n\nold figures\n\n{page.END}\n\nafter\n"
    filled = page.filled(text, "overhead", MACHINE, "new figures")
    assert filled.startswith("before\n")
    assert filled.endswith("\nafter\n")
    assert ("old figures" in filled, "new figures" in filled) == (False, True)
    assert "CPython 3.11.7. PostgreSQL 18." in filled
    assert page.filled(filled, "overhead", MACHINE, "new figures") == filled


def test_a_page_without_markers_is_not_written() -> None:
    """Rather than at a place where nobody looks."""
    with pytest.raises(ValueError, match="has no"):
        page.filled(f"before {page.BEGIN.format('overhead')} after", "overhead", MACHINE)


@pytest.mark.parametrize(
    ("name", "command"),
    [("benchmarks.md", "overhead"), ("delivery.md", "delivery"), ("delivery.md", "throughput")],
)
def test_the_pages_in_the_docs_have_their_markers(name: str, command: str) -> None:
    """And the command can fill them."""
    text = (page.DOCS / name).read_text(encoding="utf-8")
    assert "figures" in page.filled(text, command, MACHINE)


def test_servers_are_started_anew() -> None:
    """For every second round, each round once; a phase of few rounds is over sooner."""
    long, short = ITEM, replace(PING, share=0.4)
    assert list(sittings([long, short], 5)) == [
        {long: [0, 1], short: [0, 1]},
        {long: [2, 3]},
        {long: [4]},
    ]


def test_servers_of_one_contender_are_taken_together() -> None:
    """What all have sent, and the most that one took."""
    first = end("otelier", Counts(10, 4), Counts(10, 4))
    second = replace(end("otelier", Counts(5, 2), Counts(6, 2)), resident_mib=99.0)
    found = summary.ends(replace(kept(), ends=[first, second]), first.routes)["otelier"]
    assert (found.sent, found.expected) == (Counts(15, 6), Counts(16, 6))
    assert found.resident_mib == 99.0
