"""Forged message markers, matched on lines with case ignored, and phrases whose word breaks are lost."""

from plugins.security.phrases.common import Rows

FORGERY_LINES: Rows = (
    (1.0, r"end of (?:the )?(?:user )?(?:input|message)\W{1,3}system\s?:"),
    (1.0, r"<\s?<\s?/\s?\w{1,40}[^<>\n]{0,80}>\s?>"),
    (0.8, r"<<\s?(?:job_?description|resume|candidate|message|system|user|assistant)\b[^<>\n]{0,80}>>"),
    (1.0, r"<\|?(?:im_start|start_header_id)\|?>\s{0,2}(?:system|assistant|user|developer)"),
    (0.7, r"<\|(?:im_start|im_end|system|assistant|user|endoftext|start_header_id|eot_id|end)\|>"),
    (0.7, r"<<SYS>>|\[/?INST\]"),
    (1.0, r"(?:\[system\]\s?){2,8}"),
    (0.6, r"\[(?:system|assistant|admin)\] ?[A-Z#:]|\[(?:/system|rest-of-document|end of (?:document|context))\]"),
    (1.0, r"</(?:system|assistant|user)>\s{0,4}<(?:system|assistant)>"),
    (
        0.8,
        (
            r"</(?:system|assistant|instructions?|prompt|user_?input|document|message)>\s{0,4}<?/?(?:system|message|"
            r"\w{1,12})"
        ),
    ),
    (0.8, r"<message\s{1,3}role\s?=\s?[\"']?(?:system|assistant|developer)"),
    (0.7, r"(?m:^)\s{0,4}#{2,6}\s?(?:system ?:|new instructions?\b|system prompt\b|system message\b|override\b)"),
    (
        0.7,
        (
            r"(?m:^)\s{0,4}(?:system|developer)(?: message| prompt| update)?\s?:\s{0,3}(?:you|ignore|new|from now|"
            r"the (?:user|assistant))"
        ),
    ),
    (
        0.7,
        (
            r"(?:---|===|###|\*\*\*)\s?(?:end|start|begin)(?: of)?(?: the)? (?:system|user|prompt|instructions?|"
            r"context)[\w ]{0,20}"
            r"(?:---|===|###|\*\*\*)"
        ),
    ),
    (0.5, r"(?:Human|User):[^\n]{0,20}(?:Human|Assistant):"),
)

LETTERS: Rows = (
    (
        1.0,
        (
            r"(?:ignore|disregard|forget|override|bypass)(?:all|any|the|your|of|these|those|every){0,3}"
            r"(?:previous|prior|above|earlier|preceding|everything|system|safety)?"
            r"(?:instructions?|prompts?|rules|guidelines|directives|restrictions|above|before)"
        ),
    ),
    (
        1.0,
        (
            r"(?:reveal|show|print|output|repeat|display)(?:me)?(?:your|the|all|full|entire){0,2}(?:systemprompt|"
            r"instructions)"
        ),
    ),
    (1.0, r"doanythingnow|youarenowdan"),
    (0.7, r"^say(?:that)?you"),
)
