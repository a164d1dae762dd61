"""dubcli: the same film, with mouths that speak the dubbed track."""

__version__ = "0.1.0"
