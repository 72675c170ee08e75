"""The ASICs of a front end as their configuration link shows them: who answers, and what each was told."""

from __future__ import annotations

from dataclasses import dataclass, field

from daq.wire.petsys_asic import CHANNEL_AFTER_RESET, GLOBAL_AFTER_RESET_2C
from daq.wire.petsys_config import ASIC_CHANNELS, AsicCode, AsicCommand, AsicStatus
from simulators.petsys.registers import asics_per_module

_PER_SPI_MODULE = 256


@dataclass(slots=True)
class Asic:
    """What one ASIC, a TOFPET 2c, was configured to."""

    common: int = GLOBAL_AFTER_RESET_2C
    channels: list[int] = field(default_factory=lambda: [CHANNEL_AFTER_RESET] * ASIC_CHANNELS)


class AsicBus:
    """All configuration links. An ASIC that is not there, or has no power, does not acknowledge."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._per_module = asics_per_module(count)
        self._asics: list[Asic] = []
        self.reset()

    @property
    def present(self) -> int:
        """Return which ASICs there are, a bit each."""
        return (1 << self._count) - 1

    def reset(self) -> None:
        """Forget every configuration."""
        self._asics = [Asic() for _ in range(self._count)]

    def chip_of(self, spi_id: int) -> int | None:
        """Return which ASIC a command is for; None: nobody is there."""
        module, place = divmod(spi_id, _PER_SPI_MODULE)
        chip = module * self._per_module + place
        return chip if place < self._per_module and chip < self._count else None

    def execute(self, command: AsicCommand, *, powered: bool) -> tuple[AsicStatus, int]:
        """Return status and, after a read, the configuration."""
        chip = self.chip_of(command.spi_id)
        if chip is None or not powered:
            return AsicStatus.BAD_ACKNOWLEDGE, 0
        asic, channel, value = self._asics[chip], command.channel, command.value
        if channel is None:
            asic.common = asic.common if value is None else value
            return AsicStatus.OK, asic.common
        if channel >= ASIC_CHANNELS:
            return AsicStatus.BAD_ACKNOWLEDGE, 0
        if command.code is AsicCode.WRITE_CHANNEL and value is not None:
            asic.channels[channel] = value
        return AsicStatus.OK, asic.channels[channel]
