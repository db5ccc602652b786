"""The browser page: one file per panel, and the parts that run in the browser in static/."""
