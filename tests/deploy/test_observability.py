"""Dashboard and alerts ask for what a real server shows: its `/metrics`, and a real Prometheus that scrapes it."""

import asyncio
import itertools
import json
import math
import re
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence, Set
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from app.core.config import REPOSITORY_ROOT, Settings
from tests.answers import calls, hands_to, says_questions
from tests.e2e.server_process import ServerProcess, forked, free_port
from tests.model_server import CutStream, Fail, ModelServer, Say

FOLDER = REPOSITORY_ROOT / "docker" / "observability"
GRAFANA = FOLDER / "grafana"
ALERTS, ALERTS_TEST = FOLDER / "alerts.yml", FOLDER / "alerts_test.yml"

TOKEN = "5d1f7a0c93e84b26af0d6c71e2b85f349a0c"
MODELS = "gpt-4o,our-own"
SECONDS, STOP_SECONDS, POLL_SECONDS = 60, 20, 0.1
COLUMNS = 24
"""Of Grafana's grid."""

NEEDS_PROMETHEUS = pytest.mark.skipif(
    shutil.which("prometheus") is None or shutil.which("promtool") is None,
    reason="needs Prometheus and promtool, as of Debian's package `prometheus`",
)

Json = dict[str, Any]


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def dashboard() -> Json:
    (path,) = (GRAFANA / "dashboards").glob("*.json")
    found: Json = json.loads(path.read_text(encoding="utf-8"))
    return found


def panels() -> list[Json]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def alerts() -> dict[str, Json]:
    return {rule["alert"]: rule for group in read(ALERTS)["groups"] for rule in group["rules"]}


@dataclass(frozen=True)
class Query:
    """What a panel asks for."""

    title: str
    expression: str
    legend: str

    @property
    def filled(self) -> str:
        """As Grafana sends it, with every server chosen and windows of a minute."""
        text = self.expression.replace("$__rate_interval", "1m").replace("$job", ".*").replace("$instance", ".*")
        assert "$" not in text, "a variable that nobody fills in"
        return text


def queries() -> list[Query]:
    return [
        Query(panel["title"], target["expr"], target["legendFormat"])
        for panel in panels()
        for target in panel["targets"]
    ]


# What expressions name ------------------------------------------------------------------------------------------------

FROM_PROMETHEUS = {"up"}
"""It makes this one itself."""
TARGET_LABELS = {"job", "instance"}
"""It adds them to whatever it scrapes."""
WORDS = {"and", "or", "unless", "by", "on", "sum", "max", "rate", "increase", "delta", "absent"}
WORDS |= {"min_over_time", "histogram_quantile"}
_STRING = re.compile(r'"[^"]*"')
_WINDOW = re.compile(r"\[[^\]]*\]")
_LABELS = re.compile(r"\b(?:by|on)\s*\(([^)]*)\)")
_SELECTOR = re.compile(r"\b([a-z_]\w*)\s*\{([^}]*)\}")
_MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_NAME = re.compile(r"\b[a-z_]\w*\b")
_OPTIONS = re.compile(r"label_values\((.+), (\w+)\)")


def metrics_in(expression: str) -> dict[str, set[str]]:
    """The metrics that an expression names, each with the labels it is chosen by."""
    text = _WINDOW.sub("", _STRING.sub("", expression))
    found: dict[str, set[str]] = {}
    for name, matchers in _SELECTOR.findall(text):
        found.setdefault(name, set()).update(_MATCHER.findall(matchers))
    for name in _NAME.findall(_SELECTOR.sub("", _LABELS.sub("", text))):
        if name not in WORDS:
            found.setdefault(name, set())
    return found


def labels_in(expression: str) -> set[str]:
    """The labels that an expression keeps."""
    return {label.strip() for found in _LABELS.findall(_STRING.sub("", expression)) for label in found.split(",")}


def options() -> dict[str, tuple[str, str]]:
    """Of each variable of the dashboard: the series whose label it offers, and the label."""
    found = {}
    for variable in dashboard()["templating"]["list"]:
        whole = _OPTIONS.fullmatch(variable["query"]["query"])
        assert whole, variable
        found[variable["name"]] = (whole[1], whole[2])
    return found


