"""The campaign: faults of many kinds, most of them at random moments, and what came of them.

    python -m tests.faults [--kills 50] [--seed 0]

or `make faults`. It works in temporary clones, on made-up reviews that a local server hands out.
"""
