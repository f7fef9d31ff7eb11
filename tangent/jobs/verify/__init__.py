"""`snakemake verify`: where does every result of a study come from, and is it still so?"""

from tangent.jobs.verify.plan import PlannedJob, plain_path
from tangent.jobs.verify.verification import Verification, verify

__all__ = ["PlannedJob", "Verification", "plain_path", "verify"]
