"""The garbage protocol, explored exhaustively: nothing is lost by its rules, and each of its rules is needed."""

from __future__ import annotations

import pytest
from tests.protocol.model import explore
from tests.protocol.scenarios import LONG, NEEDED, REPLAYED, SAFE, without
from tests.support.depth import DEEP

SLOW = {"two symmetric writers"}  # a third of what all the others take together
WORLDS = SAFE | LONG if DEEP else {world: SAFE[world] for world in SAFE if world not in SLOW}  # the long ones: minutes


@pytest.mark.long
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.every(3)
def test_the_rules_lose_nothing(world: str) -> None:
    """In no interleaving of writers, collectors and purges does a run refer to a pack that is gone."""
    found = explore(WORLDS[world], limit=4_000_000)
    assert (found.lost, found.trace) == ("", [])
    print(f"protocol: {found.states} states, {world}")


@pytest.mark.parametrize("rule", [rule for rule in NEEDED if rule not in REPLAYED])
def test_each_rule_is_needed(rule: str) -> None:
    """Without it there is a shortest way to a loss; those of the other rules are played with the real code."""
    found = explore(without(rule))
    print(f"protocol: without {rule}, {NEEDED[rule][0]}: {len(found.trace)} steps: {'; '.join(found.trace)}")
    assert found.lost