@pytest.mark.parametrize(
    ("expression", "metrics", "labels"),
    [
        ('sum by (a, le) (rate(x_bucket{b="c", d=~"e.*"}[5m])) * 60', {"x_bucket": {"b", "d"}}, {"a", "le"}),
        ("max(min_over_time(x[5m])) > 0 unless sum(increase(y_total[1h])) > 0", {"x": set(), "y_total": set()}, set()),
        ('up{job="greenroom"} == 1 unless on (job, instance) x', {"up": {"job"}, "x": set()}, {"job", "instance"}),
    ],
)
def test_names_are_found_in_expressions(expression: str, metrics: dict[str, set[str]], labels: set[str]) -> None:
    assert metrics_in(expression) == metrics
    assert labels_in(expression) == labels


# The scene ------------------------------------------------------------------------------------------------------------


@dataclass
class Scene:
    """A server with a scripted model, and one with the offline engine."""

    online: ServerProcess
    offline: ServerProcess
    model: ModelServer
    turns: int = 0
    """That have ended so far."""

    @property
    def servers(self) -> tuple[ServerProcess, ServerProcess]:
        return self.online, self.offline

    def play(self) -> None:
        """One turn of each kind: a handoff, a retry, a failure, a restart, a model without a price; one offline."""
        self.model.script(hands_to("technical"), calls("technical-few_shot"), says_questions(1))
        self._turn(200, message="an interview", question_count=1)
        self.model.script(Fail(503), Say("Which interview?"))
        self._turn(200, message="Hello")
        self.model.script(Fail(500), Fail(500))
        self._turn(502, message="Hello")
        self.model.script(CutStream(2), Say("Which interview?"))
        self._turn(200, message="Hello")
        self.model.script(Say("Which interview?"))
        self._turn(200, message="Hello", model="our-own")
        assert self.offline.chat(message="a technical interview", question_count=1).status_code == 200
        self.turns += 1

    def _turn(self, status: int, **body: object) -> None:
        response = self.online.chat(**body)
        assert response.status_code == status, response.text
        self.turns += 1


@pytest.fixture
def scene(tmp_path: Path, model_server: ModelServer) -> Iterator[Scene]:
    settings = {
        "OPENAI_BASE_URL": model_server.base_url,
        "OPENAI_API_KEY": "sk-test-key",
        "DEFAULT_MODEL": "gpt-4o",
        "ALLOWED_MODELS": MODELS,
        "PROVIDER_MAX_RETRIES": "1",
        "PROVIDER_RETRY_SECONDS": "0.01",
    }
    with (
        forked(tmp_path / "online", **settings, METRICS_TOKEN=TOKEN) as online,
        forked(tmp_path / "offline", METRICS_TOKEN=TOKEN) as offline,
    ):
        online.wait_until_ready()
        offline.wait_until_ready()
        yield Scene(online, offline, model_server)


