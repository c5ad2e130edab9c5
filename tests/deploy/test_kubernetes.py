"""The manifests of `docker/kubernetes` are what Kubernetes takes, and agree with the service and with each other."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import kubernetes_validate  # type: ignore[import-untyped]  # it ships no types
import pytest
import yaml
from typer.testing import CliRunner

from app.cli.commands import commands
from app.cli.serving import SHUTDOWN_SECONDS
from app.core.config import REPOSITORY_ROOT, AuthMode, Role, Settings
from app.core.telemetry import QUIET_PATHS
from app.operations.endpoints import router
from tests.accounts.people import SECRET_KEY
from tests.conftest import MakeSettings, Serve

FOLDER = REPOSITORY_ROOT / "docker" / "kubernetes"
BASE = FOLDER / "base"
OVERLAY = FOLDER / "overlays" / "example"

VERSIONS = ("1.30", kubernetes_validate.latest_version())
"""The oldest that README names, and the newest that the schemas know."""

SECRET = "greenroom"
SECRET_KEYS = {"SECRET_KEY", "DATABASE_URL", "METRICS_TOKEN", "OPENAI_API_KEY"}
OPTIONAL_KEYS = {"OPENAI_API_KEY"}
NOT_OURS = {"FORWARDED_ALLOW_IPS"}
"""Variables that uvicorn reads."""
DATABASE_URL = "postgresql://greenroom:password@database/greenroom"

SERVERS = ("greenroom-api", "greenroom-worker")
WORKLOADS = (*SERVERS, "greenroom-migrate")

Manifest = dict[str, Any]


class Document(NamedTuple):
    """A document of a file."""

    file: str
    manifest: Manifest

    @property
    def title(self) -> str:
        return f"{self.file}:{self.manifest['kind']}:{self.manifest['metadata']['name']}"


def read(path: Path) -> list[Manifest]:
    return [found for found in yaml.safe_load_all(path.read_text(encoding="utf-8")) if found is not None]


def kustomization(folder: Path) -> Manifest:
    (found,) = read(folder / "kustomization.yaml")
    return found


def manifest_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.yaml") if path.name != "kustomization.yaml")


@cache
def documents() -> tuple[Document, ...]:
    return tuple(
        Document(str(path.relative_to(FOLDER)), manifest)
        for folder in (BASE, OVERLAY)
        for path in manifest_files(folder)
        for manifest in read(path)
    )


def of_kind(kind: str) -> dict[str, Manifest]:
    """Those of one kind, by name."""
    return {manifest["metadata"]["name"]: manifest for _, manifest in documents() if manifest["kind"] == kind}


def workload(name: str) -> Manifest:
    return {**of_kind("Deployment"), **of_kind("Job")}[name]


def pod(name: str) -> Manifest:
    """What the pods of a workload are made of."""
    found: Manifest = workload(name)["spec"]["template"]
    return found


def container(name: str) -> Manifest:
    (found,) = pod(name)["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def config_map(*folders: Path) -> dict[str, str]:
    """The settings that these folders generate, a later one's over an earlier one's."""
    generated = [one for folder in folders for one in kustomization(folder)["configMapGenerator"]]
    assert len({one["name"] for one in generated}) == 1
    return dict(line.split("=", 1) for one in generated for line in one["literals"])


def own_variables(name: str) -> dict[str, str]:
    """Those that a container sets beside the settings that all share, without the secrets."""
    return {entry["name"]: entry["value"] for entry in container(name)["env"] if "value" in entry}


def secret_variables(name: str) -> dict[str, Manifest]:
    """Where a container has each secret from."""
    entries = container(name)["env"]
    return {entry["name"]: entry["valueFrom"]["secretKeyRef"] for entry in entries if "valueFrom" in entry}


def settings_of(name: str, *folders: Path) -> Settings:
    """What the service makes of everything that its container is given."""
    secrets = {"SECRET_KEY": SECRET_KEY, "DATABASE_URL": DATABASE_URL, "METRICS_TOKEN": SECRET_KEY[::-1]}
    given = {key: secrets[key] for key in secret_variables(name) if key in secrets}
    values: dict[str, Any] = {**config_map(*folders), **own_variables(name), **given}
    return Settings(_env_file=None, **{key.lower(): value for key, value in values.items() if key not in NOT_OURS})


def selected_by(selector: Mapping[str, str]) -> list[str]:
    """The workloads whose pods have these labels."""
    return [name for name in WORKLOADS if selector.items() <= pod(name)["metadata"]["labels"].items()]


def problems(manifest: Manifest) -> list[str]:
    """What is wrong with a manifest; unknown fields are."""
    found = []
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(manifest, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(f"{version}: {'.'.join(map(str, error.absolute_path))}: {error.message}")
        except kubernetes_validate.SchemaNotFoundError as error:
            found.append(f"{version}: {error.message}")
    return found


# What Kubernetes takes.


@pytest.mark.parametrize("document", documents(), ids=[document.title for document in documents()])
def test_every_manifest_has_the_fields_that_kubernetes_knows_and_no_others(document: Document) -> None:
    assert problems(document.manifest) == []


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        (("spec", "replica"), 2, "'replica' was unexpected"),
        (("spec", "template", "spec", "terminationGracePeriodSecond"), 45, "was unexpected"),
        (
            ("spec", "template", "spec", "containers", 0, "livenessProbe", "httpGet", "route"),
            "/",
            "'route' was unexpected",
        ),
        (("spec", "template", "spec", "containers", 0, "ports", 0, "containerPort"), "http", "is not of type"),
        (("spec",), {"replicas": 2}, "'selector' is a required property"),
        (("kind",), "Deploy", "Couldn't find schema"),
    ],
)
def test_a_misspelt_or_missing_field_is_refused(path: tuple[str | int, ...], value: Any, complaint: str) -> None:
    (manifest,) = (found for found in read(BASE / "worker.yaml") if found["kind"] == "Deployment")
    assert problems(manifest) == []

    place: Any = manifest
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value

    found = problems(manifest)
    assert len(found) == len(VERSIONS)
    assert all(complaint in line for line in found), found


def test_no_file_is_left_out_and_none_is_missing() -> None:
    assert sorted(kustomization(BASE)["resources"]) == [path.name for path in manifest_files(BASE)]
    own = {path.name for path in manifest_files(OVERLAY)}
    assert set(kustomization(OVERLAY)["resources"]) == {"../../base", *own}
    assert not any("namespace" in manifest["metadata"] for _, manifest in documents()), "that is the overlay's to say"


def built() -> list[Manifest]:
    """The overlay as an operator's `kubectl apply -k` would send it."""
    if kubectl := shutil.which("kubectl"):
        build = [kubectl, "kustomize", str(OVERLAY)]
    elif kustomize := shutil.which("kustomize"):
        build = [kustomize, "build", str(OVERLAY)]
    else:
        pytest.skip("needs kubectl or kustomize on PATH, to build the overlay")
    result = subprocess.run(build, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return list(yaml.safe_load_all(result.stdout))


def test_the_overlay_builds_into_valid_manifests_with_its_namespace_image_and_settings() -> None:
    manifests = built()
    overlay = kustomization(OVERLAY)
    (image,) = overlay["images"]
    (settings,) = (found for found in manifests if found["kind"] == "ConfigMap")
    pods = [found["spec"]["template"]["spec"] for found in manifests if found["kind"] in {"Deployment", "Job"}]
    containers = [found for spec in pods for found in spec["containers"]]

    assert [line for found in manifests for line in problems(found)] == []
    assert len(manifests) == len(documents()) + 1, "the settings are generated"
    assert {found["metadata"]["namespace"] for found in manifests} == {overlay["namespace"]}
    assert len(containers) == len(WORKLOADS)
    assert {found["image"] for found in containers} == {f"{image['newName']}:{image['newTag']}"}
    assert settings["data"] == config_map(BASE, OVERLAY)
    # Renamed by its content wherever it is named, so that a changed setting replaces the pods.
    assert settings["metadata"]["name"] != kustomization(BASE)["configMapGenerator"][0]["name"]
    named = {source["configMapRef"]["name"] for found in containers for source in found["envFrom"]}
    assert named == {settings["metadata"]["name"]}


# What the manifests say of each other.


def test_there_are_the_servers_and_the_job_and_each_selects_its_own_pods() -> None:
    assert set(of_kind("Deployment")) == set(SERVERS)
    assert set(of_kind("Job")) == set(WORKLOADS) - set(SERVERS)
    for name in SERVERS:
        assert selected_by(workload(name)["spec"]["selector"]["matchLabels"]) == [name]


def test_the_service_leads_to_the_api_alone_and_by_a_port_that_it_has() -> None:
    (service,) = of_kind("Service").values()
    (port,) = service["spec"]["ports"]

    assert service["metadata"]["name"] == "greenroom-api"
    assert selected_by(service["spec"]["selector"]) == ["greenroom-api"]
    assert port["port"] == 80
    assert port["targetPort"] in {found["name"] for found in container("greenroom-api")["ports"]}


def test_the_ingress_leads_to_the_service_with_tls_for_the_host_the_settings_name() -> None:
    (ingress,) = of_kind("Ingress").values()
    (rule,) = ingress["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    (tls,) = ingress["spec"]["tls"]
    backend = path["backend"]["service"]
    settings = settings_of("greenroom-api", BASE, OVERLAY)

    ports = of_kind("Service")[backend["name"]]["spec"]["ports"]
    assert backend["port"]["name"] in {port["name"] for port in ports}
    assert [rule["host"]] == tls["hosts"] == list(settings.allowed_hosts)
    assert settings.public_url == f"https://{rule['host']}"
    annotations = ingress["metadata"]["annotations"]
    waits = int(annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"])
    assert waits > settings.turn_deadline_seconds, "an answer that is not streamed may take so long"


def test_each_kind_of_server_has_an_autoscaler_and_a_disruption_budget() -> None:
    budgets = of_kind("PodDisruptionBudget").values()
    assert sorted(
        name for found in budgets for name in selected_by(found["spec"]["selector"]["matchLabels"])
    ) == sorted(SERVERS)
    scalers = of_kind("HorizontalPodAutoscaler").values()
    targets = [found["spec"]["scaleTargetRef"] for found in scalers]
    assert sorted(target["name"] for target in targets) == sorted(SERVERS)
    for target in targets:
        found = workload(target["name"])
        assert (found["apiVersion"], found["kind"]) == (target["apiVersion"], target["kind"])


@pytest.mark.parametrize("name", SERVERS)
def test_there_are_two_of_each_at_least_and_an_apply_leaves_their_number_to_the_autoscaler(name: str) -> None:
    assert of_kind("HorizontalPodAutoscaler")[name]["spec"]["minReplicas"] == 2
    assert "replicas" not in workload(name)["spec"]
    requests = container(name)["resources"]["requests"]
    assert "cpu" in requests, "an autoscaler reckons utilization by it"


@pytest.mark.parametrize("name", SERVERS)
def test_pods_are_spread_and_replaced_without_one_missing(name: str) -> None:
    spec = workload(name)["spec"]
    for constraint in pod(name)["spec"]["topologySpreadConstraints"]:
        assert selected_by(constraint["labelSelector"]["matchLabels"]) == [name]
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


@pytest.mark.parametrize("name", WORKLOADS)
def test_each_workload_has_an_account_of_its_own_and_no_token(name: str) -> None:
    spec = pod(name)["spec"]
    account = of_kind("ServiceAccount")[spec["serviceAccountName"]]

    assert account["metadata"]["name"] == name
    assert account["automountServiceAccountToken"] is spec["automountServiceAccountToken"] is False


# What they say of the service.


def dockerfile() -> str:
    return (REPOSITORY_ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")


def named(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    assert found is not None, pattern
    return found[1]


@pytest.mark.parametrize("name", WORKLOADS)
def test_pods_run_as_the_images_user_and_may_do_next_to_nothing(name: str) -> None:
    uid = int(named(r"useradd .*--uid (\d+)", dockerfile()))

    assert pod(name)["spec"]["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": uid,
        "runAsGroup": uid,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container(name)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    (volume,) = pod(name)["spec"]["volumes"]
    assert "emptyDir" in volume
    assert container(name)["volumeMounts"] == [{"name": volume["name"], "mountPath": "/tmp"}]  # noqa: S108 - the pod's own


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_container_runs_a_command_that_there_is(name: str) -> None:
    found = container(name)

    # The image's entry point is the command itself.
    assert "ENTRYPOINT" in dockerfile()
    assert "command" not in found
    result = CliRunner().invoke(commands, [*found["args"], "--help"])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("name", SERVERS)
def test_probes_ask_for_paths_that_the_service_has_whatever_host_they_name(name: str) -> None:
    found = container(name)
    probes = {kind: found[kind]["httpGet"] for kind in ("startupProbe", "readinessProbe", "livenessProbe")}
    paths = {kind: probe["path"] for kind, probe in probes.items()}

    assert paths == {"startupProbe": "/readyz", "readinessProbe": "/readyz", "livenessProbe": "/healthz"}
    assert set(paths.values()) <= {getattr(route, "path", None) for route in router.routes}
    assert set(paths.values()) <= QUIET_PATHS, "the others are refused to whom ALLOWED_HOSTS does not name"
    (port,) = found["ports"]
    assert {probe["port"] for probe in probes.values()} == {port["name"]}
    assert port["containerPort"] == settings_of(name, BASE).app_port
    assert str(port["containerPort"]) in named(r"EXPOSE (.*)", dockerfile()).split()


def variables() -> Iterator[str]:
    yield from config_map(BASE, OVERLAY)
    for name in WORKLOADS:
        yield from (entry["name"] for entry in container(name)["env"])


def test_every_variable_is_a_setting() -> None:
    assert set(variables()) <= {name.upper() for name in Settings.model_fields} | NOT_OURS


@pytest.mark.parametrize("name", WORKLOADS)
def test_secrets_come_from_the_secret_that_the_readme_has_made(name: str) -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    made = set(re.findall(r"^([A-Z_]+)=", readme, re.MULTILINE))
    found = secret_variables(name)
    secrets = {field for field, about in Settings.model_fields.items() if "SecretStr" in str(about.annotation)}

    assert f"create secret generic {SECRET} " in readme
    assert made == SECRET_KEYS
    assert all(key == source["key"] and source["name"] == SECRET for key, source in found.items())
    assert set(found) <= made
    assert {key for key, source in found.items() if source.get("optional")} == OPTIONAL_KEYS & set(found)
    in_the_open = {key.lower() for key in {*config_map(BASE, OVERLAY), *own_variables(name)}}
    assert not in_the_open & {*secrets, "database_url"}


@pytest.mark.parametrize("name", SERVERS)
def test_servers_are_given_every_secret(name: str) -> None:
    assert set(secret_variables(name)) == SECRET_KEYS


@pytest.mark.parametrize("folders", [(BASE,), (BASE, OVERLAY)], ids=["base", "overlay"])
@pytest.mark.parametrize(
    ("name", "role"),
    [("greenroom-api", Role.API), ("greenroom-worker", Role.WORKER), ("greenroom-migrate", Role.ALL)],
)
def test_the_settings_are_valid_for_every_role(name: str, role: Role, folders: tuple[Path, ...]) -> None:
    (source,) = container(name)["envFrom"]
    settings = settings_of(name, *folders)

    assert source["configMapRef"]["name"] == kustomization(BASE)["configMapGenerator"][0]["name"]
    assert settings.role is role
    assert settings.auth_mode is AuthMode.ACCOUNTS
    assert settings.app_host == "0.0.0.0"  # noqa: S104 - what a pod has to bind


@pytest.mark.parametrize("name", SERVERS)
def test_a_pod_has_the_time_to_drain_before_it_is_killed(name: str) -> None:
    before = container(name).get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    drains = settings_of(name, BASE, OVERLAY).drain_seconds

    assert pod(name)["spec"]["terminationGracePeriodSeconds"] > before + drains + SHUTDOWN_SECONDS


# What they say of Prometheus.


def queue_metric() -> str:
    metrics = of_kind("HorizontalPodAutoscaler")["greenroom-worker"]["spec"]["metrics"]
    (found,) = (metric["external"] for metric in metrics if metric["type"] == "External")
    assert found["target"] == {"type": "AverageValue", "averageValue": "10"}
    return str(found["metric"]["name"])


async def test_the_workers_scale_on_a_figure_that_the_service_shows(serve: Serve, make_settings: MakeSettings) -> None:
    async with serve(make_settings()) as client:
        text = (await client.get("/metrics")).text

    assert f"# TYPE {queue_metric()} gauge" in text.splitlines()


def test_the_readme_shows_prometheus_where_the_figures_are() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    shown: Manifest = {}
    for block in re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL):
        shown |= yaml.safe_load(block)
    (scraping,), (rule,) = shown["scrape_configs"], shown["rules"]["external"]
    kept = {
        relabel["source_labels"][0].removeprefix("__meta_kubernetes_pod_"): relabel["regex"]
        for relabel in scraping["relabel_configs"]
        if relabel.get("action") == "keep"
    }

    assert scraping.get("metrics_path", "/metrics") in QUIET_PATHS
    assert Path(scraping["authorization"]["credentials_file"]).name == "METRICS_TOKEN"
    for name in SERVERS:
        assert pod(name)["metadata"]["labels"]["app.kubernetes.io/name"] == kept["label_app_kubernetes_io_name"]
        assert container(name)["ports"][0]["name"] == kept["container_port_name"]
    assert f'__name__="{queue_metric()}"' in rule["seriesQuery"]
    assert rule["metricsQuery"].startswith("max("), "each replica reports the depth of the whole queue"
