"""Ask whether any pinned dependency has a known vulnerability; where nobody can tell, say so and pass."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 300


def verdict(report: str) -> tuple[int, list[str]]:
    """The exit code and what to say of pip-audit's JSON report; a blank one means that nobody answered."""
    try:
        dependencies: list[dict[str, Any]] = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        dependencies = []
    asked = [one for one in dependencies if "skip_reason" not in one]
    if not asked:
        return 0, ["Skipped: no service that knows vulnerabilities could be asked from here."]
    found = [
        f"{one['name']} {one['version']}: {vuln['id']}, mended in {', '.join(vuln['fix_versions']) or 'no version yet'}"
        for one in asked
        for vuln in one["vulns"]
    ]
    unknown = len(dependencies) - len(asked)
    told = f"{len(asked)} dependencies asked about, {len(found)} known vulnerabilities"
    return int(bool(found)), [*found, told + (f"; nobody knows {unknown} others." if unknown else ".")]


def main() -> int:
    """Audit requirements.lock."""
    command: list[str | Path] = [ROOT / ".venv/bin/pip-audit", "--format", "json", "--disable-pip"]
    command += ["--progress-spinner", "off", "--require-hashes", "--requirement", ROOT / "requirements.lock"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        code, lines = verdict(done.stdout)
    except subprocess.TimeoutExpired:
        code, lines = verdict("")
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main())
