"""What the station says, on a broker; and commands from there, where the site allows them."""

from daq.services.status_mqtt.service import StatusMqtt
from daq.services.status_mqtt.settings import Figures, MqttSettings

__all__ = ["Figures", "MqttSettings", "StatusMqtt"]
