"""The report: what was done to each shot and face, what was left alone, and why; as JSON and as a page."""
