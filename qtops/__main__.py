"""`qtops` and `python -m qtops`. `--version` is answered before anything else is imported."""

import sys


def main() -> int:
    """The console script; the exit code is the process's."""
    if sys.argv[1:] == ["--version"]:
        from qtops import __version__

        sys.stdout.write(f"qtops {__version__}\n")
        return 0
    from qtops.cli.main import main as run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
