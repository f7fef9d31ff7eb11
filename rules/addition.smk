# Task addition (table 1), tested once at the α that validation chose.


rule addition_plain:
    input:
        edited_model(tasks_of, "test", vectors=["{merging}"]),
        single_task=single_task(tasks_of),
        alpha="<results>/alpha/{model}/{mode}/{merging}/seed{seed}/alpha.json",
    output:
        result="<results>/addition/{model}/{mode}/{merging}/seed{seed}/result.json",
    wildcard_constraints:
        mode=PLAIN,
    threads: CONFIG.compute.threads
    params:
        evaluation=evaluation_flags,
        tasks=tasks_of,
    message:
        "task addition by {wildcards.merging} ({wildcards.model}, {wildcards.mode}, seed {wildcards.seed})"
    shell:
        "python -m scripts.addition {params.evaluation} {params.compute} --merging {wildcards.merging}"
        " --tasks {params.tasks} --alpha {input.alpha} --output {output.result}"
        " --code {params.code} --log {log}"


use rule addition_plain as addition_linearized with:
    wildcard_constraints:
        mode=LINEARIZED,
    threads: 1