def shown(server: ServerProcess) -> dict[str, set[str]]:
    """Every series name of a scrape, with the labels that it comes with."""
    response = httpx2.get(f"{server.address}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=SECONDS)
    assert response.status_code == 200, response.text
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(response.text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_every_metric_and_label_that_is_asked_for_is_shown_by_the_server(scene: Scene) -> None:
    scene.play()
    found = shown(scene.online)
    asked = {query.title: query.expression for query in queries()}
    asked |= {name: rule["expr"] for name, rule in alerts().items()}
    asked |= {name: series for name, (series, _) in options().items()}

    for title, expression in asked.items():
        named = {name: labels for name, labels in metrics_in(expression).items() if name not in FROM_PROMETHEUS}
        assert named or metrics_in(expression), title
        assert named.keys() <= found.keys(), title
        for name, labels in named.items():
            assert labels <= found[name] | TARGET_LABELS, f"{title}: {name}"
        known = set[str]().union(*(found[name] for name in named)) | TARGET_LABELS
        assert labels_in(expression) <= known, title


# A real Prometheus ----------------------------------------------------------------------------------------------------


@dataclass
class Prometheus:
    """A running one, and a client of it."""

    client: httpx2.AsyncClient

    async def get(self, path: str, **parameters: str) -> Any:
        """What its API answers."""
        response = await self.client.get(f"/api/v1/{path}", params=parameters)
        assert response.status_code == 200, response.text
        return response.json()["data"]

    async def ask(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """The series of an expression, as they are now: the labels and the value of each."""
        found = (await self.get("query", query=expression))["result"]
        return [(series["metric"], float(series["value"][1])) for series in found]

    async def until(self, expression: str, value: float) -> None:
        """Wait until an expression is this one number."""
        seen: object = None
        try:
            async with asyncio.timeout(SECONDS):
                while (seen := await self.ask(expression)) != [({}, value)]:  # noqa: ASYNC110 - it scrapes every second
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            targets = [(target["scrapeUrl"], target["lastError"]) for target in await self.targets()]
            pytest.fail(f"{expression} is {seen}; {targets}")

    async def targets(self) -> list[Json]:
        found: list[Json] = (await self.get("targets"))["activeTargets"]
        return found

    async def rules(self, *, until: Set[str]) -> dict[str, Json]:
        """Every rule by its name, as soon as those named are about to alert."""
        ends = time.monotonic() + SECONDS
        while True:
            groups = (await self.get("rules"))["groups"]
            rules = {rule["name"]: rule for group in groups for rule in group["rules"]}
            if until <= active(rules):
                return rules
            assert time.monotonic() < ends, f"only {active(rules)} of {until}"
            await asyncio.sleep(POLL_SECONDS)


def active(rules: Mapping[str, Json]) -> set[str]:
    """Those whose condition holds, for long enough or not."""
    return {name for name, rule in rules.items() if rule["state"] in {"pending", "firing"}}


def configuration(folder: Path, *servers: ServerProcess) -> Path:
    """The shipped one, but for where the servers and the token are, and every second."""
    token = folder / "METRICS_TOKEN"
    token.write_text(f"{TOKEN}\n", encoding="utf-8")
    shipped: Json = read(FOLDER / "prometheus.yml")
    shipped["global"] = dict.fromkeys(shipped["global"], "1s")
    shipped["rule_files"] = [str(FOLDER / name) for name in shipped["rule_files"]]
    (job,) = shipped["scrape_configs"]
    job["authorization"]["credentials_file"] = str(token)
    job["static_configs"] = [{"targets": [server.address.removeprefix("http://") for server in servers]}]
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(shipped), encoding="utf-8")
    return path


@contextmanager
def running(folder: Path, config: Path) -> Iterator[str]:
    """The process, and its address; ended at the end."""
    address = f"127.0.0.1:{free_port()}"
    command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'series'}"]
    log = folder / "prometheus.txt"
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [*command, f"--web.listen-address={address}", "--log.level=warn"], stdout=output, stderr=output
        )
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        print(log.read_text(encoding="utf-8"))  # noqa: T201 - shown by pytest where the test failed


@asynccontextmanager
async def scraping(folder: Path, *servers: ServerProcess) -> AsyncIterator[Prometheus]:
    """A Prometheus that is ready and scrapes these servers every second."""
    with running(folder, configuration(folder, *servers)) as address:
        async with httpx2.AsyncClient(base_url=address, timeout=SECONDS) as client:
            async with asyncio.timeout(SECONDS):
                while not await _is_ready(client):  # noqa: ASYNC110 - another process
                    await asyncio.sleep(POLL_SECONDS)
            yield Prometheus(client)


async def _is_ready(client: httpx2.AsyncClient) -> bool:
    try:
        return (await client.get("/-/ready")).status_code == 200
    except httpx2.TransportError:
        return False


@NEEDS_PROMETHEUS
async def test_prometheus_reads_both_servers_and_every_panel_shows_something(scene: Scene, tmp_path: Path) -> None:
    async with scraping(tmp_path, *scene.servers) as prometheus:
        # Twice: an increase is seen from the second event of a series on.
        for _ in range(2):
            await asyncio.to_thread(scene.play)
            await prometheus.until("sum(greenroom_turns_total)", scene.turns)
        assert {target["health"] for target in await prometheus.targets()} == {"up"}
        await check_panels(prometheus)
        await check_options(prometheus, scene)
        await check_alerts(prometheus)


