"""Words that give away the field of a job: of its title, and of its text where no title does."""

import re
from collections.abc import Mapping

FIELD_TITLES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (field, re.compile(rf"\b(?:{words})", re.IGNORECASE))
    for field, words in (
        (
            "support",
            (
                r"(?:technical |customer )?support (?:engineer|specialist|agent|analyst|technician)|help "
                r"?desk|service desk"
                r"|customer (?:support|service|success|care)|call cent(?:er|re)"
            ),
        ),
        (
            "design",
            (
                r"(?:product|ux|ui|ux/ui|brand|graphic|visual|service|interaction|web) designer|design "
                r"(?:lead|director|system)"
                r"|ux research|head of design|illustrator\b|art director|diseñador|designer"
            ),
        ),
        (
            "marketing",
            (
                r"(?:product |performance |growth |digital |content |brand )?marketing|copywriter|copy "
                r"writer|seo\b|social media"
                r"|content (?:manager|strategist|creator)|brand manager|growth manager|public relations"
            ),
        ),
        (
            "data",
            (
                r"data\b|analytics|machine learning|ml engineer|mlops|bi (?:developer|analyst)|business "
                r"intelligence"
                r"|statistician|daten\w*|científico de datos"
            ),
        ),
        (
            "product",
            (
                r"product (?:manager|owner|lead|director|analyst|operations|management)|head of product"
                r"|chief product|senior pm\b|\bpm,"
            ),
        ),
        (
            "sales",
            (
                r"sales|account (?:executive|manager)|business development|\bbdr\b|\bsdr\b|vertrieb\w*"
                r"|ventas|法人営業|営業"
            ),
        ),
        (
            "finance",
            (
                r"accountant|accounts?\b(?! manager| executive)|auditor|audit\b|bookkeeper|financial"
                r"|finance|controller|tax\b"
                r"|treasury|payroll|actuar|buchhalt\w*|contable|credit analyst|investment"
            ),
        ),
        (
            "hr",
            (
                r"hr\b|hrbp|human resources|recruit(?:er|ing|ment)|talent (?:partner|acquisition)|people "
                r"(?:partner|director|operations|lead)"
                r"|head of people|compensation|payroll specialist|personal(?:referent|leiter)\w*"
            ),
        ),
        (
            "healthcare",
            (
                r"nurs(?:e|ing)\b|physician|doctor\b|clinical|clinician|care (?:assistant|worker)"
                r"|physiotherap|fisioterap"
                r"|therapist|pharmacist|midwife|paramedic|medical|dentist|dental|radiograph|enfermer"
                r"|pflege|healthcare|patient"
            ),
        ),
        (
            "education",
            (
                r"teacher|teaching|lecturer|professor|faculty|tutor|head of (?:science|maths|english|year)"
                r"|head ?teacher|school"
                r"|curriculum|instructional|lehrer|profesor|maestr[oa]|education|trainer"
            ),
        ),
        (
            "software",
            (
                r"software|back-?end|front-?end|full-?stack|devops|site reliability|\bsre\b|platform "
                r"engineer|programmer|web dev"
                r"|(?:mobile|ios|android|java|python|kotlin|php|ruby|cloud|security|qa|test|systems?"
                r"|network|embedded|game|api)"
                r" (?:developer|engineer|architect)|application security|cyber ?security|engineering "
                r"manager|head of engineering"
                r"|tech(?:nical)? lead|developer|entwickler\w*|desarrollador|programador|coder|cto\b"
                r"|ingenier\w+ de software"
            ),
        ),
        (
            "operations",
            (
                r"operations|supply|logistics|warehouse|transport|procurement|purchasing|distribution"
                r"|fleet|planner|plant manager"
                r"|production manager|site manager|logistik\w*|operaciones|project manager"
            ),
        ),
        (
            "hospitality",
            r"barista|waiter|waitress|chef\b|cook\b|hotel|restaurant|bartender|housekeep|receptionist|café|camarer",
        ),
        ("trades", r"technician|electrician|plumber|hvac|mechanic\b|carpenter|welder|installer|maintenance"),
        ("software", r"engineer(?:ing)?\b"),
    )
)
"""Words of job titles, by field; the first that matches wins, so the narrower come first."""

FIELD_WORDS: Mapping[str, str] = {
    "software": (
        "software developer code coding api backend frontend git deploy microservices engineer engineering programming"
    ),
    "data": "data sql analytics dashboard dashboards model models dbt statistics warehouse pipeline pipelines analyst",
    "product": "product roadmap backlog discovery features stakeholders users prioritise prioritize",
    "design": "design figma typography prototype prototyping usability visual brand",
    "marketing": "marketing campaign campaigns brand content seo audience copy instagram tiktok facebook captions",
    "sales": "sales quota pipeline prospects deals territory closing customers calls",
    "finance": "accounting audit ledger invoices reconciliation vat tax month-end financial accounts",
    "hr": "hr employees recruiting grievance compensation payroll hiring onboarding",
    "healthcare": "patients patient clinical care ward nurse hospital treatment residents",
    "education": "pupils students lessons curriculum classroom teaching school exam",
    "support": "tickets support customers escalations troubleshooting helpdesk",
    "operations": "logistics warehouse supply drivers planning inventory shifts stock fleet",
    "hospitality": "barista espresso guests kitchen menu waiting hotel restaurant",
    "trades": "hvac wiring plumbing boiler installation refrigerant",
}
"""Words that speak for a field when no title does."""
