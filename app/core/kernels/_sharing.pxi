# How a kernel's call is shared between this thread and its helpers; included by the kernels.

cdef object _wait_for_one(outbox):
    """Wait until one part is done; return what was raised meanwhile, such as Ctrl-C, or None."""
    try:
        outbox.get()
    except BaseException as error:
        _wait_for_one(outbox)
        return error
    return None


cdef int share_out(run, int parts, helpers) except -1:
    """Call `run` with each part: the first here, the others in the helpers' threads.

    All that start must end before the arrays may go, and the autoencoder's parts wait for each
    other. No signal is looked at between the puts and the first part, as this is no bytecode;
    one that comes while waiting is raised when all are done.
    """
    cdef list tasks = [(run, part) for part in range(1, parts)]
    late = None
    for inbox, task in zip(helpers.inboxes, tasks):
        inbox.put(task)
    run(0)
    for task in tasks:
        late = _wait_for_one(helpers.outbox) or late
    if late is not None:
        raise late
    return 0
