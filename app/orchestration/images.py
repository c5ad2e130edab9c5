"""Pictures taken out of what models write. One rule, for the reply as it streams and for every text of a question."""


def without_images(text: str, *, after: str = "") -> str:
    """The text with no picture in it, which a page would load by itself and so tell whoever serves it what it likes.

    A space parts each exclamation mark from a bracket that follows: a picture becomes a link, a sentence such as
    "Great! [1]" and code stay readable, and nothing that comes later, as the address does, can undo it. `after` is the
    text before, which may end in the mark.
    """
    is_parted = after.endswith("!") and text.startswith("[")
    return f"{' ' * is_parted}{text}".replace("![", "! [")