async def check_panels(prometheus: Prometheus) -> None:
    for query in queries():
        found = await prometheus.ask(query.filled)
        assert any(math.isfinite(value) for _, value in found), f"{query.title}: {query.filled} is {found}"
        assert any(value > 0 for _, value in found) or query.title in AT_REST, f"{query.title}: {found}"
        named = set(re.findall(r"{{(\w+)}}", query.legend))
        # A label without a value is not in an answer; by which labels a query keeps, Grafana has it all the same.
        kept = labels_in(query.expression) - {"le"}
        assert named == kept, f"{query.title}: the legend tells its lines apart"
        assert set[str]().union(*(labels for labels, _ in found)) <= kept


AT_REST = {"Turns that wait for a worker", "Open streams"}
"""Panels that show 0 once every turn has ended."""


async def check_options(prometheus: Prometheus, scene: Scene) -> None:
    """What the dashboard lets choose from."""
    offered = {
        name: await prometheus.get(f"label/{label}/values", **{"match[]": re.sub(r"\$\w+", ".*", series)})
        for name, (series, label) in options().items()
    }
    addresses = sorted(server.address.removeprefix("http://") for server in scene.servers)

    assert offered == {"job": ["greenroom"], "instance": addresses}


ABOUT_TO_ALERT = {"GreenroomModelFailing", "GreenroomServerErrors", "GreenroomUnpricedCalls"}
"""What the scene gives reason to."""
PERHAPS = {"GreenroomTurnsFailing"}
"""So few failures are more than two or not by when they are scraped."""


async def check_alerts(prometheus: Prometheus) -> None:
    """Those and no others, and what they would say is complete."""
    rules = await prometheus.rules(until=ABOUT_TO_ALERT)

    assert rules.keys() == alerts().keys()
    assert {rule.get("lastError", "") for rule in rules.values()} == {""}
    assert active(rules) <= ABOUT_TO_ALERT | PERHAPS
    for alert in (alert for name in ABOUT_TO_ALERT for alert in rules[name]["alerts"]):
        assert alert["labels"]["job"] == "greenroom"
        said = " ".join(alert["annotations"].values())
        assert not [fault for fault in ("{{", "expanding template", "<no value>", "%!") if fault in said], said


# The rules ------------------------------------------------------------------------------------------------------------


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, check=False)


