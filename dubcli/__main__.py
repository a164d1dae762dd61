"""`python -m dubcli`: the command, where scripts of an environment are not on the path."""

from dubcli.cli.main import main

if __name__ == "__main__":
    main()
