"""The page that Prometheus reads: what the core measured, in Prometheus's form.

The core (`pdp/core/src/metrics.rs`) names and counts everything; this module only translates.
"""

from collections.abc import Iterator
from typing import Protocol

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from pdp.errors import ServeError

Sample = tuple[list[str], float | tuple[list[tuple[float, int]], float]]


class Measured(Protocol):
    """What has metrics in the core's form, e.g. `pdp._core.Core`."""

    def metrics(self) -> list[tuple[str, str, str, list[str], list[Sample]]]:
        """See `pdp._core.Core.metrics`."""


class CoreCollector(Collector):
    """Gives the core's metrics each time that they are read."""

    def __init__(self, core: Measured) -> None:
        self._core = core

    def collect(self) -> Iterator[Metric]:
        """One metric family for each of the core's metrics."""
        for name, kind, meaning, labels, samples in self._core.metrics():
            yield _family(name, kind, meaning, labels, samples)


def _family(name: str, kind: str, meaning: str, labels: list[str], samples: list[Sample]) -> Metric:
    if kind == "histogram":
        histogram = HistogramMetricFamily(name, meaning, labels=labels)
        for values, sample in samples:
            if isinstance(sample, tuple):
                buckets, total = sample
                histogram.add_metric(values, _buckets(buckets), sum_value=total)
        return histogram
    family = (CounterMetricFamily if kind == "counter" else GaugeMetricFamily)(name, meaning, labels=labels)
    for values, sample in samples:
        if not isinstance(sample, tuple):
            family.add_metric(values, sample)
    return family


def _buckets(buckets: list[tuple[float, int]]) -> list[tuple[str, float]]:
    return [("+Inf" if bound == float("inf") else str(bound), float(count)) for bound, count in buckets]


class MetricsServer:
    """Serves /metrics. Bound on construction, until `stop`."""

    def __init__(self, core: Measured, address: str) -> None:
        """`address`: HOST:PORT, port 0 takes a free one. Raises ServeError when it cannot be had."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(CoreCollector(core))
        ProcessCollector(registry=registry)
        host, _, port = address.rpartition(":")
        try:
            self._server, self._thread = start_http_server(int(port), host.strip("[]"), registry)
        except OSError as error:
            raise ServeError(f"Cannot serve metrics on {address}: {error.strerror}.") from error
        self.address = f"{host}:{self._server.server_port}"

    def stop(self) -> None:
        """Closes the socket; a page being read is finished first."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
