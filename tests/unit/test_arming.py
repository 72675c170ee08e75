"""An armed acquisition warns before it expires, and one press makes it wait as long again."""

from __future__ import annotations

import pytest

from daq.services.acquisition import arming
from daq.services.acquisition.arming import Arming
from daq.services.alarms import Alarms
from daq.services.bus import Bus


def test_arming_warns_two_minutes_before_it_expires_and_one_press_renews_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s, alarms = [1000.0], Alarms(Bus())
    monkeypatch.setattr(arming.time, "monotonic", lambda: now_s[0])
    waits = Arming(alarms, 1800.0)

    def after(seconds: float) -> tuple[bool, list[str]]:
        now_s[0] += seconds
        return waits.expired(), [alarm.name for alarm in alarms.active()]

    waits.renew()
    assert after(1679.0) == (False, [])
    assert after(2.0) == (False, ["arming-expires"])
    waits.renew()
    assert after(0.0) == (False, [])
    assert after(1679.0) == (False, [])
    assert after(2.0) == (False, ["arming-expires"])
    assert after(120.0)[0]
