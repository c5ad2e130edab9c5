"""Override phrases in languages other than English: stems, so that a language is one entry."""

from plugins.security.phrases.common import Rows

# Other languages: stems of (verb, scope, instruction). The scope ("all", "previous", "your") must stand near the other
# two, because adverts do say "forget rigid rules".
_VERB_FIRST: tuple[tuple[str, str, str], ...] = (
    # German
    (
        (
            r"(?:vergiss|vergesst|vergessen sie|ignorier(?:e|en)?|missacht(?:e|et|en)|verwirf|verwerfen sie|"
            r"uberschreib(?:e|en)?|umgeh(?:e|en)?|abweichend|befolge nicht)"
        ),
        (
            r"(?:alle[rsn]?|obige[nr]?|vorherige[nr]?|bisherige[nr]?|vorangehende[nr]?|vorangegangene[nr]?|vorige[nr]?|"
            r"fruhere[nr]?|deine[nr]?|ihre[nr]?|vorher|davor|zuvor)"
        ),
        (
            r"(?:anweisung(?:en)?|instruktion(?:en)?|befehle?n?|auftrag|auftrage|aufgaben|vorgaben|angaben|regeln|"
            r"richtlinien|anordnung(?:en)?|ausfuhrungen|informationen|alles (?:davor|gesagte|vorherige|bisherige)|"
            r"system-?prompts?)"
        ),
    ),
    # Spanish, Portuguese, Italian, French
    (
        (
            r"(?:ignor(?:a|e|ad|en|ar|ate|er|ez|i)|olvid(?:a|e|ad|ar|en)|desconsider(?:a|e)|desobedece|esquece?a?|"
            r"dimentica(?:re)?|trascura|scorda|oublie(?:z|r)?|neglige(?:z|r)?|caso omiso|no sigas|desatiende|"
            r"passe outre|"
            r"ne suis pas|nao siga)"
        ),
        (
            r"(?:tod[ao]s?|anterior(?:es|i|mente)?|previas?|precedent[ei]s?|anterieure?s?|toutes?|tous|tutt[eio]|"
            r"tus|sus|"
            r"tes|vos|tuas|suas|tue|antes|ci-dessus|sopra|acima)"
        ),
        (
            r"(?:instruccion(?:es)?|indicaciones|ordenes|reglas|directrices|todo (?:lo |o )?(?:anterior|que)|"
            r"instrucoes|"
            r"regras|ordens|comandos|tudo (?:o )?(?:que|acima)|istruzioni|indicazioni|regole|comandi|ordini|direttive|"
            r"tutto (?:cio|quello)|instructions|consignes|directives|regles|ordres|tout ce qui precede)"
        ),
    ),
    # Russian, Ukrainian, Bulgarian
    (
        r"(?:(?:про)?игнориру\w{1,4}|ігноруи\w{0,3}|забудь\w{0,3}|забуди|отбрось\w{0,3}|не следуи\w{0,3})",
        (
            r"(?:все|всі|всички|предыдущ\w{1,3}|прошл\w{1,3}|прежн\w{1,3}|попередн\w{1,3}|предишн\w{1,3}|свои|твои|"
            r"ваши|"
            r"выше)"
        ),
        (
            r"(?:инструкци\w{1,4}|інструкці\w{1,3}|указани\w{1,3}|вказівк\w{1,3}|команд\w{1,3}|правил\w{0,3}|"
            r"промпт\w{0,3})"
        ),
    ),
    # Polish, Czech, Croatian, Serbian
    (
        (
            r"(?:zignoruj|pomin|ignoruj\w{0,3}|zapomnij\w{0,3}|zapomen\w{0,3}|zaboravi\w{0,3}|ignorir(?:aj|ajte)|"
            r"zanemari\w{0,2})"
        ),
        (
            r"(?:wszystk\w{1,4}|poprzedni\w{1,3}|wczesniejsz\w{1,3}|swoje|twoje|vsechny|predchozi\w{0,2}|sve|"
            r"prethodn\w{1,3}|"
            r"svoje|tvoje)"
        ),
        r"(?:instrukc\w{1,4}|polece\w{1,4}|zasad\w{0,3}|pokyny?|upute|uputstva|naredbe|pravila|wytyczne)",
    ),
    # Dutch and Scandinavian
    (
        r"(?:negeer|vergeet|ignorera|ignorer|glom|glem|bortse fran|se bort fra)",
        r"(?:alle|alla|vorige|voorgaande|eerdere|tidigare|foregaende|tidligere|forrige|jouw|dina|dine)",
        (
            r"(?:instructies|opdrachten|regels|aanwijzingen|instruktion(?:er|erna|erne)|instruksjon(?:er|ene)|"
            r"regler(?:na|ne)?)"
        ),
    ),
    # Indonesian, Vietnamese
    (
        r"(?:abaikan|lupakan|bo qua|quen)",
        r"(?:semua|sebelumnya|tat ca|truoc|moi)",
        r"(?:instruksi|perintah|aturan|huong dan|chi dan|chi thi|menh lenh)",
    ),
    # Arabic, Greek, Hebrew
    (
        r"(?:تجاهل|انس|تجاوز|αγνοησ\w{1,3}|ξεχασ\w{1,3}|התעלם|שכח)",
        r"(?:جميع|كل|السابق\w{0,2}|كافة|ολες|προηγουμεν\w{1,3}|כל|הקודמות)",
        r"(?:التعليمات|تعليمات|الاوامر|الأوامر|القواعد|οδηγι\w{1,3}|εντολ\w{1,3}|הוראות|ההוראות)",
    ),
)
_VERB_LAST: tuple[tuple[str, str, str], ...] = (
    # German infinitives and split verbs
    (
        r"(?:ignorieren|vergessen|missachten|hinter sich|aus dem kopf)",
        r"(?:obigen|vorherigen|bisherigen|vorangehenden|vorangegangenen|vorigen|fruheren|deine)",
        r"(?:anweisungen|instruktionen|befehle|aufgaben|vorgaben|angaben|regeln|ausfuhrungen|informationen)",
    ),
    # Turkish, Hindi
    (
        r"(?:yok say|gormezden gel|unut|dikkate alma|अनदेखा|अनदेखी|नजरअंदाज|नज़रअंदाज|भूल)",
        r"(?:onceki|tum|butun|yukaridaki|सभी|पिछले|पूर्व|सारे)",
        r"(?:talimat|komut|kural|निर्देश|आदेश)",
    ),
)
# "Do not forget to read all instructions" stands in many an advert, in every language.
_NEGATIONS = ("no", "non", "nao", "ne", "nie", "не", "nicht", "inte", "ikke", "jangan", "dung", "لا", "μην", "μη", "אל")
_NOT_NEGATED = "(?<!n')" + "".join(f"(?<!{word} )" for word in _NEGATIONS)
_NOT_NEGATED_AFTER = r"(?!(?: sie)? (?:nicht|niet|pas|inte|ikke|keine?n?)\b)"
_SHORT_GAP = r"[^.!?,;:]{0,40}?"

