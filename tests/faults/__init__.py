"""A long test with random faults: killed runs, network errors, hostile archives.

    python -m tests.faults [--kills 50] [--seed 0]

or `make faults`. It works in temporary clones, on made-up reviews from a server on this machine.
tests/test_faults.py tests the same faults once each, at fixed moments.
"""
