"""The broker side of the message runtime: the only package that knows aiormq, pamqp and the frames of AMQP.

Guards that nothing counts as published before the broker has confirmed it, and that no acknowledgement meets another
channel than the one its delivery came from.
"""

from crossdock.messaging.broker.publishing import LARGEST_WINDOW, BrokerAway, Published
from crossdock.messaging.broker.stream import Delivery, Reconnected, Stream
from crossdock.messaging.broker.supervisor import Broker

__all__ = ["LARGEST_WINDOW", "Broker", "BrokerAway", "Delivery", "Published", "Reconnected", "Stream"]
