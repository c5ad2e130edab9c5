"""Markdown that a model wrote, as HTML that can do nothing: no tag of its own, no picture, links to the web only."""

import re
from collections.abc import MutableMapping, Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

LINK_TARGET = re.compile(r"(?:https?://|mailto:)[^\s\\]+", re.IGNORECASE)
"""Whole addresses only: `//host` and `/path` would be taken relative to wherever the page is opened."""

REL = "noopener noreferrer nofollow"
_TURNED_OFF = ("html_block", "html_inline", "image", "heading", "lheading", "hr", "reference")
"""HTML and pictures; what would break the page's outline; link targets that stand apart from their link."""


def safe_markdown() -> MarkdownIt:
    """A renderer with these limits. HTML and whatever else is turned off comes out as text."""
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(["table", "strikethrough"])
    parser.disable(_TURNED_OFF)
    parser.validateLink = _is_link_target  # type: ignore[method-assign, assignment]  # the documented way to set it
    parser.add_render_rule("link_open", _link_open)
    return parser


def _is_link_target(address: str) -> bool:
    return LINK_TARGET.fullmatch(address) is not None


def _link_open(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, _env: MutableMapping[str, Any]
) -> str:
    if tokens[index].attrGet("href"):
        tokens[index].attrSet("rel", REL)
    else:
        tokens[index].attrs = {}  # `[x]()`: nobody asked whether nothing is a target.
    return renderer.renderToken(tokens, index, options, _env)
