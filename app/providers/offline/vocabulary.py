"""Word tables of the offline engine: other spellings of skills, words that give away a field, themes of categories."""

import re
from collections.abc import Mapping

ALIASES: Mapping[str, tuple[str, ...]] = {
    "ci/cd": ("ci", "continuous integration", "continuous delivery", "continuous deployment"),
    "javascript": ("js", "ecmascript"),
    "typescript": ("ts",),
    "python": ("py",),
    "go": ("golang",),
    "c++": ("cpp",),
    "c#": ("csharp", "c sharp", "dotnet", "asp.net"),
    "kubernetes": ("k8s", "eks", "gke", "aks"),
    "postgresql": ("postgres", "psql", "pgsql"),
    "node.js": ("node", "nodejs"),
    "react": ("react.js", "reactjs"),
    "vue": ("vue.js", "vuejs"),
    "angular": ("angular.js", "angularjs"),
    "next.js": ("nextjs",),
    "spring boot": ("springboot", "spring"),
    "aws": ("amazon web services",),
    "google cloud": ("gcp", "google cloud platform"),
    "azure": ("microsoft azure",),
    "machine learning": ("ml", "scikit-learn", "sklearn", "pytorch", "tensorflow"),
    "nlp": ("natural language processing",),
    "llm": ("large language model", "generative ai", "genai"),
    "rest api": ("rest", "restful", "restful api"),
    "mongodb": ("mongo",),
    "elasticsearch": ("elastic", "opensearch"),
    "terraform": ("infrastructure as code", "iac"),
    "infrastructure as code": ("terraform", "iac"),
    "sre": ("site reliability engineering", "site reliability"),
    "observability": ("prometheus", "grafana", "datadog", "opentelemetry"),
    "monitoring": ("prometheus", "grafana", "datadog"),
    "on-call": ("on call", "oncall", "pager duty", "pagerduty"),
    "sql": ("mysql", "postgresql", "postgres", "t-sql", "tsql", "pl/sql", "sql server", "sqlite"),
    "power bi": ("powerbi",),
    "excel": ("ms excel", "microsoft excel", "power query", "pivot table"),
    "a/b testing": ("ab testing", "a/b test", "split testing", "experimentation"),
    "data warehouse": ("snowflake", "bigquery", "redshift", "data warehousing"),
    "data modeling": ("data modelling", "dimensional modeling", "dimensional modelling", "star schema"),
    "crm": ("salesforce", "hubspot"),
    "google analytics": ("ga4",),
    "google ads": ("adwords", "paid search", "sem"),
    "paid media": ("paid search", "paid social"),
    "seo": ("search engine optimisation", "search engine optimization"),
    "ux": ("user experience",),
    "ui": ("user interface",),
    "accessibility": ("a11y", "wcag"),
    "design system": ("design system",),
    "erp": ("sap", "netsuite"),
    "accounts payable": ("ap clerk", "purchase ledger"),
    "s&op": ("sales and operations planning",),
    "p&l": ("profit and loss", "profit & loss"),
    "hr business partner": ("hrbp",),
    "qa": ("quality assurance",),
    "test automation": ("automated testing", "selenium", "playwright", "cypress"),
    "testing": ("unit test", "pytest", "junit", "jest", "playwright"),
    "distributed systems": ("distributed system",),
    "threat modeling": ("threat modelling",),
    "nursing": ("nurse", "rn"),
    "teaching": ("teacher", "teach"),
    "customer support": ("customer service",),
    "customer service": ("customer support",),
    "key account": ("key account management",),
    "icu": ("intensive care", "critical care"),
    "intensive care": ("icu", "critical care"),
}
"""For a skill, further names that a posting may use for it. Case and plural do not matter."""

PORTABLE = frozenset(
    {
        "sql",
        "python",
        "excel",
        "power bi",
        "tableau",
        "jira",
        "git",
        "salesforce",
        "crm",
        "sap",
        "erp",
        "figma",
        "r",
        "google analytics",
        "zendesk",
        "hubspot",
        "docker",
        "kubernetes",
        "aws",
        "azure",
        "a/b testing",
        "machine learning",
    }
)
"""Tools that mean the same in every field; any other skill counts only in the fields its question is for."""

CAPITALISED = frozenset(
    {
        "excel",
        "react",
        "spring",
        "swift",
        "rust",
        "spark",
        "word",
        "access",
        "rest",
        "helm",
        "flask",
        "ruby",
        "express",
        "looker",
        "windows",
        "chef",
        "puppet",
        "node",
        "angular",
        "elastic",
        "sap",
    }
)
"""Ordinary words, too: in a posting only a capital letter inside a sentence or a list makes them a skill."""