@NEEDS_PROMETHEUS
def test_promtool_takes_the_files(tmp_path: Path) -> None:
    for arguments in (
        ("check", "config", "--syntax-only", FOLDER / "prometheus.yml"),
        ("check", "config", configuration(tmp_path)),
        ("check", "rules", ALERTS),
    ):
        done = promtool(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr


@NEEDS_PROMETHEUS
def test_alerts_fire_when_they_should_and_only_then() -> None:
    done = promtool("test", "rules", ALERTS_TEST)
    assert done.returncode == 0, done.stdout + done.stderr


@NEEDS_PROMETHEUS
@pytest.mark.parametrize(("limit", "other"), [("> 0.05", "> 0.2"), ("> 0.05", "> 0.01"), ('"cancelled"}', '""}')])
def test_alerts_with_another_limit_would_be_noticed(tmp_path: Path, limit: str, other: str) -> None:
    shipped = ALERTS.read_text(encoding="utf-8")
    assert limit in shipped
    (tmp_path / ALERTS.name).write_text(shipped.replace(limit, other), encoding="utf-8")
    shutil.copy(ALERTS_TEST, tmp_path)

    done = promtool("test", "rules", tmp_path / ALERTS_TEST.name)

    assert done.returncode == 1
    assert "exp:" in done.stderr + done.stdout


def test_each_alert_has_a_test_in_which_it_first_does_not_fire_and_then_does() -> None:
    proven = set()
    for test in read(ALERTS_TEST)["tests"]:
        asked = sorted(test["promql_expr_test"], key=lambda one: minutes(one["eval_time"]))
        assert asked[0]["exp_samples"] == [], test["name"]
        for one in asked[1:]:
            proven |= {found[1] for sample in one["exp_samples"] if (found := _ALERT_NAME.search(sample["labels"]))}

    assert proven == set(alerts())


_ALERT_NAME = re.compile(r'alertname="(\w+)"')


def minutes(duration: str) -> int:
    return int(duration[:-1]) * {"m": 1, "h": 60}[duration[-1]]


def test_each_alert_says_how_bad_it_is_and_what_to_do() -> None:
    settings = {name.upper() for name in Settings.model_fields}
    for name, rule in alerts().items():
        said = " ".join(rule["annotations"].values())
        assert minutes(rule["for"]) > 0, name
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"].keys() == {"summary", "description"}
        assert all(text.strip() for text in rule["annotations"].values())
        assert set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", said)) <= settings, name


def test_the_readme_explains_each_alert() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(Greenroom\w+)`", text, re.MULTILINE)) == set(alerts())


# The dashboard and what is around it ----------------------------------------------------------------------------------


def test_every_panel_says_what_it_is_and_in_which_unit() -> None:
    shown_panels, source = dashboard()["panels"], {"type": "prometheus", "uid": "prometheus"}

    assert len({panel["id"] for panel in shown_panels}) == len(shown_panels)
    assert len({panel["title"] for panel in shown_panels}) == len(shown_panels)
    for panel in panels():
        assert panel["title"].strip()
        assert panel["description"].strip().endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["targets"]
        assert all(target["datasource"] == panel["datasource"] == source for target in panel["targets"])
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_every_query_lets_the_variables_choose() -> None:
    chosen = {name: f'{name}=~"${name}"' for name in options()}
    assert chosen.keys() == TARGET_LABELS
    for query in queries():
        for selector in re.findall(r"\{[^}]*\}", query.expression):
            assert all(matcher in selector for matcher in chosen.values()), query.title
        assert query.expression.count("{") == len(metrics_in(query.expression)), query.title


def test_no_panel_lies_on_another() -> None:
    places = [panel["gridPos"] for panel in dashboard()["panels"]]

    assert all(place["x"] >= 0 and place["x"] + place["w"] <= COLUMNS for place in places)
    assert [pair for pair in itertools.combinations(places, 2) if overlap(*pair)] == []
    assert overlap(places[0], places[0])


def overlap(one: Mapping[str, int], other: Mapping[str, int]) -> bool:
    return all(
        one[start] < other[start] + other[size] and other[start] < one[start] + one[size]
        for start, size in (("x", "w"), ("y", "h"))
    )


def test_compose_mounts_each_file_where_the_others_look_for_it() -> None:
    compose = read(FOLDER.parent / "docker-compose.yml")
    prometheus, grafana = compose["services"]["prometheus"], compose["services"]["grafana"]
    configured = read(FOLDER / "prometheus.yml")
    (job,) = configured["scrape_configs"]
    sources = {
        source["uid"]: source for source in read(GRAFANA / "provisioning/datasources/datasources.yml")["datasources"]
    }
    (provider,) = read(GRAFANA / "provisioning/dashboards/dashboards.yml")["providers"]

    assert (
        mounts(prometheus)
        >= {
            "/etc/prometheus/prometheus.yml": FOLDER / "prometheus.yml",
            "/etc/prometheus/alerts.yml": ALERTS,
        }.items()
    )
    assert configured["rule_files"] == ["alerts.yml"], "beside its configuration"
    assert "--config.file=/etc/prometheus/prometheus.yml" in prometheus["command"]
    (secret,) = prometheus["secrets"]
    assert job["authorization"]["credentials_file"] == f"/run/secrets/{secret}"
    assert compose["secrets"][secret] == {"environment": "METRICS_TOKEN"}
    assert job["static_configs"] == [{"targets": [f"app:{Settings.model_fields['app_port'].default}"]}]
    assert (
        mounts(grafana)
        == {
            "/etc/grafana/provisioning": GRAFANA / "provisioning",
            provider["options"]["path"]: GRAFANA / "dashboards",
        }.items()
    )
    assert sources["prometheus"]["url"] == "http://prometheus:9090"
    assert sources["prometheus"]["jsonData"]["timeInterval"] == configured["global"]["scrape_interval"]
    assert sources["jaeger"]["url"] == "http://jaeger:16686"


def mounts(service: Json) -> Any:
    """Where a service finds which file or folder of ours."""
    volumes: Sequence[str] = service["volumes"]
    pairs = (volume.split(":")[:2] for volume in volumes if volume.startswith("."))
    return {inside: (FOLDER.parent / ours).resolve() for ours, inside in pairs}.items()
