"""Finding and opening networks and data that come inside installed packages."""
