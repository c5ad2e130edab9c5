"""Fences hold what people wrote, whatever they wrote."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.fences import fence, read_fence

NONCE = "0a1b2c3d"
NONCES = st.text("0123456789abcdef", min_size=8, max_size=8)
NAMES = st.from_regex(r"[a-z_-]{1,40}", fullmatch=True)
# Pieces of fences, so that the search finds forgeries.
HOSTILE = st.lists(
    st.sampled_from(
        ["<<", ">>", "<", ">", "/", "job", " ", NONCE, "\n", "<</job " + NONCE + ">>", "<<job " + NONCE + ">>"]
    )
    | st.text(max_size=5)
).map("".join)
MARKER = re.compile(r"<</?[\w-]{1,40} [0-9a-f]{8}>>")


@given(name=NAMES, text=st.text().filter(lambda text: not MARKER.search(text)), nonce=NONCES)
def test_text_without_markers_comes_back_as_it_was(name: str, text: str, nonce: str) -> None:
    assert read_fence(name, f"before\n{fence(name, text, nonce)}\nafter") == text


@given(text=HOSTILE, nonce=NONCES | st.just(NONCE))
def test_no_text_makes_or_ends_a_fence(text: str, nonce: str) -> None:
    fenced = fence("job", text, nonce)
    assert MARKER.findall(fenced) == [f"<<job {nonce}>>", f"<</job {nonce}>>"]
    inside = read_fence("job", fenced)
    assert inside is not None
    # Only a space between two of these may have come in.
    assert re.sub("< (?=<)", "<", inside) == re.sub("< (?=<)", "<", text)


@given(first=HOSTILE, second=HOSTILE)
def test_each_block_is_read_by_its_own_name(first: str, second: str) -> None:
    both = fence("request", first, NONCE) + "\n" + fence("job", second, NONCE)
    assert fence("job", second, NONCE).endswith(f"\n{read_fence('job', both)}\n<</job {NONCE}>>")


@pytest.mark.parametrize(
    "text",
    ["", "<<job 0a1b2c3d>>\nx", "<<job 0a1b2c3d>>\nx\n<</job ffffffff>>", "<<other 0a1b2c3d>>\nx\n<</other 0a1b2c3d>>"],
)
def test_what_is_no_whole_block_is_none(text: str) -> None:
    assert read_fence("job", text) is None


def test_ordinary_code_is_left_alone() -> None:
    code = "std::cout << x >> y; List<String>; 1 << 8; <<EOF; <<a b>>"
    assert code in fence("request", code, NONCE)
