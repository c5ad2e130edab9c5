"""English phrases that tell an assistant to drop its instructions.

An instruction to *this* assistant is what counts: "its", "their" and "my" between verb and target make it somebody
else's business ("what to say when someone asks it to ignore its instructions", "ignore my previous message").
"""

from plugins.security.phrases.common import INSTRUCTION, NOT_NEGATED, Rows, gap

# English: verbs that leave no doubt may meet any instruction; verbs of everyday work only *your* instructions.
_DROP = (
    r"(?:ignor(?:e|ing)|dis ?regard(?:ing)?|forget(?:ting)?(?: about)?|pay no (?:attention|heed) to|neglect|disobey|"
    r"do(?: not|n'?t) (?:follow|obey|listen to|adhere to)|stop (?:following|obeying)|instead of (?:following|"
    r"obeying)|set aside|put aside|leave behind|"
    r"abandon|dismiss|discard|override|overrule|deviat(?:e|ing) from|throw (?:away|out)|nullify)"
)
_ALTER = (
    r"(?:bypass|circumvent|drop|delete|erase|remove|wipe|cancel|skip|break|violate|change|replace|rewrite|clear|void|"
    r"disable|turn off|get rid of|go against|free yourself from|let go of)"
)
_SCOPE = (
    r"(?:previous(?:ly)?|prior|above|earlier|preceding|foregoing|past|initial|original|existing|current|former|last|"
    r"all|any|your|every|these|those|such|aforementioned|given|system|safety)"
)
_ANSWER = (
    r"(?:say|write|print|output|tell|respond|reply|answer|reveal|show|act|execute|run|repeat|generate|send|give|"
    r"display|return|pretend|translate|compose|state|just|only|simply|instead|listen)"
)

