"""Analyses of the daily scan of a PET ring and its calibrations.

Subjects are `block 17` (module of `daq.model.scanner.modules`), `plane 3` (ring of crystals) and `crystal 1234`
(detector number); a figure of the whole ring has the subject "". What each is made of: docs/reference/qc-pet-daily.md.
"""

from __future__ import annotations

from daq.model.qc.analyses import AnalysisKind, FigureKind

_BLOCK = "trues of the block"
_PEAK = "singles in the photopeak"

DAILY = AnalysisKind(
    name="pet-daily",
    title="Daily scan of a cylinder in the middle of the ring",
    figures=(
        FigureKind("sensitivity", "cps/MBq", "trues a second per MBq of the source as it was then", "", "trues"),
        FigureKind("peak", "keV", "photopeak of 511 keV, all singles", "", _PEAK),
        FigureKind("resolution", "%", "full width at half maximum of the photopeak, all singles", "", _PEAK),
        FigureKind("ctr", "ps", "coincidence resolving time (FWHM), flight in the cylinder taken off", "", "trues"),
        FigureKind("ctr_measured", "ps", "the same as it was measured, flight in the cylinder in it", "", "trues"),
        FigureKind("prompts_rate", "cps", "prompts a second", "", "prompts"),
        FigureKind("trues_rate", "cps", "prompts less delayeds a second", "", "trues"),
        FigureKind("randoms_fraction", "%", "delayeds over prompts", "", "delayeds"),
        FigureKind("randoms_of_singles", "%", "delayeds over 2 W S_i S_j of the singles in the window", "", "delayeds"),
        FigureKind("phantom_x_mm", "mm", "middle of the cylinder along x, of lines of response", "", "trues"),
        FigureKind("phantom_y_mm", "mm", "middle of the cylinder along y, of lines of response", "", "trues"),
        FigureKind("background_share", "%", "prompts less delayeds a second without the source, over those with it"),
        FigureKind("dead_blocks", "1", "blocks that see less than a tenth of what their row sees"),
        FigureKind("noisy_blocks", "1", "blocks that see more than twice the singles of their row"),
        FigureKind("block_efficiency", "%", "efficiency of a block, mean of the live ones 100", "", _BLOCK),
        FigureKind("block_sensitivity", "cps/MBq", "trues a second of a block per MBq", "", _BLOCK),
        FigureKind("block_of_reference", "%", "`block_sensitivity` over that of the signed reference", "", _BLOCK),
        FigureKind("block_singles", "cps", "singles a second of a block", "", "singles"),
        FigureKind("block_peak", "keV", "photopeak of a block", "", _PEAK),
        FigureKind("block_resolution", "%", "full width at half maximum of a block's photopeak", "", _PEAK),
        FigureKind("block_time_offset", "ps", "how late a block is, mean of all 0", "", _BLOCK),
        FigureKind("block_time_width", "ps", "FWHM of time differences with a block in them", "", _BLOCK),
        FigureKind(
            "plane_efficiency", "%", "efficiency of a ring of crystals, mean of all 100", "", "trues of the plane"
        ),
    ),
    parameters=(
        ("cylinder_radius_mm", "radius of the active volume, mm: for the flight time within it"),
        ("background_most_percent", "trues a second without the source, in per cent of those with it, at most"),
        ("centre_most_mm", "how far the cylinder may be from the axis, mm"),
        ("prompts_needed", "fewer prompts than that and nothing is said"),
        ("spectrum_singles", "singles that spectra are made of at most, spread over the step (default 20000000)"),
    ),
    required=("cylinder_radius_mm", "background_most_percent", "centre_most_mm", "prompts_needed"),
)

NORMALISATION = AnalysisKind(
    name="pet-normalisation",
    title="Efficiencies of crystals by a cylinder",
    figures=(
        FigureKind(
            "efficiency_spread", "%", "standard deviation of crystals' efficiencies, noise taken off", "", "trues"
        ),
        FigureKind("efficiency_noise", "%", "what counting alone gives of a crystal, the middle one", "", "trues"),
        FigureKind("dead_crystals", "1", "crystals below a tenth of the middle one"),
        FigureKind("weak_blocks", "1", "blocks with more than a quarter of their crystals dead"),
        FigureKind("position_spread", "%", "largest less smallest efficiency by place within a block, of their mean"),
        FigureKind("misfit", "1", "chi-squared per degree of freedom of pairs of blocks against the model"),
    ),
    parameters=(("trues_needed", "trues per crystal, at the least"),),
    required=("trues_needed",),
)

TIMING = AnalysisKind(
    name="pet-timing-alignment",
    title="Time offsets of crystals by a cylinder",
    figures=(
        FigureKind("ctr_before", "ps", "coincidence resolving time (FWHM) as recorded", "", "trues"),
        FigureKind("ctr_after", "ps", "the same with the offsets that were found", "", "trues"),
        FigureKind("offset_spread", "ps", "standard deviation of the offsets", "", "trues"),
        FigureKind(
            "offset_noise", "ps", "what counting alone gives of a crystal's offset, the middle one", "", "trues"
        ),
        FigureKind("largest_offset", "ps", "the offset furthest from 0, without its sign"),
        FigureKind("crystals_without_offset", "1", "crystals with too few counts"),
    ),
    parameters=(
        ("trues_needed", "trues of a crystal, at the least"),
        ("cylinder_radius_mm", "radius of the active volume, mm (default 0: a line source)"),
    ),
    required=("trues_needed",),
)

ENERGY = AnalysisKind(
    name="pet-energy-calibration",
    title="Energies of crystals by the photopeak of 511 keV",
    figures=(
        FigureKind(
            "peak", "keV", "photopeak of all crystals as recorded; of codes where nothing is calibrated", "", _PEAK
        ),
        FigureKind("resolution_before", "%", "full width at half maximum over all crystals as recorded", "", _PEAK),
        FigureKind("resolution_after", "%", "the same with the gains that were found", "", _PEAK),
        FigureKind("gain_spread", "%", "standard deviation of the gains, of their mean", "", _PEAK),
        FigureKind("gain_noise", "%", "what counting alone gives of a crystal's gain, the middle one", "", _PEAK),
        FigureKind("crystals_without_gain", "1", "crystals with too few counts, or without a peak"),
    ),
    parameters=(("peak_needed", "counts in the photopeak of a crystal, at the least"),),
    required=("peak_needed",),
)

KINDS: tuple[AnalysisKind, ...] = (DAILY, NORMALISATION, TIMING, ENERGY)
