"""dubcli: the same film, with mouths that speak the dubbed track."""
