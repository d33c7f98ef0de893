"""Whoever is woken finds a page that helps; every page has an alert; every alert looks at figures that exist."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Overlay = Callable[[str], list[dict[str, Any]]]

# Metrics of others, tried or documented: RabbitMQ's plugin rabbitmq_prometheus (seen on 3.10.8, with
# /metrics/detailed?family=queue_coarse_metrics&family=queue_consumer_count) and kube-state-metrics.
OF_OTHERS = {
    "rabbitmq_detailed_queue_messages",
    "rabbitmq_detailed_queue_consumers",
    "rabbitmq_queue_messages",
    "rabbitmq_alarms_memory_used_watermark",
    "rabbitmq_alarms_free_disk_space_watermark",
    "kube_deployment_status_replicas_available",
    "kube_deployment_status_replicas_unavailable",
    "kube_pod_container_status_restarts_total",
    "kube_job_failed",
    "kube_cronjob_created",
    "kube_cronjob_status_last_successful_time",
}


@pytest.fixture
def alerts(overlay: Overlay) -> dict[str, dict[str, Any]]:
    """Every alert by its name."""
    (rule,) = (each for each in overlay("operators") if each["kind"] == "PrometheusRule")
    return {each["alert"]: each for group in rule["spec"]["groups"] for each in group["rules"]}


@pytest.fixture
def pages(root: Path) -> dict[str, str]:
    """Every runbook by its file's name."""
    return {path.name: path.read_text() for path in (root / "docs/runbooks").glob("*.md")}


def page_of(alert: dict[str, Any]) -> str:
    """The file's name of an alert's runbook."""
    folder, _, name = str(alert["annotations"]["runbook_url"]).rpartition("/")
    assert folder.endswith("/docs/runbooks")
    return name


def metrics_in(expression: str) -> set[str]:
    """The names of the series that an expression reads."""
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|\b(by|on|without|ignoring) \([^)]*\)", "", expression)
    return set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b(?!\s*\()", bare))


def test_every_alert_has_a_page_that_names_it(alerts: dict[str, dict[str, Any]], pages: dict[str, str]) -> None:
    assert len(alerts) > 12
    for name, alert in alerts.items():
        assert page_of(alert) in pages, name
        assert f"`{name}`" in pages[page_of(alert)], name


def test_every_page_has_an_alert_and_names_no_other(alerts: dict[str, dict[str, Any]], pages: dict[str, str]) -> None:
    for page, text in pages.items():
        named = set(re.findall(r"`(Crossdock[A-Z]\w+)`", text.partition("**What it means.**")[0]))
        assert named, page
        assert named == {name for name, alert in alerts.items() if page_of(alert) == page}, page


def test_every_page_says_what_it_means_and_what_to_do(pages: dict[str, str]) -> None:
    for page, text in pages.items():
        assert text.startswith("# "), page
        assert "**Alert.**" in text, page
        assert "**What it means.**" in text, page
        assert re.search(r"^1\. ", text, re.MULTILINE), page


def test_the_page_on_webhooks_knows_every_reason_to_refuse_one(root: Path, pages: dict[str, str]) -> None:
    source = (root / "services/gateway/src/gateway/webhooks.py").read_text()
    reasons = set(re.findall(r'_refuse(?:_for_now)?\((?:\d+, )?"(\w+)"', source))
    assert len(reasons) > 5
    assert reasons == set(re.findall(r"^\| `(\w+)` \|", pages["webhooks-refused.md"], re.MULTILINE))


def test_alerts_look_at_figures_that_exist(alerts: dict[str, dict[str, Any]], exported: set[str]) -> None:
    for name, alert in alerts.items():
        read = metrics_in(alert["expr"])
        assert read, name
        assert read <= exported | OF_OTHERS, name


def test_an_alert_says_how_bad_it_is_in_one_sentence(alerts: dict[str, dict[str, Any]]) -> None:
    for name, alert in alerts.items():
        assert alert["labels"]["severity"] in ("critical", "warning"), name
        assert re.fullmatch(r"[^\n]+\.", alert["annotations"]["summary"]), name


def test_every_alert_is_tried_by_promtool(alerts: dict[str, dict[str, Any]], root: Path) -> None:
    tried = (root / "tests/deploy/alerts.yaml").read_text()
    assert {name for name in alerts if name not in tried} == {"CrossdockWebhooksUnknown"}


def test_alerts_find_queues_jobs_and_pods_by_the_names_that_they_have(
    alerts: dict[str, dict[str, Any]], overlay: Overlay
) -> None:
    objects = overlay("operators")
    names = {
        "deployment": {each["metadata"]["name"] for each in objects if each["kind"] == "Deployment"},
        "cronjob": {each["metadata"]["name"] for each in objects if each["kind"] == "CronJob"},
        "job_name": {each["metadata"]["name"] for each in objects if each["kind"] == "Job"},
        "container": {"service"},
        "queue": {
            trigger["metadata"]["queueName"]
            for each in objects
            if each["kind"] == "ScaledObject"
            for trigger in each["spec"]["triggers"]
            if trigger["type"] == "rabbitmq"
        },
    }
    for name, alert in alerts.items():
        for label, operator, pattern in re.findall(r'(\w+)(=~|=)"([^"]+)"', alert["expr"]):
            if label in names and pattern != "dead-letters":
                found = {each for each in names[label] if re.fullmatch(pattern, each)}
                assert found == names[label], f"{name}: {label}{operator}{pattern}"


def test_prometheus_scrapes_every_service_once(overlay: Overlay) -> None:
    objects = overlay("operators")
    monitor = next(
        each for each in objects if each["kind"] == "ServiceMonitor" and each["metadata"]["name"] == "crossdock"
    )
    selector = monitor["spec"]["selector"]["matchLabels"].items()
    chosen = [each for each in objects if each["kind"] == "Service" and selector <= each["metadata"]["labels"].items()]
    assert len(chosen) == 5
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["path"] == "/metrics"
    for each in chosen:
        assert endpoint["port"] in {port["name"] for port in each["spec"]["ports"]}


def test_the_dashboard_is_given_to_grafana_as_it_lies_here(overlay: Overlay, root: Path) -> None:
    (dashboard,) = (
        each
        for each in overlay("operators")
        if each["kind"] == "ConfigMap" and each["metadata"]["labels"].get("grafana_dashboard") == "1"
    )
    assert dashboard["data"] == {"crossdock.json": (root / "deploy/grafana/crossdock.json").read_text()}
