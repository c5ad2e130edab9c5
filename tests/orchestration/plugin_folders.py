"""Plugin folders for tests: copies of the real ones, and a fifth interview type as an author would write it."""

import json
import shutil
from pathlib import Path

from app.core.config import REPOSITORY_ROOT

REAL_PLUGINS = REPOSITORY_ROOT / "plugins"

AGENT = """\
name: salary_talk
title: Salary negotiation
description: Practice for negotiating salary, raise, bonus or equity after an offer.
instructions: |
  You prepare one candidate for a talk about salary. Call salary_talk-zero_shot exactly once for new questions.
"""

PROMPT = """\
<message role="system">
You write questions that an employer asks when salary is negotiated.
{{$output_contract}}
</message>
<message role="user">
Settings: {{$settings}}
What the candidate asks for: {{$request}} Tone: {{$tone}}
Job description: {{$job_description}}
</message>
"""

CONFIG = {
    "schema": 1,
    "description": "Salary questions, quickly.",
    "input_variables": [{"name": "tone", "description": "warm or tough", "default": "warm", "json_schema": "str"}],
}


def copy_plugins(target: Path) -> Path:
    """The real agents, without code, as a folder that a test may change."""
    return Path(shutil.copytree(REAL_PLUGINS, target, ignore=shutil.ignore_patterns("*.py", "__pycache__", "cost")))


def add_salary_talk(plugins: Path) -> None:
    """Drop a fifth interview type in: three files, no Python."""
    technique = plugins / "salary_talk" / "zero_shot"
    technique.mkdir(parents=True)
    (technique.parent / "agent.yaml").write_text(AGENT, encoding="utf-8")
    (technique / "skprompt.txt").write_text(PROMPT, encoding="utf-8")
    (technique / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
