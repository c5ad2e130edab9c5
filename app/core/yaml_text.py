"""Reading YAML: plain values only, whoever wrote the file."""

from typing import Any

import yaml

_LOADER: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The C one reads the whole bank in a tenth of the time; not every installation of PyYAML has it."""


def parsed_yaml(text: str) -> Any:
    """The values of the text.

    Raises:
        yaml.YAMLError: it is no YAML, or asks for anything but plain values.
    """
    return yaml.load(text, Loader=_LOADER)  # noqa: S506 - a safe loader either way
