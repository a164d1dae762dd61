"""What editors and compositors get: timelines, changed shots, layers."""
