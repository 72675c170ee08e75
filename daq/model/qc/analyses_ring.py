"""Analyses of a PET ring by NEMA NU 2-2018, and of what a PET or SPECT image is laid over or compared with."""

from __future__ import annotations

from daq.model.qc.analyses import AnalysisKind, FigureKind

_NU2 = "NEMA NU 2-2018, section "
_NUCLIDE = ("nuclide", "of the source; else that of the source register")
_ACTIVITY = (("activity", "MBq"), ("assayed", "time, RFC 3339"))

SENSITIVITY = AnalysisKind(
    name="pet-sensitivity",
    title="Sensitivity of a PET ring: a line in sleeves, NEMA NU 2",
    figures=(
        FigureKind("sensitivity", "cps/kBq", "sensitivity without metal", _NU2 + "5", "trues in all"),
        FigureKind("attenuation", "1/mm", "attenuation of the sleeves, fitted", _NU2 + "5", "trues in all"),
        FigureKind("peak_slice", "cps/kBq", "sensitivity of the best slice, with one sleeve", _NU2 + "5.4", "trues"),
    ),
    parameters=(
        ("sleeves", "how many sleeves each frame was measured with, in the order of the frames; else 1, 2, 3, 4, 5"),
        ("offsets_mm", "how far from the axis the line was in each frame; else 0, with ten frames 0 and then 100"),
        ("sleeve_wall_mm", "wall of each sleeve, mm; else 1.25"),
        _NUCLIDE,
    ),
    entries=_ACTIVITY,
)
NECR = AnalysisKind(
    name="pet-scatter-necr",
    title="Scatter fraction, count losses and randoms of a PET ring, NEMA NU 2",
    figures=(
        FigureKind("scatter_fraction", "%", "scatter fraction at low activity", _NU2 + "4.4", "trues and scatter"),
        FigureKind("peak_necr", "kcps", "peak noise-equivalent count rate", _NU2 + "4"),
        FigureKind("peak_necr_at", "kBq/mL", "activity concentration at the peak of NECR", _NU2 + "4"),
        FigureKind("highest_necr", "kcps", "highest noise-equivalent count rate of a frame", _NU2 + "4"),
        FigureKind("loss", "%", "loss of trues and scatter at the highest activity", _NU2 + "4.4.6"),
    ),
    parameters=(
        ("k", "of T^2 / (T + S + k R): 1 where randoms are taken off without noise, 2 where delayeds are subtracted"),
        ("phantom_ml", "volume that activity is divided by, mL; else 22000"),
        ("bin_mm", "width of bins across, mm; else the pitch of crystals"),
        _NUCLIDE,
    ),
    required=("k",),
    entries=_ACTIVITY,
)
RESOLUTION = AnalysisKind(
    name="pet-resolution",
    title="Spatial resolution of a PET ring: point sources, NEMA NU 2",
    figures=tuple(
        FigureKind(f"{name}_{width}", "mm", f"{name} {meaning}, filtered back-projection", _NU2 + "3", "prompts used")
        for name in ("radial", "tangential", "axial")
        for width, meaning in (("fwhm", "width at half maximum"), ("fwtm", "width at a tenth"))
    ),
    parameters=(
        ("positions_mm", "x, y, z of the source in each frame, mm, one after the other; else not checked"),
        ("ring_difference", "rings that two detectors may be apart; else 1"),
    ),
)
TOF = AnalysisKind(
    name="pet-tof-resolution",
    title="Time-of-flight resolution of a PET ring: a line source, NEMA NU 2",
    figures=(
        FigureKind("tof_fwhm", "ps", "time-of-flight resolution", _NU2 + "8", "trues"),
        FigureKind("tof_fwhm_mm", "mm", "time-of-flight resolution along the line, c dt / 2", _NU2 + "8", "trues"),
        FigureKind("tof_offset", "ps", "middle of the time errors", "", "trues"),
    ),
    parameters=(("bin_ps", "width of bins of time, ps; else 10"),),
)
CROSS_CALIBRATION = AnalysisKind(
    name="pet-cross-calibration",
    title="Activity concentration: scanner against well counter and dose calibrator",
    figures=(
        FigureKind("ratio", "1", "activity concentration over the reference's"),
        FigureKind("deviation", "%", "bias of the activity concentration"),
    ),
    made_of="entered",
    parameters=(("nuclide", "in the phantom; else F-18"),),
    entries=(
        ("scanner", "kBq/mL"), ("scanner_time", "time, RFC 3339"), ("scanner_error", "%"),
        ("well_counter", "kBq/mL"), ("well_counter_time", "time, RFC 3339"), ("well_counter_error", "%"),
        ("phantom_activity", "MBq"), ("phantom_time", "time, RFC 3339"), ("phantom_volume", "mL"),
    ),
)  # fmt: skip


def _registration(name: str, title: str) -> AnalysisKind:
    return AnalysisKind(
        name=name,
        title=title,
        figures=(
            FigureKind("translation", "mm", "translation from CT to emission"),
            FigureKind("rotation", "deg", "rotation from CT to emission"),
            FigureKind("residual", "mm", "residual after the best shift and turn, root mean square"),
            FigureKind("worst", "mm", "largest distance of a point in both systems"),
        ),
        made_of="entered",
        entries=(("emission", "points x y z; x y z; ... mm"), ("ct", "points x y z; x y z; ... mm")),
    )


KINDS: tuple[AnalysisKind, ...] = (
    SENSITIVITY,
    NECR,
    RESOLUTION,
    TOF,
    CROSS_CALIBRATION,
    _registration("pet-ct-registration", "Registration of PET and CT: point sources seen by both"),
    _registration("spect-ct-registration", "Registration of SPECT and CT: point sources seen by both"),
)
