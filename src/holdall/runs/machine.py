"""What this machine is doing: processor, memory, disk, network, and NVIDIA's GPUs where there are any.

The names are MLflow's, without the `system/` before them. A library that cannot tell something
leaves it out.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

from holdall.libraries import library

_MEGA: Final = 1e6


class Machine:
    """This machine, from now on: network traffic is counted from the moment that this is made.

    Raises:
        MissingLibraryError: psutil is not installed.
    """

    def __init__(self) -> None:
        self._psutil = library("psutil", "measuring the machine")
        self._psutil.cpu_percent()  # what it gives next is since now
        self._gpus = _gpus()
        self._received, self._sent = self._traffic()

    def sample(self) -> dict[str, float]:
        """Return what can be measured now, by MLflow's names. Cost: a millisecond or so, and no request."""
        found: dict[str, float] = {}
        for readings in (self._processor, self._disk, self._network, self._gpu):
            with suppress(Exception):  # a container without /proc/diskstats, a GPU that fell off the bus
                found.update(readings())
        return found

    def _processor(self) -> Iterator[tuple[str, float]]:
        yield "cpu_utilization_percentage", self._psutil.cpu_percent()
        memory = self._psutil.virtual_memory()
        yield "system_memory_usage_megabytes", memory.used / _MEGA
        yield "system_memory_usage_percentage", 100 * memory.used / memory.total

    def _disk(self) -> Iterator[tuple[str, float]]:
        disk = self._psutil.disk_usage(os.sep)
        yield "disk_usage_percentage", disk.percent
        yield "disk_usage_megabytes", disk.used / _MEGA
        yield "disk_available_megabytes", disk.free / _MEGA

    def _network(self) -> Iterator[tuple[str, float]]:
        received, sent = self._traffic()
        yield "network_receive_megabytes", (received - self._received) / _MEGA
        yield "network_transmit_megabytes", (sent - self._sent) / _MEGA

    def _traffic(self) -> tuple[int, int]:
        with suppress(Exception):
            counters = self._psutil.net_io_counters()
            return counters.bytes_recv, counters.bytes_sent
        return 0, 0

    def _gpu(self) -> Iterator[tuple[str, float]]:
        nvml, handles = self._gpus
        for n, handle in enumerate(handles):
            with suppress(nvml.NVMLError):
                memory = nvml.nvmlDeviceGetMemoryInfo(handle)
                yield f"gpu_{n}_memory_usage_percentage", 100 * memory.used / memory.total
                yield f"gpu_{n}_memory_usage_megabytes", memory.used / _MEGA
            with suppress(nvml.NVMLError):
                yield f"gpu_{n}_utilization_percentage", nvml.nvmlDeviceGetUtilizationRates(handle).gpu
            with suppress(nvml.NVMLError):
                watts = nvml.nvmlDeviceGetPowerUsage(handle) / 1000
                yield f"gpu_{n}_power_usage_watts", watts
                yield f"gpu_{n}_power_usage_percentage", 1e5 * watts / nvml.nvmlDeviceGetEnforcedPowerLimit(handle)


def _gpus() -> tuple[Any, list[Any]]:
    """NVIDIA's library and its GPUs; none where either is missing."""
    try:
        import pynvml

        pynvml.nvmlInit()
        return pynvml, [pynvml.nvmlDeviceGetHandleByIndex(n) for n in range(pynvml.nvmlDeviceGetCount())]
    except Exception:  # no library, no driver, no GPU: all the same here
        return None, []


def averages(samples: list[dict[str, float]]) -> dict[str, float]:
    """Return the mean of each reading, to a tenth; of traffic, which adds up, the last one."""
    names = dict.fromkeys(name for sample in samples for name in sample)
    values = {name: [sample[name] for sample in samples if name in sample] for name in names}
    return {
        name: some[-1] if name.startswith("network_") else round(sum(some) / len(some), 1)
        for name, some in values.items()
    }
