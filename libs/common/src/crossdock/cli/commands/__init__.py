"""The commands, one module for each subject; each has an `app` that `crossdock.cli.main` mounts."""
