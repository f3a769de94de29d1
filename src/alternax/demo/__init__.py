"""The main job of the command line: a probabilistic forecast of real data, with baselines and a report."""
