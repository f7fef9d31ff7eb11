# Task negation (table 2), tested once at the α that validation chose.


rule negation_plain:
    input:
        edited_model(["{task}", CONFIG.control], "test", vectors=["{task}"]),
        alpha="<results>/alpha/{model}/{mode}/{task}/seed{seed}/alpha.json",
    output:
        result="<results>/negation/{model}/{mode}/{task}/seed{seed}/result.json",
    wildcard_constraints:
        mode=PLAIN,
    threads: CONFIG.compute.threads
    params:
        evaluation=evaluation_flags,
        control=CONFIG.control,
    message:
        "task negation of {wildcards.task} ({wildcards.model}, {wildcards.mode}, seed"
        " {wildcards.seed})"
    shell:
        "python -m scripts.negation {params.evaluation} {params.compute} --task {wildcards.task} --control"
        " {params.control} --alpha {input.alpha} --output {output.result}"
        " --code {params.code} --log {log}"


use rule negation_plain as negation_linearized with:
    wildcard_constraints:
        mode=LINEARIZED,
    threads: 1
