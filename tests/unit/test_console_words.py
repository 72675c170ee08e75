"""What people write: nothing that cannot be seen, nothing that turns; every name that somebody really has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from support_worklist import World

from daq.errors import RefusedError, UsageError
from daq.model.station import Actor, Role
from daq.model.verbs import VERBS, checked
from daq.model.words import says_nothing, unreadable, unreadable_name

SMITH = Actor("smith", "local", Role.SERVICE)
BLANK = [
    "\u200b",
    "\u2060",
    "\ufeff",
    "\u00ad",
    "\u2800",
    "\u3164",
    "\u115f",
    "\u180e",
    "\u200d",
    "\u034f",
    "\U000e0041",
]
TURNING = ["\u202a", "\u202e", "\u2066", "\u2069", "\u200e", "\u200f", "\u061c"]
CONTROL = ["\x00", "\x07", "\x1b", "\x7f", "\x85", "\u2028"]
SPACES = ["\u00a0", "\u2007", "\u202f", "\u3000", " ", "\t"]
NAMES = [
    "Müller^Jürgen",
    "Mu\u0308ller^Ju\u0308rgen",
    "Nguy\u1ec5n^Th\u1ecb Ph\u01b0\u01a1ng",
    "O'Brien^Siobh\u00e1n",
    "Dvo\u0159\u00e1k^Anton\u00edn",
    "\u05db\u05d4\u05df^\u05d3\u05d5\u05d3",
    "\u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd^\u05e8\u05d5\u05bc\u05ea",
    "\u0645\u062d\u0645\u062f^\u0639\u0644\u064a",
    "\u0645\u064e\u062d\u0652\u0645\u0648\u062f",
    "\u0639\u0644\u06cc\u200c\u067e\u0648\u0631^\u0631\u0636\u0627",
    "\u0936\u0930\u094d\u200d\u092e\u093e^\u0930\u093e\u092e",
    "\u0dc1\u0dca\u200d\u0dbb\u0dd3",
    "Yamada^Tarou=\u5c71\u7530^\u592a\u90ce=\u3084\u307e\u3060^\u305f\u308d\u3046",
    "\u5c71\u7530\u3000\u592a\u90ce",
    "\u845b\U000e0100\u57ce",
    "\u0e2a\u0e21\u0e0a\u0e32\u0e22^\u0e43\u0e08\u0e14\u0e35",
    "\u1019\u103c\u1004\u103a\u1037",
    "N\u0101\u02bbima^Lei",
    "D\u2019Angelo^Zo\u00eb",
    "\u1e8a\u0323\u0302n^Q",
]


@pytest.mark.parametrize("one", [*BLANK, *TURNING, *CONTROL], ids=lambda one: f"U+{ord(one):04X}")
def test_a_character_without_a_shape_or_that_turns_is_refused_in_words_and_reasons(one: str) -> None:
    for text in (one, f"pain{one}", f"pa{one}in", f"{one}pain"):
        assert unreadable(text) is not None
        assert unreadable(text, lines=True) is not None
        with pytest.raises(UsageError, match=r"reason: (holds a|nothing of it)"):
            checked("stop", {"reason": text}, SMITH)


@pytest.mark.parametrize("name", NAMES)
def test_names_that_people_have_pass_whatever_their_script(name: str) -> None:
    assert unreadable_name(name) is None
    assert not says_nothing(name)


@pytest.mark.parametrize("space", SPACES, ids=lambda one: f"U+{ord(one):04X}")
def test_what_is_only_space_is_no_reason_and_no_name(space: str) -> None:
    with pytest.raises(UsageError, match="nothing of it can be seen"):
        checked("worklist-discontinue", {"entry": "w-" + "a" * 26, "reason": space * 3}, SMITH)
    assert says_nothing(space)


def test_a_name_has_plain_spaces_alone_since_others_would_make_two_spellings_of_it() -> None:
    assert "U+00A0" in str(unreadable_name("Van\u00a0Dam^Jan"))
    assert unreadable_name("Van Dam^Jan") is None
    assert unreadable("nach 5\u00a0h") is None


def test_a_joiner_between_letters_that_need_none_makes_two_names_of_one_and_is_refused() -> None:
    assert unreadable_name("An\u200dna") is not None
    assert unreadable_name("An\u200cna") is not None


def test_a_remark_may_have_lines_and_pictures() -> None:
    assert unreadable("first\nsecond\tthird", lines=True) is None
    assert unreadable("first\nsecond") is not None
    assert unreadable("ok \u2764\ufe0f \U0001f469\u200d\u2695\ufe0f", lines=True) is None


def test_every_reason_that_a_verb_takes_is_read_by_the_one_rule() -> None:
    taking = [verb for verb, (model, _, _) in VERBS.items() if "reason" in model.model_fields]
    assert set(taking) == set(VERBS)
    for model in {model for model, _, _ in VERBS.values()}:
        with pytest.raises(ValidationError, match=r"cannot be seen|Field required"):
            model.model_validate({"reason": "\u200b"})


@pytest.mark.parametrize("field", ["name", "patient_id", "issuer", "accession_number"])
@pytest.mark.parametrize(
    "one", ["\u200b", "\u2060", "\ufeff", "\u00a0", "\u202e", "\x00"], ids=lambda one: f"U+{ord(one):04X}"
)
async def test_an_identity_with_such_a_character_is_refused_and_its_value_not_shown(
    tmp_path: Path, field: str, one: str
) -> None:
    told: dict[str, Any] = {"name": "Secret^Person", "patient_id": "SIM-77", field: f"Se{one}cret"}
    with pytest.raises(RefusedError, match=f"patient {field}: holds a") as why:
        await World(tmp_path).ask("worklist-add", patient=told, reason="walk-in")
    assert "cret" not in str(why.value)


def test_an_address_that_is_none_is_told_without_a_pattern() -> None:
    with pytest.raises(UsageError, match="entry: is not written as it has to be") as why:
        checked("worklist-entry", {"entry": ".."}, SMITH)
    assert "[a-z" not in str(why.value)
