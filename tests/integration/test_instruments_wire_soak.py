"""A hundred thousand mixtures of faults on the wires of instruments: no reading goes by another's name."""

import asyncio
import gzip
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_conversation import PARAMETERS, SPOILS, read_each
from support_interleaving import Outcome, try_seed

WANTED = st.tuples(st.sampled_from(sorted(PARAMETERS)), st.sampled_from("0123"))


@pytest.mark.soak
@settings(max_examples=100_000, deadline=None)
@given(st.lists(st.sampled_from(SPOILS), max_size=60), st.lists(WANTED, min_size=1, max_size=25))
def test_what_is_read_is_what_was_asked_for_and_was_told_after_it_was_asked(
    spoils: list[str], wanted: list[tuple[str, str]]
) -> None:
    asyncio.run(read_each(spoils, wanted))


@pytest.mark.soak
def test_a_hundred_thousand_mixtures_of_people_and_faults_on_shared_wires(tmp_path: Path) -> None:
    found, log = Outcome(), tmp_path / "wires.txt.gz"
    with gzip.open(log, "wt") as kept:
        for seed in range(100_000):
            found.add(try_seed(seed, kept))
    print(dict(found.counts), f"highest voltage on the wire {found.highest_v:g} V; everything said in {log}")

    assert found.counts["readings"] > 100_000
    assert found.highest_v == 8000.0
    assert wrong_in(log) == (found.counts["readings"], [])


_SAID = re.compile(r"\s*(?P<at>[\d.]+) > '\$BD:(?P<board>\d\d),CMD:MON,CH:(?P<channel>\d),PAR:(?P<parameter>[A-Z]+)")
_HEARD = re.compile(r"\s*(?P<at>[\d.]+) < b'(?P<text>.*)'")
_READ = re.compile(
    r"\s*[\d.]+ = (?P<name>\w+) (?P<channel>\d) of hv(?P<board>\d\d) is (?P<value>[\d.]+), asked at (?P<at>[\d.]+)"
)
_SET = re.compile(r"PAR:VSET,VAL:(-?[\d.]+)")


def wrong_in(log: Path) -> tuple[int, list[str]]:
    """Look through what wires said, knowing nothing of the program: how many readings, and which are wrong.

    Each number was told once. So a reading is right where the number came on its wire after the time at which it says
    that it was asked for, and the question for it, of this board, channel and value, had been said by then.
    """
    readings, wrong, heard, asked = 0, [], {}, set()
    with gzip.open(log, "rt") as lines:
        for line in lines:
            if line.startswith("seed"):
                heard, asked = {}, set()
            elif (set_v := _SET.search(line)) and not 0 <= float(set_v[1]) <= 8000:
                wrong.append(line)
            elif said := _SAID.match(line):
                asked.add((said["board"], said["channel"], said["parameter"]))
            elif told := _HEARD.match(line):
                heard |= dict.fromkeys(
                    map(float, re.findall(r"(?<=[:;])\d{5}(?=[;\\])", told["text"])), float(told["at"])
                )
            elif read := _READ.match(line):
                readings += 1
                question = (read["board"], read["channel"], PARAMETERS[read["name"]])
                came_s = heard.get(float(read["value"]), -1.0)
                if came_s < float(read["at"]) or not asked & {question, (question[0], "4", question[2])}:
                    wrong.append(line)
    return readings, wrong
