"""The daemon's file, parsed by the node exporter."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from bat2influx.daemon import metrics
from bat2influx.daemon.textfile import TextFile
from bat2influx.venus.protocol import NoValue
from tests.support.node_exporter import NodeExporter, samples
from tests.unit.daemon.test_metrics import BEHIND, CELLAR, FLEET, LOST, NUMBERS, REPORT


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeExporter]:
    """A node exporter and its directory, which is empty after each test."""
    directory = tmp_path_factory.mktemp("textfile")
    with NodeExporter(directory, directory.with_suffix(".log")) as started:
        yield started
        assert not list(directory.iterdir())


def test_the_node_exporter_reads_every_number(exporter: NodeExporter) -> None:
    """Its parser returns all numbers of the file, with help and type, and no error."""
    file = TextFile(exporter.directory / "bat2influx.prom")
    devices = (FLEET._replace(missing=LOST, clock_difference=BEHIND.clock_difference),)
    file.write(metrics.prometheus_text(REPORT._replace(devices=devices), "1.2.3"), 0.0)
    text = exporter.scrape()
    found = samples(text)
    assert found["node_textfile_scrape_error"] == 0
    for name, number in NUMBERS.items():
        assert found[f"bat2influx_{name}"] == number, name
        kind = "counter" if name.endswith("_total") else "gauge"
        assert f"# TYPE bat2influx_{name} {kind}\n" in text
        assert re.search(f"# HELP bat2influx_{name} [A-Z].*[.]\n", text)
    assert found['bat2influx_info{version="1.2.3"}'] == 1
    for reason in NoValue:
        name = f'bat2influx_messages_without_value_total{{reason="{reason.value}"}}'
        assert found[name] == CELLAR.no_values.get(reason, 0)
    ours = [name for name in found if name.startswith("bat2influx_")]
    assert len(ours) == len(NUMBERS) + 1 + len(NoValue) + len(LOST)
    file.remove()
    assert not [name for name in exporter.samples() if name.startswith("bat2influx_")]


def test_the_files_of_two_daemons_are_read(exporter: NodeExporter) -> None:
    """All metrics of the second file have another label; otherwise the exporter rejects it."""
    files = [TextFile(exporter.directory / f"{name}.prom") for name in ("bat2influx", "boat")]
    files[0].write(metrics.prometheus_text(REPORT, "1.2.3"), 0.0)
    files[1].write(metrics.prometheus_text(REPORT._replace(waiting=12), "1.2.3", "boat"), 0.0)
    found = exporter.samples()
    assert found["bat2influx_values_waiting"] == 11
    assert found['bat2influx_values_waiting{config="boat"}'] == 12
    assert found['bat2influx_info{config="boat",version="1.2.3"}'] == 1
    ours = [name for name in found if name.startswith("bat2influx_")]
    assert len([name for name in ours if 'config="boat"' in name]) * 2 == len(ours)
    for file in files:
        file.remove()


def test_a_label_may_contain_any_character(exporter: NodeExporter) -> None:
    """Quotes and backslashes in a name are unchanged in the result."""
    file = TextFile(exporter.directory / "odd.prom")
    odd = 'in the "cellar" \\ or é, {so}'
    file.write(metrics.prometheus_text(REPORT, "1.2.3", odd), 0.0)
    found = exporter.samples()
    assert found["node_textfile_scrape_error"] == 0
    escaped = odd.replace("\\", r"\\").replace('"', r"\"")
    assert found[f'bat2influx_values_waiting{{config="{escaped}"}}'] == 11
    file.remove()
