"""The one view of runs: what it shows (`payload`), and the pages that show it (``static/``)."""
