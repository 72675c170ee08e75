"""Which courier the datagrams of a control profile need."""

from __future__ import annotations

from daq.model.control import ControlProfile
from daq.wire.control.courier import Courier
from daq.wire.control.ipbuscourier import MOST_UNDER_WAY, IpbusCourier
from daq.wire.control.rbcpcourier import RbcpCourier

_IPBUS_RESEND_S = 0.02


def courier_of(profile: ControlProfile) -> Courier | None:
    """Return a courier for one conversation; None where the profile's protocol needs none."""
    conversation = profile.conversation
    match profile.framing.codec:
        case "ipbus-udp":
            return IpbusCourier(conversation.resend_s or _IPBUS_RESEND_S, conversation.under_way or MOST_UNDER_WAY)
        case "rbcp":
            return RbcpCourier(conversation.resend_s, conversation.late_s, conversation.under_way or 1)
        case _:
            return None