LISTED = frozenset({"go", "r", "c", "ts", "py"})
"""So short that they count only in a list of skills or after a word such as `in` or `with`."""

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
            r"barista|waiter|waitress|chef\b|cook\b|hotel|restaurant|bartender|housekeep|receptionist|café",
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
    "marketing": "marketing campaign campaigns brand content seo audience copy",
    "sales": "sales quota pipeline prospects deals territory closing customers calls",
    "finance": "accounting audit ledger invoices reconciliation vat tax month-end financial accounts",
    "hr": "hr employees recruiting grievance compensation payroll hiring onboarding",
    "healthcare": "patients patient clinical care ward nurse hospital treatment residents",
    "education": "pupils students lessons curriculum classroom teaching school exam",
    "support": "tickets support customers escalations troubleshooting helpdesk",
    "operations": "logistics warehouse supply drivers planning inventory shifts stock fleet",
}
"""Words that speak for a field when no title does."""

THEMES: Mapping[str, str] = {
    "adaptability": r"adapt\w*|flexib\w*|ambigu\w*|fast[- ]paced|fast[- ]changing",
    "balance": (
        r"hybrid|remote|on[- ]call|weekends?|nights?|shift (?:work|pattern)s?|(?:early|late|rotating) shifts?"
        r"|overtime|travel|working hours"
    ),
    "change_management": r"chang(?:e|ing) (?:management|programme|process)|transform\w*|roll[- ]?outs?|introduc\w+",
    "collaboration": (
        r"collaborat\w*|cross[- ]functional|teamwork|team player|work(?:ing)? (?:closely )?with"
        r"|pair with|alongside"
    ),
    "communication": (
        r"communicat\w*|present(?:ing|ations?)?\b|explain\w*|write[s]? (?:clear|well)|written"
        r"|storytell\w*"
    ),
    "conflict": r"conflicts?|disagree\w*|difficult conversations?|negotiat\w*|push back",
    "culture": r"(?:our|company|shared) values|cultur\w*|how we work|principles",
    "customer_focus": r"customers?|clients?|patients?|guests?|pupils|users?|members",
    "decision_making": r"decisions?|decides?\b|judge?ment",
    "delivery": r"deliver\w*|ship\w*|deadlines?|on time",
    "feedback": r"feedback|(?:code|design|performance|peer) reviews?|coach\w*",
    "growth": r"learn\w*|(?:professional|personal|career) development|mentor\w*|career|grow with",
    "influence": r"influenc\w*|persuad\w*|convinc\w*|buy[- ]in|stakeholders?|without authority",
    "integrity": r"confidential\w*|integrity|honest\w*|ethic\w*|complian\w*|discretion",
    "leadership": (
        r"lead(?:s|ing)?\b(?! (?:given|generat|time|from|to\b))|led\b"
        r"|manage (?:a|the|\w+) (?:team|people|\w+ers)|line manage\w*|run "
        r"(?:a team|\d+)|supervis\w*"
    ),
    "learning": r"learn\w*|curio\w*|study|quick to pick up|new (?:tools|technolog\w+)",
    "mentoring": r"mentor\w*|coach\w*|support junior|develop (?:others|people|your team)",
    "ownership": (
        r"(?<!your )(?<!our )(?<!their )(?<!its )(?<!his )(?<!her )\bown(?:s|ing|ership)?\b"
        r"|end[- ]to[- ]end|autonom\w*|independen\w*|responsib\w*"
    ),
    "prioritization": r"priorit\w*|deadlines?|(?:time|under) pressure|multiple (?:tasks|projects)|juggl\w*|competing",
    "prioritisation": r"priorit\w*|deadlines?|(?:time|under) pressure|multiple (?:tasks|projects)|juggl\w*|competing",
    "problem_solving": r"problem[- ]?solv\w*|problems?|troubleshoot\w*|investigat\w*|root cause|analytical",
    "quality": r"quality|accura\w*|attention to detail|precis\w*|standards?|careful\w*|care with",
    "risk_management": r"risks?|safety(?! stock)|safeguard\w*|internal controls?",
    "role": (
        r"responsib\w*|report(?:s|ing)? to|(?<!your )(?<!our )(?<!their )\bown(?:s|ing|ership)?\b"
        r"|you will (?!have|be )"
    ),
    "stakeholder_management": r"stakeholders?|partners?|executives?|leadership team|board\b|cross[- ]functional",
    "team": r"teams?\b|colleagues|collaborat\w*|squads?",
    "technology": r"tools|tech(?:nology)? stack|platforms?|software|automation",
}
"""What in a posting speaks for a category of questions, as an alternative of regular expressions."""
