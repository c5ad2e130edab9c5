"""Texts that are read in one pass are read as if each stood alone: nothing reaches from one into the next."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from plugins.security.model import sentences, stretches
from plugins.security.ngrams import Features, features, features_of
from plugins.security.tokens import cut, joined

TEXTS = st.lists(
    st.text(max_size=60) | st.text(alphabet="abi1!'\". \n忽略\u0430", max_size=60),
    min_size=1,
    max_size=5,
)


def features_by_text(found: Features) -> dict[int, list[tuple[int, int]]]:
    """Return place and owner of each feature of each text, owners counted from the first token of the text."""
    texts = found.tokens.texts
    by_text: dict[int, list[tuple[int, int]]] = {}
    for place, owner in sorted(zip(found.table_places.tolist(), found.owners.tolist(), strict=True)):
        first = int(np.searchsorted(texts, texts[owner]))
        by_text.setdefault(int(texts[owner]), []).append((place, owner - first))
    return by_text


def windows_by_text(found: Features) -> dict[int, list[tuple[int, int]]]:
    """Return the windows of each text as places in it."""
    tokens, kinds = found.tokens, (stretches(found), sentences(found))
    by_text: dict[int, list[tuple[int, int]]] = {}
    for first, end in (
        (*pair,) for spans in kinds for pair in zip(spans.first.tolist(), spans.end.tolist(), strict=True)
    ):
        assert tokens.texts[first] == tokens.texts[end - 1]
        place = (int(tokens.starts[first]), int(tokens.ends[end - 1]))
        by_text.setdefault(int(tokens.texts[first]), []).append(place)
    return by_text


@given(TEXTS)
@example(["a", "", "b"])
@example(["it's ", " 'tis", "!"])
def test_texts_have_the_features_and_windows_that_they_have_alone(texts: list[str]) -> None:
    together = features_of(cut(*texts))
    alone = [features(text) for text in texts]
    assert features_by_text(together) == {
        number: features_by_text(found)[0] for number, found in enumerate(alone) if len(found.owners)
    }
    assert windows_by_text(together) == {
        number: windows_by_text(found)[0] for number, found in enumerate(alone) if len(found.owners)
    }


@given(TEXTS, TEXTS, TEXTS)
def test_cuts_that_are_joined_are_those_of_all_texts(first: list[str], second: list[str], third: list[str]) -> None:
    parts = features_of(joined([cut(*first), cut(*second), cut(*third)]))
    whole = features_of(cut(*first, *second, *third))
    assert features_by_text(parts) == features_by_text(whole)
    assert windows_by_text(parts) == windows_by_text(whole)
