"""What every service process is made of: settings, application, tokens, health, telemetry, errors."""
