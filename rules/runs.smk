# At the start of a run: nobody else writes what it writes (tangent/jobs/run_lock.py); no rules.
import atexit
import threading
import time

from tangent.jobs import run_lock
from tangent.config.sharing import made_otherwise
from tangent.jobs.errors import UserError
from tangent.jobs.files import remove_remains


def begin_run():
    """Take the study's folder, and the shared one if something is to be made there.

    Dry runs do not come here; targets without outputs (`estimate`) need no lock.
    """
    jobs = [job for job in workflow.dag.needrun_jobs() if job.output]
    if not jobs:
        return
    note = Path(RESULTS, ".slurm")
    refuse_jobs_of_an_earlier_run(note)
    try:
        lock, me = run_lock.begin_run(Path(RESULTS))
        atexit.register(lock.release)
        note_what_jobs_are_called(note, jobs)
        remove_remains(Path(RESULTS))
        bring_back_from_the_future(jobs)
        resources = Path(CONFIG.paths.resources)
        shared = [job for job in jobs if Path(job.output[0]).is_relative_to(resources)]
        if shared:
            prepare_shared(resources, shared, me)
        made = {file for job in jobs for file in job.output}
        read = {str(file) for job in jobs for file in job.input} - made
        if lines := made_otherwise(CONFIG, read):
            sys.exit("\n".join(lines))
    except UserError as error:
        sys.exit(str(error))


def bring_back_from_the_future(jobs):
    """Give inputs that a machine with a fast clock made the present time.

    Snakemake throws away what a job made if an input is newer: hours of a fine-tuning.
    """
    present = os.stat(f"{RESULTS}/{run_lock.RUN_FILE}").st_mtime
    for file in {file for job in jobs for file in job.input}:
        if os.path.exists(file) and os.stat(file).st_mtime > present:
            try:
                os.utime(file)
            except OSError as error:
                raise UserError(
                    f"{file} was made on a machine whose clock is ahead of this one's, and what is"
                    " made of it now would be thrown away: have its owner `touch` it, or wait"
                    f" until {time.ctime(os.stat(file).st_mtime)} ({error.strerror})."
                ) from error


def prepare_shared(resources, jobs, me):
    """Hold the shared folder until `jobs` are done; plan anew if another run had it meanwhile.

    Snakemake removes a job's outputs before it runs, which must not be what another run, of this
    user or another, has just made and reads.
    """
    is_waiting = False
    while True:
        try:
            lock = run_lock.Lock(resources / run_lock.SHARED_FILE, me)
            break
        except run_lock.Busy as busy:
            if not is_waiting:
                message = "waiting for another run that prepares shared files in"
                print(f"{message} {resources}: {busy}", file=sys.stderr)
                is_waiting = True
            time.sleep(1)
    missing = [file for job in jobs for file in workflow.dag.reason(job).missing_output]
    if is_waiting or any(map(os.path.exists, missing)):
        lock.release()
        workflow.persistence.unlock()
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    remove_remains(resources)

    def release_when_done():
        while not all(workflow.dag.finished(job) or has_failed(job) for job in jobs):
            time.sleep(1)
        lock.release()

    threading.Thread(target=release_when_done, daemon=True).start()


def has_failed(job):
    """Whether a job, or one that it needs, has failed for good: with --keep-going others go on."""
    needed = workflow.dag.dependencies.get(job, ())
    return job in workflow.scheduler.failed or any(map(has_failed, needed))


onstart:
    gc.freeze()
    gc.enable()
    # With its limit of 100 starts a second, each time Snakemake looks for jobs makes it look again a
    # second later, beside the looks after each finished job: they multiply until they take a core.
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None
    if workflow.is_main_process:
        begin_run()
