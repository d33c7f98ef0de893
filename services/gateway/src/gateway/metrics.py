"""What the gateway counts."""

from crossdock.service.telemetry import COUNTS, SECONDS, meter

refused = meter.create_counter("webhook.refused", description="Deliveries that were not let in, by reason")
accepted = meter.create_counter("webhook.accepted", description="Deliveries stored, by category")
duplicates = meter.create_counter("webhook.duplicates", description="Deliveries that had come before")
group_size = meter.create_histogram(
    "webhook.group.size", description="Deliveries in one group commit", explicit_bucket_boundaries_advisory=COUNTS
)
group_seconds = meter.create_histogram(
    "webhook.group.duration",
    unit="s",
    description="Time of one group commit",
    explicit_bucket_boundaries_advisory=SECONDS,
)
renewals = meter.create_counter("token.renewals", description="Renewals of access tokens, by outcome")
checks = meter.create_counter("channel.checks", description="Checks of channels, by whether all was well")
repairs = meter.create_counter(
    "webhook.subscriptions.repaired", description="Webhook subscriptions made anew by a check"
)
