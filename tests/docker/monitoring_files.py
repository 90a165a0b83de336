"""monitoring_files.py: compose.yaml, Grafana's provisioning, the dashboard, the alerts and their runbook fit together.

The compose file is checked for what Docker's own `compose` and docker-compose 1.29 read differently, as only the latter can be installed here.
"""

import json
import pathlib
import re
import sys

import yaml

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
DOCKER = REPOSITORY / "docker"
SAMPLE = ["sample-consumer", "sample-producer", "sample-topic"]


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def check_compose(compose):
    """Keys that both versions know, ports of this machine alone, files that exist."""
    assert set(compose) == {"services", "volumes"}, f"docker-compose 1.29 refuses others, such as `name`: {set(compose)}"
    services = compose["services"]
    assert sorted(name for name, one in services.items() if "profiles" in one) == SAMPLE
    for name, service in services.items():
        for port in service.get("ports", ()):
            assert port.startswith(("127.0.0.1:", "${OTTLA_BIND:-127.0.0.1}:")), f"{name} publishes {port} to other machines"
        for volume in service.get("volumes", ()):
            source, target, *mode = volume.split(":")
            if source.startswith("."):
                assert (DOCKER / source).exists(), f"{name}: no {source}"
                assert mode == ["ro"], f"{name} may change {source}"
            else:
                assert source in compose["volumes"], f"{name}: no volume {source}"
        if name.startswith("sample-"):
            # They run beside a broker and are none.
            assert service["image"] == services["ottla"]["image"] and service["healthcheck"] == {"disable": True}, name


def mounted(service, target):
    """The file of this checkout that a container finds at a path."""
    for volume in service["volumes"]:
        source, at = volume.split(":")[:2]
        if source.startswith(".") and pathlib.PurePath(target).is_relative_to(at):
            return DOCKER / source / pathlib.PurePath(target).relative_to(at)
    raise AssertionError(f"no volume holds {target}")


def check_grafana(compose):
    """The paths inside of the container lead to the files, and the data source to the Prometheus beside it."""
    grafana, prometheus = compose["services"]["grafana"], compose["services"]["prometheus"]
    provisioning = "/etc/grafana/provisioning"
    (source,) = read(mounted(grafana, f"{provisioning}/datasources/ottla.yml"))["datasources"]
    assert grafana["environment"]["GF_SECURITY_ADMIN_PASSWORD"] == "${OTTLA_GRAFANA_PASSWORD:-admin}", "docs/operations.md names the variable"
    port = prometheus["ports"][0].rsplit(":", 1)[1]
    assert source["type"] == "prometheus" and source["url"] == f"http://prometheus:{port}", source
    scrapes = read(mounted(prometheus, "/etc/prometheus/prometheus.yml"))
    assert source["jsonData"]["timeInterval"] == scrapes["global"]["scrape_interval"], "Grafana expects other times between scrapes"
    (provider,) = read(mounted(grafana, f"{provisioning}/dashboards/ottla.yml"))["providers"]
    folder = mounted(grafana, provider["options"]["path"])
    assert mounted(grafana, grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]) in folder.iterdir()
    for file in folder.iterdir():
        dashboard = json.loads(file.read_text(encoding="utf-8"))
        sources = {json.dumps(panel["datasource"]) for panel in dashboard["panels"] if "datasource" in panel}
        assert sources == {'{"type": "prometheus", "uid": "${datasource}"}'}, f"{file.name} cannot be imported elsewhere: {sources}"
        check_places(dashboard["panels"])


def check_places(panels):
    """No two panels overlap, none is wider than the page."""
    taken = {}
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"], f"{panel['title']} covers {taken[x, y]}"


def check_alerts():
    """Each alert has a severity and a section in the runbook, and each section an alert."""
    text = (REPOSITORY / "docs/alerts.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"(?ms)^### (\w+)\n(.*?)(?=^##|\Z)", text))
    rules = [rule for group in read(DOCKER / "alerts.yml")["groups"] for rule in group["rules"]]
    names = [rule["alert"] for rule in rules]
    assert sorted(sections) == sorted(names), f"without a section, or without an alert: {set(sections) ^ set(names)}"
    for rule in rules:
        assert rule["labels"]["severity"] in ("critical", "warning"), rule
        notes = rule["annotations"]
        assert set(notes) == {"summary", "description", "runbook_url"} and notes["runbook_url"] == f"docs/alerts.md#{rule['alert'].lower()}", rule
        for part in ("- **Meaning**: ", "- **Look at**: ", "- **Do**: "):
            assert part in sections[rule["alert"]], f"{rule['alert']}: {part}"


def main():
    compose = read(DOCKER / "compose.yaml")
    check_compose(compose)
    check_grafana(compose)
    check_alerts()
    print("   ok: the files of compose.yaml fit together", file=sys.stderr)


if __name__ == "__main__":
    main()
