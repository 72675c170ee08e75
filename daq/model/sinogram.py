"""Which two detectors an address in a sinogram means: offset = (plane * views + view) * projections + projection.

The sinogram is the uncompressed one of a ring: a plane is a pair of rings, and a bin is exactly one pair of
detectors. Order of the planes: UCL/STIR, src/listmode_buildblock/CListRecordECAT8_32bit.cxx, and NiftyPET/NIPET,
niftypet/nipet/mmraux.py (`sn1_rno`). View and projection: the transaxial tables of the latter, which count crystals so
that the ninth position of a block is the gap; STIR's ProjDataInfoCylindricalNoArcCorr.cxx, after CTI, counts the same
crystals one higher. A recording of a Biograph mMR agrees: none of its 254,201 coincidences lies in a gap between
blocks, and the sign of the ring difference is the one under which crystals differ most from each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import NonNegativeInt, PositiveInt

from daq.errors import MismatchError, RefusedError
from daq.model.layout import Strict
from daq.model.scanner import Ring

Numbers = npt.NDArray[np.uint32]


class Sinogram(Strict):
    """How bin addresses of a recording count."""

    projections: PositiveInt
    """Positions across the field of view."""
    views: PositiveInt
    """Angles over half a turn."""
    rings: PositiveInt
    max_ring_difference: NonNegativeInt
    axial_compression: PositiveInt
    """Ring differences that share a segment (the span)."""
    tof_bins: PositiveInt = 1

    @property
    def planes(self) -> int:
        """Return the number of planes without axial compression: one per allowed pair of rings."""
        return self.rings + self.max_ring_difference * (2 * self.rings - self.max_ring_difference - 1)

    @property
    def bins(self) -> int:
        """Return the number of bins."""
        return self.planes * self.views * self.projections


@dataclass(frozen=True, slots=True, eq=False)
class PairTable:
    """Detector pairs of a sinogram as tables: crystals by bin in a plane, first number of a ring by plane. uint32."""

    bins: int
    crystal_1: Numbers
    crystal_2: Numbers
    ring_1: Numbers
    ring_2: Numbers

    def detectors(self, bin_address: Numbers) -> tuple[Numbers, Numbers]:
        """Return the detector numbers of bin addresses [n], the lower one first, both uint32 [n].

        Raise `MismatchError` for an address beyond the sinogram.
        """
        if len(bin_address) and int(bin_address.max()) >= self.bins:
            raise MismatchError(
                f"bin address {int(bin_address.max())}: the sinogram that the header describes has {self.bins} bins"
            )
        plane, within = np.divmod(bin_address, np.uint32(len(self.crystal_1)))
        first = self.ring_1[plane] + self.crystal_1[within]
        second = self.ring_2[plane] + self.crystal_2[within]
        return np.minimum(first, second), np.maximum(first, second)


def pair_table(sinogram: Sinogram, ring: Ring) -> PairTable:
    """Return the tables, or raise: `MismatchError` for another scanner's sinogram, `RefusedError` for a compressed one.

    A bin of a compressed sinogram stands for several pairs of detectors; which one it was is not recorded.
    """
    _require_fit(sinogram, ring)
    if sinogram.axial_compression != 1:
        raise RefusedError(
            f"axial compression {sinogram.axial_compression}: a bin stands for several pairs of rings, and which it "
            "was is not recorded; only compression 1 can be turned into pairs of detectors"
        )
    if sinogram.tof_bins != 1:
        raise RefusedError(f"{sinogram.tof_bins} time-of-flight bins: bin addresses are understood without them only")
    view, position = np.divmod(np.arange(sinogram.views * sinogram.projections), sinogram.projections)
    position -= sinogram.projections // 2
    around = ring.detectors_per_ring
    rings = np.array(_ring_pairs(sinogram), np.int64) * ring.ring_step
    return PairTable(
        sinogram.bins,
        ((view + (position >> 1) - 1) % around).astype(np.uint32),
        ((view - ((position + 1) >> 1) - 1 + around // 2) % around).astype(np.uint32),
        rings[:, 0].astype(np.uint32),
        rings[:, 1].astype(np.uint32),
    )


def _require_fit(sinogram: Sinogram, ring: Ring) -> None:
    for what, stated, wanted in (
        ("rings", sinogram.rings, ring.rings),
        ("views", sinogram.views, ring.detectors_per_ring // 2),
    ):
        if stated != wanted:
            raise MismatchError(f"the header says {stated} {what}, the scanner profile means {wanted}")
    if sinogram.projections > ring.detectors_per_ring or sinogram.max_ring_difference >= sinogram.rings:
        raise MismatchError(
            f"{sinogram.projections} projections and ring difference {sinogram.max_ring_difference}: a scanner of "
            f"{ring.rings} rings of {ring.detectors_per_ring} has no such sinogram"
        )


def _ring_pairs(sinogram: Sinogram) -> list[tuple[int, int]]:
    """Return the rings of each plane: ring difference 0, then -1, +1, -2, +2 ..., each from the lowest rings up."""
    pairs = [(ring, ring) for ring in range(sinogram.rings)]
    for apart in range(1, sinogram.max_ring_difference + 1):
        lower = range(sinogram.rings - apart)
        pairs += [(ring + apart, ring) for ring in lower]
        pairs += [(ring, ring + apart) for ring in lower]
    return pairs
