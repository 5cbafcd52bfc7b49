"""Run the `burgee` command as `python -m burgee`."""

from burgee.cli import main

if __name__ == "__main__":
    main()
