"""The fields of a TOFPET2 ASIC's configuration: 184 global bits, 125 bits for each channel.

A configuration is an integer: its bit k is bit k of the register. Some fields have their highest bit at the lowest
place, some are scattered; the places of each are written here, the highest bit of the field first.

Source: PETsys `sw_daq_tofpet2` 194662e, `src/petsys_py_lib/tofpet2b.py` and `tofpet2c.py`.
"""

from __future__ import annotations

from daq.errors import WireError

Places = tuple[int, ...]

GLOBAL_AFTER_RESET_2B = int(
    "1100011110010111111101011010110111001011011110001101000100110011101110110110011001011111001110111110111011111000"
    "111111111110010111101111111001111111011000010011000100001101000000010110",
    2,
)
GLOBAL_AFTER_RESET_2C = int(
    "1100011110010111111101011010110111001011011110001101000100110011101110110110011001011111001110111110111011111000"
    "111111111110010111101111111001111111011000010011111100001101000000010110",
    2,
)
"""What an ASIC holds after a reset, by which its revision is told."""
CHANNEL_AFTER_RESET = int(
    "10100100100000100000000001101100000000001111010011101111111000111101000000111000001110111101010100101010111110000000"
    "000000000",
    2,
)

_GLOBAL = """
tx_nlinks 1:0, tx_ddr 2, tx_mode 4:3, debug_mode 5, veto_mode 11:6, tdc_clk_div 12, r_clk_en 15:13, stop_ramp_en 19:18,
counter_en 20, counter_period 23:21, tac_refresh_en 24, tac_refresh_period 28:25, data_clk_div 30:29, unused_1 31,
fetp_enable 32, input_polarity 33, attenuator_ls 34:39, v_ref_diff_bias_ig 40:45, v_cal_ref_ig 46:50,
fe_postamp_t 51:55, fe_postamp_e 56:60, v_cal_tp_top 61:65, v_cal_diff_bias_ig 66:70, v_att_diff_bias_ig 71:76,
v_integ_ref_ig 77:82, imirror_bias_top 83:87, tdc_comp_bias 88:92, tdc_i_lsb 93:97, disc_lsb_t1 98:103,
vdifffoldcas 109:114, disc_vcas 115:118, disc_lsb_e 119:124, tdc_i_ref 125:129, tdc_comp_vcas 130:133,
main_global_dac 135:139, fe_ib1 140:145, disc_ib 146:151, disc_lsb_t2 152:157, tdc_tac_vcas_p 158:162,
tdc_tac_vcas_n 163:166, adebug_out_mode 167:168, tdc_global_dac 169:174, disc_sf_bias 178:183
"""
_GLOBAL_2B = _GLOBAL + ", fe_ib2 134 104:108"
_GLOBAL_2C = _GLOBAL + ", fe_ib2 134 176 104:108, adebug_buffer 175"

_CHANNEL = """
trigger_mode_1 1:0, debug_mode 3:2, sync_chain_length 5:4, dead_time 11:6, counter_mode 15:12, tac_max_age 20:16,
tac_min_age 25:21, trigger_mode_2_t 27:26, trigger_mode_2_e 30:28, trigger_mode_2_q 32:31, trigger_mode_2_b 35:33,
branch_en_eq 36, branch_en_t 37, qdc_mode 38, trigger_b_latched 39, min_intg_time 46:40, max_intg_time 53:47,
output_en 55:54, qtx2_en 56, baseline_t 62:57, vth_t1 68:63, vth_t2 74:69, vth_e 80:75, fe_delay 84 88 87 85 86,
postamp_gain_t 89:90, postamp_gain_e 91:92, postamp_sh_e 94:93, intg_en 95, intg_signal_en 96, att 99:97,
tdc_current_t 103:100, tdc_current_e 107:104, fe_tp_en 109:108, ch63_obuf_msb 110, t1_hysteresis 117:115,
t2_hysteresis 120:118, e_hysteresis 123:121, hysteresis_en_n 124
"""
_CHANNEL_2B = _CHANNEL + ", baseline_e 83:81, integ_source_sw 111"
_CHANNEL_2C = _CHANNEL + ", baseline_e 82 83 81, integ_source_sw 112:111"


def _places(text: str) -> dict[str, Places]:
    """Return the bits of each field: `a:b` counts from a to b, whichever is the higher one."""
    fields: dict[str, Places] = {}
    for entry in text.replace("\n", " ").split(","):
        name, *parts = entry.split()
        bits: list[int] = []
        for part in parts:
            first, last = int(part.partition(":")[0]), int(part.rpartition(":")[2])
            step = 1 if last >= first else -1
            bits += range(first, last + step, step)
        fields[name] = tuple(bits)
    return fields


GLOBAL_FIELDS = {"2B": _places(_GLOBAL_2B), "2C": _places(_GLOBAL_2C)}
CHANNEL_FIELDS = {"2B": _places(_CHANNEL_2B), "2C": _places(_CHANNEL_2C)}
"""Bits of each field by revision of the ASIC, the highest bit of the field first."""


def revision_of(global_config: int) -> str | None:
    """Return "2B" or "2C" for the global configuration of an ASIC that has just been reset, None for any other."""
    return {GLOBAL_AFTER_RESET_2B: "2B", GLOBAL_AFTER_RESET_2C: "2C"}.get(global_config)


def read_field(config: int, places: Places) -> int:
    """Return the value of a field."""
    value = 0
    for place in places:
        value = value << 1 | config >> place & 1
    return value


def with_field(config: int, places: Places, value: int) -> int:
    """Return `config` with a field set; raise `WireError` for a value that does not fit."""
    if not 0 <= value < 1 << len(places):
        raise WireError(f"ASIC: {value} does not fit the {len(places)} bits of its field")
    for position, place in enumerate(reversed(places)):
        config = config & ~(1 << place) | (value >> position & 1) << place
    return config
