"""The tests. Their folders mirror those of `stages`; the files here test the whole repository."""

import signal

# A process started in the background of a shell ignores Ctrl-C, and so do its children. The tests
# that send Ctrl-C to a child need the default.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
