"""Phrases that make an assistant leave its role, speak dictated words or obey notes left for machines.

Playing an interviewer is what this service is for; playing something without rules is not.
"""

from plugins.security.phrases.common import Rows

_PERSONA = (
    r"(?:you are|you're|you(?: now| will| shall)? have|act|acts|"
    r"behave|pretend|respond|answer|become|simulate|role-?play(?:ing)?|imagine)"
)
_LAWLESS = (
    r"(?:(?:no|without(?: any)?|free (?:of|from)|not bound by|ignores? all|unbound by) (?:\w{1,14} ){0,2}"
    r"(?:restrictions|filters(?! in\b)|rules|guidelines|limits(?! on\b)|limitations|ethics|morals|censorship|"
    r"safeguards|"
    r"content polic(?:y|ies)))"
)
ROLE_ESCAPE: Rows = (
    (1.0, r"\bdo anything now\b|\bdan mode\b|\bjailbroken\b|\bact as dan\b|\bstay in dan\b"),
    (0.6, r"\byou (?:are|will be) (?:now )?dan\b"),
    (1.0, rf"\b{_PERSONA}\b[^.!?]{{0,120}}{_LAWLESS}"),
    (
        0.6,
        (
            rf"\b(?:assistant|ai|chatbot|model|version|mode|answers?|respond) (?:that |which |who |with |has |"
            rf"have )?{_LAWLESS}"
        ),
    ),
    (
        1.0,
        (
            r"\b(?:pretend|imagine|act|you are)\b[^.!?]{0,40}\b(?:evil|unfiltered|uncensored|unrestricted|immoral|"
            r"amoral|unethical|malicious) (?:ai|assistant|chatbot|model|bot|language model)\b"
        ),
    ),
    (1.0, r"\b(?:completely |totally )?(?:immoral|amoral|unethical) and will (?:generate|answer|do|say)\b"),
    (
        1.0,
        (
            r"\b(?:enable|enter|activate|switch to|you are (?:now )?in|simulate)(?: \w{1,12}){0,2} "
            r"(?:developer|debug|maintenance|god|sudo|root|admin|jailbreak|unrestricted|opposite) mode\b"
        ),
    ),
    (1.0, r"\b(?:administrator|admin|developer|system|root|sudo) override\b[:.,! ]"),
    (0.6, r"\bno programming guidelines\b|\bhas no (?:ethical|moral) guidelines\b"),
    (0.4, r"\b(?:from now on|from this moment)(?: on)?,? you (?:are|will|must|shall)\b"),
    (
        0.6,
        (
            r"\b(?:act as|you are|fungiere als|als) (?:an? )?(?:linux|bash|unix|python|sql|javascript|windows)?-? ?"
            r"(?:terminal|interpreter|shell|console)\b(?! (?:developer|engineer|operator|manager))"
        ),
    ),
    (0.5, r"\b(?:execute|run) the following (?:command|code|script)s?\b"),
    (0.5, r"\b(?:reply|antworten|respond) (?:only )?(?:with|mit) (?:the )?terminal ?(?:output|ausgabe)\b"),
    (1.0, r"\bbose (?:ki|ai)\b"),
    (
        0.6,
        (
            r"\b(?:never|not|ohne|without)[^.!?]{0,16} (?:break(?:ing)? character|falling out of (?:the|"
            r"their) (?:figure|role)|"
            r"aus der (?:figur|rolle) (?:zu )?fallen)\b"
        ),
    ),
)

OUTPUT_FORCING: Rows = (
    (
        1.0,
        (
            r"\bdo(?: not|n'?t) (?:answer|respond)[^.!?]{0,60}\b(?:but|and|instead|just)\b[^.!?]{0,12}\b"
            r"(?:output|say|print|write|tell)\b"
        ),
    ),
    (1.0, r"\bdo(?: not|n'?t) look (?:in|at) the documents\b"),
    (
        0.6,
        (
            r"\b(?:instead|and|but)(?: of that)? (?:just |only |simply )?(?:say|print|output|"
            r"write)(?: the following)?:? ?[\"']"
        ),
    ),
    (1.0, r"(?:^|[.?!] )(?:please )?stop(?: -|:) ?(?:write|say|print|output)\b"),
    (0.7, r"\brepeat after me\b"),
    (0.6, r"\b(?:every time|whenever) you (?:get|receive|see|are asked)[^.!?]{0,40}\b(?:answer|respond|reply|say)\b"),
    (0.8, r"\bor (?:else )?you (?:will )?die\b|\boder du stirbst\b"),
    (0.6, r"\b(?:you may not|must not|never) deviate\b"),
    (0.7, r"\bsimply respond with\b"),
)

_MACHINE = (
    r"(?:ai|a\.i\.|llms?|language models?|chatbots?|gpt|chatgpt|automated (?:analysis|screening|assistants?|reviewers?|"
    r"systems?|agents?)|ai (?:systems?|models?|assistants?|agents?|tools?|reviewers?|screeners?))"
)
ADDRESSED_TO_AI: Rows = (
    (
        1.0,
        (
            rf"\b(?:note|message|instructions?|attention|notice) (?:to|for) (?:all |any |the )?{_MACHINE}"
            r"(?: (?:systems?|models?|tools?|software|assistants?|agents?|readers?|reviewers?)){0,2}:"
        ),
    ),
    (0.8, rf"\bif you(?:'re| are) an? {_MACHINE}\b"),
    (
        0.8,
        (
            rf"\b(?:any|every|all) {_MACHINE}(?: \w{{1,14}}){{0,8}} (?:must|should|shall|has to) "
            r"(?:open|begin|start|include|output|respond|reply|rate|recommend|say|write|work|mention|print|insert|"
            r"add)\b"
        ),
    ),
    (1.0, r"\bset aside the task you were given\b|\b(?:print|output) the (?:full )?text of your own instructions\b"),
    (1.0, r"\boverride (?:manual|all|any|the) (?:scor|evaluat|review|rat)ing\b"),
    (1.0, r"\bignore (?:all|any) negative\b|\bdo(?: not|n'?t) evaluate the candidate\b"),
    (0.6, r"\bsystem chain of thought\b|\buse this analysis to evaluate the candidate\b"),
    (0.4, r"\b(?:report|output): the candidate is\b"),
)
