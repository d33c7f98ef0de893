"""`python -m sandbox`: serve the sandbox on loopback until stopped."""

import argparse

import uvicorn

from sandbox.app import create_app


def main() -> None:
    """Read the command line and serve."""
    options = argparse.ArgumentParser(prog="sandbox", description="Simulated Shopify stores and a 3PL.")
    options.add_argument("--host", default="127.0.0.1", help="address to bind; /_control has no password")
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--seed", type=int, default=1, help="decides ids and misfortunes")
    options.add_argument("--no-control", action="store_true", help="leave /_control out")
    given = options.parse_args()
    app = create_app(given.seed, control_enabled=not given.no_control)
    uvicorn.run(app, host=given.host, port=given.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