ENGLISH_OVERRIDE: Rows = (
    (
        1.0,
        (
            rf"{NOT_NEGATED}\b{_DROP} (?:all )?(?:of )?(?:the )?(?:previous|prior|above|earlier|preceding) "
            r"(?:information|context|conversation)\b(?! (?:about|on)\b)"
        ),
    ),
    (1.0, rf"\bnone of (?:your|the|these|those) (?:[\w-]{{1,14}} )?{INSTRUCTION} appl(?:y|ies)\b"),
    (
        1.0,
        (
            rf"{NOT_NEGATED}\b{_DROP} (?:that )?you(?:'re| are| were) (?:\w{{1,12}} ){{0,3}}(?:assistant|coach|bot|ai|"
            r"chatbot|interviewer|model)\b"
        ),
    ),
    (1.0, rf"{NOT_NEGATED}\b{_DROP} your (?:[\w-]{{1,14}} )?(?:role|persona|character|identity|purpose)\b"),
    (
        1.0,
        (
            rf"{NOT_NEGATED}\b{_DROP} (?:what|whatever|everything|anything) (?:the |your )?(?:system|developers?|"
            r"prompt|creators?|designers?) (?:said|says|told|tells|wrote|wants)\b"
        ),
    ),
    # "ignore all previous instructions", "disregard the rules you were given"
    (1.0, rf"{NOT_NEGATED}\b{_DROP}(?:{gap(3)})(?:{_SCOPE})(?:{gap(3)})(?:{INSTRUCTION})\b"),
    (
        1.0,
        (
            rf"{NOT_NEGATED}\b{_DROP}{gap(2)}{INSTRUCTION} (?:above|before|given|provided|so far|(?:that )?you|set by|"
            rf"written by)\b"
        ),
    ),
    # "override your safety guidelines", "drop all your instructions"
    (
        1.0,
        (
            rf"{NOT_NEGATED}\b{_ALTER}{gap(3)}your(?: [\w-]{{1,20}}){{0,2}} "
            rf"(?:{INSTRUCTION}|filters?|limitations|constraints)\b"
        ),
    ),
    # "forget everything above", "ignore everything I said before"
    (
        1.0,
        (
            rf"{NOT_NEGATED}\b{_DROP} (?:everything|anything|all|what|whatever)(?: that| of)?(?: the)? "
            r"(?:text |words )?(?:above|before|(?:prior|previous|earlier|preceding)(?! (?!to\b|and\b|then\b|now\b)\w)|"
            r"you(?:'ve| were| have| had)(?: been)? (?:told|given|taught)|"
            r"you(?: have|'ve)? (?:learned|learnt|know)(?! about| of))\b"
        ),
    ),
    (0.6, rf"{NOT_NEGATED}\b{_DROP} everything (?:that )?(?:we|i)(?: have|'ve)? (?:discussed|said|told)\b"),
    (1.0, rf"{NOT_NEGATED}\b{_DROP} everything(?: else)?(?:,|\.| and)(?: \w{{1,8}})?? {_ANSWER}\b"),
    # "ignore the above and say what?"
    (
        1.0,
        (
            rf"{NOT_NEGATED}\b{_DROP} (?:all )?(?:of )?(?:the )?(?:above|previous|preceding)(?: text)?,?(?: and|"
            rf" then|\.) "
            rf"{_ANSWER}\b"
        ),
    ),
    (1.0, r"\b(?:abandon|drop|erase|forget) all (?:of )?your (?:thoughts|memory|knowledge)\b"),
    (
        0.8,
        (
            rf"{NOT_NEGATED}\b{_DROP} (?:all |any )?(?:of )?(?:the )?(?:provided|given|supplied)? ?"
            r"(?:context|articles|documents) ?(?:provided|given|and|,|$)"
        ),
    ),
    (0.7, r"\bdespite (?:what|everything|anything) you(?:'ve| have| were)? ?(?:been )?told\b"),
    # "Now focus on your new task", "new instructions follow", "your instructions are now"
    (0.7, r"\b(?:focus|concentrate) on (?:your|the|this) new (?:task|instruction|assignment)s?\b"),
    (0.7, r"\b(?:here (?:are|come)|now|following are)(?: the| your| some)? new (?:instruction|task|order|rule)s\b"),
    (1.0, r"\byour (?:new )?(?:instruction|task|rule|order|directive)s? (?:are|is) now\b"),
    (1.0, r"\byour (?:new|true|real|actual) (?:instruction|order|rule|directive)s? (?:are|is)\b"),
    (0.5, r"\b(?:additional|updated|revised) (?:system )?instructions?(?: -|:)"),
    (
        1.0,
        (
            r"\b(?:all )?(?:the )?(?:previous|prior|earlier) (?:information|instructions|context)(?: that)?(?: you)?"
            r"(?: have| were)?(?: received| given)? (?:is|are) (?:irrelevant|void|obsolete|no longer valid|cancelled)\b"
        ),
    ),
    (
        1.0,
        (
            r"\b(?:leave|put|keep) all (?:the )?previous (?:information|tasks|instructions)(?: [\w]{1,12}){0,4} "
            r"(?:behind|aside|head)\b"
        ),
    ),
    (
        0.8,
        (
            r"\b(?:remove|clear|delete|erase|wipe) all (?:the )?(?:previous|prior|earlier) "
            r"(?:tasks|instructions|information)(?: [\w]{1,12}){0,3} (?:head|mind|memory)\b"
        ),
    ),
    (
        1.0,
        (
            r"\bthis (?:note|message|instruction|prompt|directive) (?:takes (?:priority|precedence)|supersedes|"
            r"overrides)\b"
        ),
    ),
    (0.6, r"\bi command you\b"),
    (
        1.0,
        (
            rf"\b(?:your|previous|prior|earlier|above)(?: [\w-]{{1,14}}){{0,2}} {INSTRUCTION}(?: above)? (?:no "
            rf"longer apply|"
            r"do(?:es)?(?: not|n't) apply|never existed|(?:have|has) (?:changed|been (?:updated|replaced))|(?:is|"
            r"are) (?:now )?(?:cancell?ed|void|suspended|lifted|disabled|revoked|"
            r"irrelevant))\b"
        ),
    ),
    (1.0, rf"\b{INSTRUCTION} above (?:no longer|do(?: not|n't)) apply\b"),
    (
        1.0,
        (
            rf"\byou (?:do not|don't|no longer|need not)(?: have to| need to)? (?:follow|obey|adhere to|comply with)"
            rf"(?:{gap(2)})(?:your|any|those)(?:{gap(2)}){INSTRUCTION}\b"
        ),
    ),
    (
        1.0,
        (
            rf"{NOT_NEGATED}\b(?:{_ALTER}|{_DROP}) (?:all |any |the |your ){{0,2}}(?:safety|content|ethical|"
            rf"moderation) "
            r"(?:measures|filters|guidelines|restrictions|polic(?:y|ies)|checks)\b"
        ),
    ),
    (1.0, r"(?:^|[.!?>:] ?)new (?:system )?(?:instructions?|directives?)(?: -|:)"),
    (0.6, r"(?:^|[.!?>:] ?)new (?:rules|orders|tasks?)(?: -|:)"),
    (
        1.0,
        (
            r"\b(?:treat|consider|regard)(?: \w{1,14}){1,4} as (?:your |the )?(?:new )?system (?:instructions|prompt|"
            r"message)s?\b"
        ),
    ),
)
