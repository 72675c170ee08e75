"""The record of a CT that is handed over to a PET scanner, as an operator would state it."""

from __future__ import annotations

from typing import Any

RECORD: dict[str, Any] = {
    "frame_of_reference_uid": "1.2.826.0.1.3680043.2.1", "ct_series_uid": "1.2.826.0.1.3680043.2.2",
    "orientation": "HFS", "table_height_mm": -160.5, "table_traverse_mm": 1020.0, "table_sag_mm": 1.5,
    "registration_id": "ct-to-pet-7", "registration_date": "2026-11-02", "kvp": 120, "emission_energy_kev": 511,
    "hu_to_mu_per_cm": [[-1000, 0.0], [0, 0.096], [1000, 0.146], [3000, 0.24]], "arms": "up", "breathing": "shallow",
    "contrast": "none",
}  # fmt: skip
