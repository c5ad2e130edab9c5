"""The HTML page shows what people and models wrote, and nothing of it runs, loads or leads anywhere but to the web."""

import base64
import hashlib
import re
from xml.etree.ElementTree import Element

import html5lib
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.exports.as_html import as_html
from app.exports.rendering import LINK_TARGET, REL, safe_markdown
from tests.exports.documents import HOSTILE, SCRIPTS, document, filled_with, full_question, hostile_document

TEXT_TAGS = {"p", "br", "strong", "em", "s", "code", "pre", "ul", "ol", "li", "blockquote", "a"} | {
    *("table", "thead", "tbody", "tr", "th", "td"),
}
PAGE_TAGS = TEXT_TAGS | {"html", "head", "meta", "title", "style", "body", "main", "section", "h1", "h2", "h3", "div"}
ATTRIBUTES = {
    "a": {"href", "rel", "title"},
    "code": {"class"},
    "ol": {"start"},
    "td": {"style"},
    "th": {"style"},
    "p": {"class", "lang", "dir"},
    "div": {"class", "lang", "dir"},
    "html": {"lang"},
    "meta": {"charset", "name", "content", "http-equiv"},
}


def elements(html: str) -> list[Element]:
    """Every element, as a browser would find them."""
    page: Element = html5lib.parse(html, namespaceHTMLElements=False)
    return [element for element in page.iter() if not callable(element.tag)]  # A comment's is a function.


def shown(html: str) -> str:
    """The text of the page."""
    page: Element = html5lib.parse(html, namespaceHTMLElements=False)
    return "".join(page.itertext())


def check_inert(html: str, tags: set[str]) -> None:
    for element in elements(html):
        assert element.tag in tags
        assert set(element.attrib) <= ATTRIBUTES.get(element.tag, set())
        if element.tag == "a" and element.attrib:
            assert LINK_TARGET.fullmatch(element.attrib["href"])
            assert element.attrib["rel"] == REL


def rendered(markdown: str) -> str:
    html: str = safe_markdown().render(markdown)
    return html


ADDRESSES = (
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "&#106;avascript:alert(1)",
    "&#x6A;avascript&colon;alert(1)",
    "javascript&#58;alert(1)",
    "%6aavascript:alert(1)",
    "\u0001javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "data:image/png;base64,AAAA",
    "data:image/svg+xml,<svg onload=alert(1)>",
    "vbscript:msgbox(1)",
    "file:///etc/passwd",
    "ftp://evil.example/x",
    "blob:https://evil.example/1",
    "view-source:https://evil.example",
    "//evil.example/x",
    "\\\\evil.example\\x",
    "/relative",
    "relative",
    "#fragment",
    "https:evil",
    "http:\\\\evil",
    "",
)


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(
    "form", ["[x]({})", "[x](<{}>)", "<{}>", "[x][1]\n\n[1]: {}", "[x]\n\n[x]: {}", "![x]({})", '[x]({} "t")', "{}"]
)
def test_no_address_but_those_of_the_web_becomes_a_link(address: str, form: str) -> None:
    html = rendered(form.format(address))

    assert [element for element in elements(html) if element.tag == "img" or "href" in element.attrib] == []
    check_inert(html, TEXT_TAGS | {"html", "head", "body"})


@pytest.mark.parametrize(
    ("markdown", "address"),
    [
        ("[docs](https://docs.example/a?b=c&d=e)", "https://docs.example/a?b=c&d=e"),
        ("[docs](HTTP://docs.example)", "HTTP://docs.example"),
        ("<https://docs.example>", "https://docs.example"),
        ("<hr@docs.example>", "mailto:hr@docs.example"),
        ("[mail](mailto:hr@docs.example)", "mailto:hr@docs.example"),
        ("![picture](https://evil.example/?data=1)", "https://evil.example/?data=1"),
        ("[![a](https://evil.example/1)](https://evil.example/2)", "https://evil.example/1"),
    ],
)
def test_links_to_the_web_stay_and_pictures_are_links(markdown: str, address: str) -> None:
    html = rendered(markdown)
    (link,) = [element for element in elements(html) if element.tag == "a"]

    assert link.attrib == {"href": address, "rel": REL}
    check_inert(html, TEXT_TAGS | {"html", "head", "body"})


@pytest.mark.parametrize(
    "html",
    [
        "<img src=x onerror=alert(1)>",
        "<svg onload=alert(1)>",
        "<script>alert(1)</script>",
        "<iframe src=https://evil.example></iframe>",
        "<style>@import 'https://evil.example'</style>",
        "<a href='javascript:alert(1)' onclick=alert(1)>x</a>",
        "<base href=https://evil.example>",
        "<meta http-equiv=refresh content='0;url=https://evil.example'>",
        "</div></section></main><form action=https://evil.example><input>",
        "<!-- comment --><![CDATA[x]]><?php x ?>",
        "`<b>` and\n\n```html\n<script>alert(1)</script>\n```",
    ],
)
def test_tags_are_text(html: str) -> None:
    assert "".join(shown(rendered(html)).split()) == re.sub(r"\s|`(?:``html|``)?", "", html)
    check_inert(rendered(html), TEXT_TAGS | {"html", "head", "body"})


@given(
    markdown=st.one_of(
        st.text(),
        st.text(alphabet="[]()<>!`\"'&#:;/\\ \n\taj*_~|-=.@x0", max_size=80),
        st.lists(st.sampled_from([*ADDRESSES, *HOSTILE, "[", "](", ")", "<", ">", "![", "\n", "`", "|"])).map("".join),
    )
)
@example(markdown='```x" onload=alert(1)\n```')
@example(markdown='[x](https://a.example "\\" onclick=\\"alert(1)")')
def test_no_text_becomes_anything_but_text_and_safe_links(markdown: str) -> None:
    check_inert(rendered(markdown), TEXT_TAGS | {"html", "head", "body"})


def test_hostile_text_in_every_field_leaves_the_page_inert() -> None:
    page = as_html(hostile_document()).decode()

    check_inert(page, PAGE_TAGS)
    sections = [element for element in elements(page) if element.tag == "section"]
    assert len(sections) == len(HOSTILE) + 1


def test_the_page_names_its_only_style_sheet_and_allows_nothing_else() -> None:
    page = as_html(document(full_question())).decode()
    found = {element.attrib.get("http-equiv"): element.attrib.get("content") for element in elements(page)}
    (style,) = [element.text or "" for element in elements(page) if element.tag == "style"]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

    assert found["Content-Security-Policy"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert not re.search(r"url\(|@import|<script|\son\w+=", page)
    assert page.index("Content-Security-Policy") < page.index("<style>")


def test_every_script_reads_as_it_was_written_in_its_own_direction() -> None:
    questions = [filled_with(text, position) for position, text in enumerate(SCRIPTS.values(), 1)]
    page = as_html(document(*questions)).decode()
    texts = [element for element in elements(page) if element.attrib.get("class") == "text question"]

    assert ["".join(element.itertext()) for element in texts] == list(SCRIPTS.values())
    assert all(element.attrib["dir"] == "auto" and element.attrib["lang"] == "" for element in texts)


def test_code_and_lists_look_like_what_they_are() -> None:
    page = as_html(
        document(full_question(text="Why is `a < b` slow?\n\n- one\n- `two`\n\n```python\nx = 1\n```"))
    ).decode()

    assert "<code>a &lt; b</code>" in page
    assert "<li>one</li>" in page
    assert '<pre><code class="language-python">x = 1' in page