_CHINESE_DROP = (
    r"(?<!不要)(?<!不能)(?<!别)(?<!勿)(?:忽略|无视|無視|忘记|忘掉|忘記|忽视|忽視|不要理会|不要遵守|抛弃|覆盖|绕过)"
)
_CHINESE_SCOPE = r"(?:之前|上述|以上|先前|所有|全部|前面|你的|此前|系统)"
_CHINESE_RULES = r"(?:指令|指示|提示|命令|规则|規則|规定|要求|限制|说明)"
_JAPANESE_RULES = r"(?:指示|命令|指令|ルール|規則|フロンフト|プロンプト|制約|制限)"
_KOREAN_RULES = r"(?:지시|명령|지침|프롬프트|규칙)"

_WORDLESS: Rows = (
    (1.0, rf"{_CHINESE_DROP}[^。.!?]{{0,8}}{_CHINESE_SCOPE}[^。.!?]{{0,8}}{_CHINESE_RULES}"),
    (1.0, rf"{_JAPANESE_RULES}[^。.!?]{{0,8}}(?:無視|忘れ|破棄|従わな)"),
    (1.0, rf"{_KOREAN_RULES}[^.!?]{{0,10}}(?:무시|잊어|잊고)"),
)

_GERMAN_NEW_TASK: Rows = (
    (
        0.7,
        (
            r"\b(?:konzentriere? dich|konzentrieren sie sich|fokussiere? dich) (?:jetzt |nun )?auf (?:deine|die|"
            r"ihre) neuen? "
            r"aufgaben?\b"
        ),
    ),
    (0.7, r"\b(?:nun|jetzt) folgen (?:neue|weitere) (?:aufgaben|anweisungen|instruktionen)\b"),
    (1.0, r"\balle (?:bisherigen|vorherigen) informationen[^.!?]{0,60} (?:irrelevant|hinfallig|ungultig)\b"),
    (1.0, r"\bvergiss (?:jetzt |nun |bitte )?alles(?:,| davor| gesagte| und| vorherige)"),
)


def _verb_first(verb: str, scope: str, target: str) -> str:
    """Verb, then target, with the scope between or just after them, all inside one clause."""
    return rf"{_NOT_NEGATED}\b{verb}\b{_NOT_NEGATED_AFTER}(?=[^.!?,;:]{{0,70}}{scope}){_SHORT_GAP}{target}"


def _verb_last(verb: str, scope: str, target: str) -> str:
    """Scope, target, verb: for languages and infinitives that put the verb at the end of the clause."""
    return rf"{scope}{_SHORT_GAP}{target}{_SHORT_GAP}{verb}"


OVERRIDE_ELSEWHERE: Rows = (
    *((1.0, _verb_first(*stems)) for stems in _VERB_FIRST),
    *((1.0, _verb_last(*stems)) for stems in _VERB_LAST),
    *_WORDLESS,
    *_GERMAN_NEW_TASK,
)
