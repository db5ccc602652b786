"""See and steer how words become pictures."""
