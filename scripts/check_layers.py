#!/usr/bin/env python3
"""Every include in lib/ and apps/ must be allowed by the table in lib/README.md."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Header prefixes of third-party libraries, and the name the table gives them.
WALLS = {
    "libpq-fe.h": "libpq-fe", "libpq/": "libpq-fe", "pqxx/": "pqxx", "pg_query": "pg_query",
    "zstd": "zstd", "xxhash": "xxhash", "nlohmann/": "nlohmann", "yaml-cpp/": "yaml-cpp",
    "CLI/": "CLI11", "openssl/": "openssl", "sodium": "sodium", "pcap": "pcap",
}


def table():
    allowed, walls = {}, {}
    for line in (ROOT / "lib/README.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 5 and re.fullmatch(r"L\d", cells[0]):
            allowed[cells[1]] = set(cells[2].split()) | {cells[1]}
            walls[cells[1]] = set(cells[3].split())
    return allowed, walls


def main():
    allowed, walls = table()
    assert "base" in allowed, "the table in lib/README.md was not found"
    errors, files = [], 0
    for path in sorted([*ROOT.glob("lib/*/**/*.h"), *ROOT.glob("lib/*/**/*.cc"),
                        *ROOT.glob("apps/scry/*.h"), *ROOT.glob("apps/scry/*.cc")]):
        files += 1
        parts = path.relative_to(ROOT).parts
        module = "apps/scry" if parts[0] == "apps" else parts[1]
        where = path.relative_to(ROOT)
        if module not in allowed:
            errors.append(f"{where}: module {module} is not in lib/README.md")
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = re.match(r'\s*#\s*include\s*[<"]([^>"]+)[>"]', line)
            if not match:
                continue
            header = match.group(1)
            top = header.split("/")[0]
            if top in allowed and "/" in header and top not in allowed[module]:
                errors.append(f"{where}:{number}: {module} may not include {header}")
            for prefix, name in WALLS.items():
                if header.startswith(prefix) and name not in walls[module]:
                    errors.append(f"{where}:{number}: {header} is walled off from {module}")
    print("\n".join(errors) or f"{files} files keep the layers")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
