"""What jobs ask a scheduler for, more with every attempt; no rules."""


def memory(megabytes, copies=0, of=()):
    """MB of main memory: for Python and its libraries, and for `copies` of the inputs named `of`.

    Those are files of weights, which are read; images are mapped and need not fit.
    """

    def of_job(wildcards, input, attempt):
        named = [getattr(input, name) for name in of]
        files = [[file] if isinstance(file, str) else file for file in named]
        size = sum(os.path.getsize(file) for group in files for file in group)
        return attempt * (megabytes + copies * (size >> 20))

    return of_job


def minutes(first):
    """Time limit. A fine-tuning goes on where the last attempt stopped; others start anew."""
    return lambda wildcards, attempt: attempt * first
