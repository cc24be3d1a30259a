"""Contact events in words."""

import numpy as np
import pytest

from diffsim.errors import InputError
from diffsim.events import BOUNCES, DEEP, LIFTED, MEETS, RESTS, SLIDES, SLIPS, describe

WORDS = {
    0: "flies",
    MEETS: "lands and sticks",
    MEETS | SLIDES: "lands and slides",
    MEETS | RESTS: "rests",
    MEETS | RESTS | SLIDES: "slides",
    MEETS | BOUNCES: "bounces without sliding",
    MEETS | BOUNCES | SLIDES: "bounces and slides",
    MEETS | DEEP: "lands and sticks, from below the surface",
    MEETS | DEEP | SLIDES: "lands and slides, from below the surface",
    MEETS | DEEP | BOUNCES: "bounces without sliding, from below the surface",
    MEETS | DEEP | BOUNCES | SLIDES: "bounces and slides, from below the surface",
    MEETS | SLIPS: "lands and slips",
    MEETS | SLIPS | SLIDES: "lands and slides, driven",
    MEETS | LIFTED: "is stopped by what lifts it",
    MEETS | LIFTED | SLIDES: "slides and is stopped by what lifts it",
    MEETS | LIFTED | BOUNCES: "lands and is lifted",
    MEETS | LIFTED | BOUNCES | SLIDES: "lands, slides and is lifted",
}
BELOW = ", from below the surface"
WORDS |= {
    code | DEEP: words + BELOW for code, words in WORDS.items() if code & SLIPS or (code & LIFTED and code & BOUNCES)
}


@pytest.mark.parametrize("code", range(-1, 130))
def test_every_possible_event_has_words_of_its_own(code):
    if code in WORDS:
        assert describe(code) == describe(float(code)) == describe(np.float32(code)) == WORDS[code]
    else:
        with pytest.raises(InputError, match=f"{code} is no contact event; it must be 0 or a sum of the flags"):
            describe(code)


@pytest.mark.parametrize("code", [0.5, np.nan, np.inf])
def test_a_fraction_is_no_event(code):
    with pytest.raises(InputError, match="no contact event"):
        describe(code)
