"""What stages leave behind: one typed reader and writer per kind of artifact; only they know its files."""
