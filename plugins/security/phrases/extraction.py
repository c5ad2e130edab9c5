"""Phrases that ask an assistant for its own prompt, instructions or secrets.

Prompt engineering is a trade people are interviewed about: a prompt somebody "wrote", "designed" or uses "for a" bot
is a topic, not a target.
"""

from plugins.security.phrases.common import INSTRUCTION, NOT_NEGATED, Rows, gap

_SHOW = (
    r"(?:show|reveal|print|output|display|repeat|give|tell|share|dump|leak|expose|write(?: out)?|return|send|provide|"
    r"list|recite|encode|translate|paraphrase|summari[sz]e|copy|paste|quote|spell out|disclose|"
    r"(?:i|we) (?:need|want|have|would like) to (?:see|read)|let me see|type out|state|what(?: is|'s| are| were)|log)"
)
_PROMPT = (
    r"(?:system ?_?prompt|system (?:message|instructions?|configuration)|(?:initial|original|hidden|starting|secret|"
    r"internal|base|pre-?|meta ?|developer|first) ?(?:prompt|instructions?|message)|prompt[ -]?texts?|"
    r"initiali[sz]ation (?:string|prompt)|(?:full|whole|entire|complete) prompt)"
)
_NOT_CRAFT = (
    r"(?! (?:you|i|we|they|he|she)(?:'d|'ve| would| have| had)? (?:wrote|written|designed?|built|shipped|used?|made|"
    r"maintained|own|prefer|like)|"
    r" (?:for (?:an?|our|my|their|your)|behind|design|engineering|injection|leak|versioning|works?|is for|template|"
    r"patterns?|format|techniques?|length|size)\b)"
)
EXTRACTION: Rows = (
    (1.0, r"\b(?:repeat|output|print|copy|show)(?: me)? (?:all|everything) before this (?:line|message|point)\b"),
    (1.0, r"\b(?:text|contents?|wording) of your (?:system |initial |own )?(?:prompt|instructions|message)\b"),
    (1.0, r"\bwhat (?:do|does) your (?:system |initial )?(?:prompt|instructions?) (?:look|say|contain|include|tell)\b"),
    (1.0, rf"\bwhat {INSTRUCTION} (?:did|have|were) (?:your|the) (?:developers?|creators?|designers?|makers)\b"),
    (1.0, r"\b(?:repeat|output|print|copy) the (?:above|previous|preceding) (?:text|prompt|words|messages?|context)\b"),
    (
        1.0,
        (
            rf"{NOT_NEGATED}\b{_SHOW}(?: me| us)?{gap(5)}(?:your|the|this|its|whole|entire|full|all|"
            rf"everything in the) ?"
            rf"(?:[\w-]{{1,20}} ){{0,2}}{_PROMPT}s?\b{_NOT_CRAFT}"
        ),
    ),
    (
        1.0,
        (
            rf"{NOT_NEGATED}\b(?:show|reveal|print|output|display|repeat|tell(?: me| us)?|share|dump|leak|expose|"
            rf"disclose|recite|translate|what(?: are|'re| were))(?: me| us)?{gap(4)}your (?:own |exact |full |"
            rf"current )?"
            r"(?:instructions|prompts?|guidelines|directives)\b(?! (?:for|on|about|to|when)\b)"
        ),
    ),
    (
        1.0,
        (
            rf"\b(?:give|provide|write|copy|type|quote|summari[sz]e|list|describe|paraphrase|send)(?: me|"
            rf" us)?{gap(4)}your (?:own |"
            rf"exact |full "
            r"|current )?(?:instructions|prompt)\b(?! (?:for|on|about|to|when)\b)"
        ),
    ),
    (
        1.0,
        (
            r"\b(?:show|reveal|print|output|display|dump|leak|expose)(?: me)? (?:all )?(?:the |your )?(?:hidden|secret|"
            r"internal|confidential|system|initial) (?:prompts?|instructions?|rules|directives?)\b"
        ),
    ),
    (
        0.8,
        (
            r"\b(?:show|reveal|print|output|display|dump|leak|expose)(?: me)? (?:hidden|secret|internal|confidential|"
            r"system) configuration\b"
        ),
    ),
    (1.0, r"\bwhat (?:\w{1,12} )?(?:instructions|rules|prompt|directives) (?:were|have|did) you\b"),
    (
        1.0,
        (
            r"\b(?:cual es|cuales son|quel est|quelles sont|qual e|quais sao|wie lautet|wie lauten|was ist|was sind|"
            r"какои|"
            r"какие)(?: \w{1,5})? (?:tu|tus|ton|tes|teu|seu|suas|il tuo|dein|deine|твои|ваш)[^.!?]{0,20} ?"
            r"(?:prompt|instrucciones|consignes|instructions|instrucoes|anweisungen|промпт|инструкци)"
        ),
    ),
    (
        1.0,
        (
            r"\b(?:encode|first|base64|rot13|reverse|translate)[^.!?]{0,50} your (?:own )?(?:\w{1,12} )?"
            r"(?:prompt|instructions)\b"
        ),
    ),
    (
        1.0,
        (
            r"\b(?:repeat|output|print|copy|show|return|recite|translate|write out|encode)(?: me|"
            r" us)?(?: all)?(?: of)? "
            r"(?:the )?(?:entire |full |whole |exact )?(?:text|words?|messages?|conversation|sentences?|contents?|"
            r"lines?)"
            r"(?: that (?:is|was|are|were)| written)? (?:above(?! the\b)|before this|in (?:the|"
            r"your) (?:system )?prompt|"
            r"(?:that )?you were given)\b"
        ),
    ),
    (0.7, r"\b(?:repeat|output|print|copy|show|return|recite|write out)(?: me)? (?:all|everything) (?:above|before)\b"),
    (0.5, r"\bverbatim\b|\bword for word\b|\bin (?:a )?(?:txt )?code ?block\b|\bbefore this (?:line|message|point)\b"),
    (1.0, r"\brepeat (?:this|the) (?:entire|whole|full) conversation\b"),
    (
        1.0,
        (
            r"\bwhat (?:was|is|were)(?: the)? (?:\w{1,12} ){0,2}?(?:written|said|told|stated) "
            r"(?:above|before this|at the (?:beginning|start|top) of (?:this|the|your) (?:prompt|conversation|chat|"
            r"context))\b"
        ),
    ),
    (1.0, r"\b(?:beginning|start|top) of (?:this|the|your) (?:prompt|system message)\b"),
    (1.0, r"\bwhat (?:were|have|had) you (?:been )?(?:told|instructed|given|prompted)\b(?! about\b)"),
    (
        1.0,
        (
            r"\b(?:text|instructions|prompt|message|words|rules) (?:that )?you(?:'ve| have)? (?:were|"
            r"been) (?:initially |originally |first )?"
            r"(?:given|told|sent|shown)\b"
        ),
    ),
    (1.0, r"\bwhat are the \w{1,6} (?:sentences|words|lines) before\b"),
    (
        1.0,
        (
            r"\bwhat (?:are|were) those instructions\b|\bwhat are you not (?:supposed|allowed) to (?:tell|say|reveal|"
            r"share)\b"
        ),
    ),
    (
        1.0,
        (
            r"['\"](?:my|the) (?:system )?(?:instructions|prompt|rules) (?:are|is|say):?|"
            r"['\"]i was (?:instructed|told|prompted) to"
        ),
    ),
    (1.0, r"\b(?:also )?(?:use )?(?:the )?information in the prompt to answer\b"),
    (1.0, r"\b(?:console\.log|print|echo|alert)\(? ?[\"']?(?:system_?prompt|system_?message)\b|<system_?prompt>"),
    (
        0.8,
        (
            r"\b(?:show|print|output|display|dump)(?: me)?(?: the)? (?:system configuration|"
            r"environment variables|configuration files)\b"
        ),
    ),
    (1.0, r"\b(?:show|print|output|display|dump)(?: me)?(?: the| your)? initiali[sz]ation (?:string|prompt)\b"),
    (
        0.5,
        (
            r"\b(?:reveal|send|leak|exfiltrate|dump|print)(?: \w{1,12}){0,3} (?:secrets|api keys?|credentials|"
            r"passwords?)\b"
        ),
    ),
    (
        0.8,
        (
            r"\b(?:send|forward|upload|email) (?:the|this|all) (?:files?|data|secrets)(?: \w{1,12}){0,2} "
            r"(?:attacker|external server)\b"
        ),
    ),
    (0.8, r"\b(?:show|display)(?:ing)? (?:me )?all (?:your |the )?prompt\b"),
    # German, Romance, Russian
    (
        1.0,
        (
            r"\b(?:zeig\w{0,3}|gib|geben sie|nenn\w{0,3}|verrat\w{0,3}|wiederhol\w{0,3}|vorzeigen|drucke?)[^.!?]{0,40}?"
            r"(?:system-?prompts?|prompt-?text\w{0,2}|kopie des|deine[nr]? (?:anweisung|instruktion)\w{0,3}|"
            r"ihre anweisungen)"
        ),
    ),
    (1.0, r"\b(?:vorzeigen samtlicher|samtliche) prompt"),
    (
        1.0,
        (
            r"\b(?:muestra|muestrame|revela|revele|imprime|dime|mostra|mostre|rivela|stampa|affiche|montre|revele[sz]?|"
            r"donne|dis)[^.!?]{0,30}?(?:prompt (?:del?|do|di) sistema|prompt (?:du )?systeme|prompt de sistema|"
            r"(?:tus|tes|vos|tuas|suas|tue) (?:instrucciones|instructions|instrucoes|istruzioni)|segredos|secretos)"
        ),
    ),
    (
        1.0,
        (
            r"(?:раскро\w{1,3}|покаж\w{1,3}|выведи\w{0,3})[^.!?]{0,30}?(?:системн\w{1,3} (?:промпт|подсказ)\w{0,3}|"
            r"инструкци)"
        ),
    ),
    (1.0, r"(?:泄露|显示|输出|透露|告诉我|公开|重复)[^。.!?]{0,8}(?:系统提示|提示词|系统指令|初始指令|系统消息)"),
    (1.0, r"(?:システムプロンプト|初期指示|内部指示)[^。.!?]{0,6}(?:表示|教え|出力|見せ|公開|明か)"),
    (1.0, r"시스템 ?프롬프트[^.!?]{0,10}(?:보여|알려|출력|공개|표시)"),
)
