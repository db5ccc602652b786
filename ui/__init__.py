"""The front ends: a command line and a browser page. They build recipes and show results."""
