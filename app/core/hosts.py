"""Names of hosts and origins, as they stand in settings and in the headers `Host` and `Origin`."""

import re
from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}

_HOST_HEADER = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::[0-9]*)?")
_HOST_PATTERN = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*|[0-9a-f:]*:[0-9a-f:.]*")


def host_name(host_header: str) -> str:
    """The host of a `Host` header in lower case, without its port and an IPv6 address's brackets; empty if broken."""
    found = _HOST_HEADER.fullmatch(host_header.lower())
    return (found[1] or found[2]) if found else ""


def bare_address(text: str) -> str | None:
    """An IP address as it is usually written, without a zone and at most 45 characters; None for anything else."""
    try:
        return str(ip_address(text.partition("%")[0]))
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether a name or an address means this machine and nothing else: `localhost`, 127.0.0.0/8 or ::1.

    Other names that lead here do not count: whoever owns a name decides where it leads (DNS rebinding).
    """
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_listed(host: str, patterns: Iterable[str]) -> bool:
    """Whether a host is one of these names; `*.example.com` stands for every name below it, not for itself."""
    return any(host.endswith(name[1:]) if name.startswith("*.") else host == name for name in patterns)


def host_pattern(text: str) -> str:
    """A name or an address of `ALLOWED_HOSTS` in the form that `is_listed` compares.

    Raises:
        ValueError: for anything else, such as one with a scheme, a port or a star in another place.
    """
    name = text.lower().removeprefix("[").removesuffix("]")
    if not _HOST_PATTERN.fullmatch(name):
        raise ValueError("name hosts only, such as example.com or *.example.com, without scheme, port or path")
    return name


def origin(text: str) -> str:
    """An origin in the form a browser sends it: scheme, host and a port that is not the scheme's own, in lower case.

    Raises:
        ValueError: for what is no origin, such as `null`, `*` or an address with a path.
    """
    parts = urlsplit(text)
    is_bare = text.lower() == f"{parts.scheme}://{parts.netloc}".lower()
    if not is_bare or parts.scheme not in DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc:
        raise ValueError("name origins only, such as https://app.example.com, without path or trailing slash")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = "" if parts.port in {None, DEFAULT_PORTS[parts.scheme]} else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"
