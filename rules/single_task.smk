# Accuracy at α = 0 (zero-shot) and of each task's own model, α = 1 (figures 2 and 5).


rule zero_shot:
    input:
        features=features(tasks_and_control, SPLITS),
        heads=heads(tasks_and_control),
        data=datasets(tasks_and_control, SPLITS),
    output:
        accuracy="<results>/zero_shot/{model}/seed{seed}/zero_shot.json",
    params:
        features=stored_features_flags,
    message:
        "zero-shot accuracy of {wildcards.model} (seed {wildcards.seed})"
    shell:
        "python -m scripts.zero_shot {params.features} --output {output.accuracy}"
        " --code {params.code} --log {log}"


rule single_task_plain:
    input:
        edited_model(["{task}"], SPLITS),
    output:
        accuracy="<results>/single_task/{model}/{mode}/{task}/seed{seed}/accuracy.json",
    wildcard_constraints:
        mode=PLAIN,
    threads: CONFIG.compute.threads
    params:
        evaluation=evaluation_flags,
    message:
        "single-task accuracy on {wildcards.task} ({wildcards.model}, {wildcards.mode}, seed"
        " {wildcards.seed})"
    shell:
        "python -m scripts.single_task {params.evaluation} {params.compute} --task {wildcards.task}"
        " --output {output.accuracy}"
        " --code {params.code} --log {log}"


use rule single_task_plain as single_task_linearized with:
    wildcard_constraints:
        mode=LINEARIZED,
    threads: 1
