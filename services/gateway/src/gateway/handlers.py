"""Every message that the gateway reacts to: none yet; it only publishes."""

from crossdock.messaging.consumer import Consumer

consumer = Consumer()
