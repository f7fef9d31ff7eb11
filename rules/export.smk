# Edited models as folders that other programs load (docs/export.md): made on demand, not for `all`.


rule exported_addition:
    input:
        tests_of_plain_weights(tasks_of),
        config=pretrained_config,
        weights=whole_model,
        task_vector=task_vectors(["{merging}"]),
        alpha="<results>/alpha/{model}/{mode}/{merging}/seed{seed}/alpha.json",
        result="<results>/addition/{model}/{mode}/{merging}/seed{seed}/result.json",
        heads=heads(tasks_and_control),
    output:
        folder=directory("<results>/export/{model}/{mode}/{merging}/seed{seed}"),
    wildcard_constraints:
        model=one_of(CONFIG.models),
    threads: CONFIG.compute.threads
    params:
        heads=heads_dir,
        tasks=tasks_and_control,
        settings=export_flags,
    message:
        "export the model of task addition by {wildcards.merging}"
    shell:
        "python -m scripts export --model {wildcards.model} --mode {wildcards.mode} --seed {wildcards.seed}"
        " --pretrained-dir {params.pretrained_dir} --task-vector {input.task_vector}"
        " --alpha {input.alpha} --result {input.result} --heads-dir {params.heads} --tasks {params.tasks}"
        " {params.settings} --output-dir {output.folder} {params.recorded}"


use rule exported_addition as exported_negation with:
    input:
        tests_of_plain_weights(["{task}", CONFIG.control]),
        config=pretrained_config,
        weights=whole_model,
        task_vector=task_vectors(["{task}"]),
        alpha="<results>/alpha/{model}/{mode}/{task}/seed{seed}/alpha.json",
        result="<results>/negation/{model}/{mode}/{task}/seed{seed}/result.json",
        heads=heads(tasks_and_control),
    output:
        folder=directory("<results>/export/{model}/{mode}/{task}/seed{seed}"),
    message:
        "export the model without {wildcards.task}"
